"""Residual structures against values that other programs, and dense matrices, agree on."""

import numpy as np
import pytest
from models.residual_side.residual_oracles import ENTRIES, MODELS, fitted
from numpy.testing import assert_allclose

each = pytest.mark.parametrize("name", MODELS)


def test_every_entry_is_there():
    assert set(MODELS) == set(ENTRIES)


@each
def test_criterion(name):
    entry, m = ENTRIES[name], fitted(name)
    assert m.objective < entry["criterion"] + 1e-6
    assert m.objective > entry["criterion"] - 1e-4  # other programs are close to the minimum
    assert m.converged and m.optsum.feval <= 20


@each
def test_standard_errors_and_coefficients(name):
    entry, m = ENTRIES[name], fitted(name)
    assert_allclose(m.bse, entry["se"], rtol=1e-4)
    assert_allclose(m.params, entry["beta"], atol=1e-4 * np.max(entry["se"]))


@each
def test_marginal_covariance_of_six_rows(name):
    """It needs no parametrisation."""
    entry, m = ENTRIES[name], fitted(name)
    V, rows = np.zeros((6, 6)), np.arange(6)
    for term in m.reterms:
        lam = m.sigma * term.structure.matrix(term.theta)
        zl = term.z[:, rows].T @ lam
        V += np.where(np.equal.outer(term.refs[rows], term.refs[rows]), zl @ zl.T, 0.0)
    V += m.sigma**2 * m.residual_side.at_rows(rows)
    assert_allclose(V, entry["V6"], atol=1e-4 * np.max(entry["V6"]))


@each
def test_parameters(name):
    entry, m = ENTRIES[name], fitted(name)
    found = m.residual_side.parameters(m.residual_side.phi, m.sigma)
    side, pairs = entry["residual"], []
    for v in side.get("variance", []):
        p = v["params"]
        if v["type"] == "ident":
            reference = p["levels"].index(p["reference"])
            logs = {k.split("[T.")[1][:-1]: x for k, x in found.items() if "[T." in k}
            own = np.array([logs.get(level, 0.0) for level in p["levels"]])
            pairs += list(zip(np.exp(own - own[reference]), p["sd_ratio"], strict=True))
        elif v["type"] == "disp":
            own = [x for k, x in found.items() if k.startswith("dispersion.")]
            pairs += list(zip(own, p["coef"], strict=True))
        elif v["type"] != "fixed":
            pairs += [(found[k], value) for k, value in p.items()]
    if c := side.get("correlation"):
        p = c["params"]
        if c["type"] == "symm":
            pairs += [
                (found[f"rho{j + 1}.{i + 1}"], p["corr"][i][j])
                for i in range(len(p["corr"]))
                for j in range(i)
            ]
        elif c["type"] == "ar2":
            pairs += list(zip((found["phi1"], found["phi2"]), p["phi"], strict=True))
        else:
            ours = {"ar1": {"phi": "rho"}, "car1": {}}.get(c["type"], {})
            found |= {"phi": np.exp(-found["rate"])} if c["type"] == "car1" else {}
            pairs += [(found[ours.get(k, k)], value) for k, value in p.items()]
    if side.get("visits"):
        for block in side["visits"]["blocks"]:
            suffix = "" if block["by"] == "all" else f"[{side['visits']['by']}={block['by']}]"
            names = side["visits"]["names"]
            pairs += [
                (found[f"sd_{n}{suffix}"], sd) for n, sd in zip(names, block["sd"], strict=True)
            ]
    elif not entry.get("sigma"):  # no residuals in other programs, but random effects
        sd, rho = entry["terms"][0]["params"]["sd"], entry["terms"][0]["params"]["rho"]
        sds = [x for k, x in found.items() if k.startswith("sd_")] or [m.sigma]
        pairs += list(zip(sds, np.atleast_1d(sd), strict=True))
        pairs += [(found[f"rho{k}"], value) for k, value in enumerate(rho, start=1)]
    elif not any(v["type"] == "ident" for v in side.get("variance", [])):
        pairs.append((m.sigma, entry["sigma"]))
    assert pairs
    assert_allclose(*zip(*pairs, strict=True), rtol=1e-3)

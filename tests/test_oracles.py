"""The oracles hold together: names, order of θ, and the criterion by dense linear algebra.

Nothing here uses numbamm's kernels or formulas, so that an error in the reading of an oracle
and an error in numbamm cannot hide each other.
"""

import re

import formulaic
import numpy as np
import oracles
import pandas as pd
import pytest
import scipy.sparse as sp
from oracles import LINEAR, each_linear, factors, theta_in_our_order

from numbamm.design.remat import ReMat, amalgamate, order_terms

BAR = re.compile(r"\(([^|()]+)(\|\|?)([^|()]+)\)")
OFFSET = re.compile(r"offset\(([^)]*)\)")


def columns(formula, frame):
    """A model matrix by formulaic, ordered factors with polynomial contrasts."""
    ordered = [c for c in frame.select_dtypes("category") if frame[c].cat.ordered]
    for name in ordered:
        formula = re.sub(rf"\b{name}\b", f"C({name}, contr.poly)", formula)
    matrix = formulaic.model_matrix(formula, frame)
    matrix.columns = [re.sub(r"C\((\w+), contr.poly\)", r"\1", c) for c in matrix.columns]
    return pd.DataFrame(matrix)


def term(lhs, group, frame):
    """The term ``(lhs | group)``, with the variables of a group in the formula's order."""
    labels = frame[group.split(":")].astype(str).agg(":".join, axis=1)
    refs, levels = pd.factorize(labels, sort=True)
    z = columns(lhs, frame)
    return ReMat(group, refs, np.asarray(levels), [*z.columns], z.to_numpy(float).T)


def reterms(oracle):
    """The model's terms as numbamm orders them; enough of the notation for the oracles."""
    terms = []
    for lhs, bar, group in BAR.findall(oracle.formula):
        lhs, (outer, *inner) = lhs.strip(), group.strip().split("/")
        groups = [outer, *(f"{outer}:{name}" for name in inner)]
        parts = ["1", f"0 + {lhs}"] if bar == "||" else [lhs]
        terms += [term(part, group, oracle.frame) for group in groups for part in parts]
    return order_terms(amalgamate(terms))


def dense_fit(oracle, terms, theta):
    """Criterion and β at θ, from the covariance matrix of all observations."""
    lhs, rhs = BAR.sub("", oracle.formula).split("~")
    y = oracle.frame[lhs.strip()].to_numpy(float)
    for expression in OFFSET.findall(rhs):
        y = y - oracle.frame.eval(expression).to_numpy(float)
    fixed = [p.strip() for p in OFFSET.sub("", rhs).split("+")]
    x = columns(" + ".join(p for p in fixed if p), oracle.frame)
    n, p = x.shape

    w = np.ones(n) if oracle.weights is None else oracle.frame[oracle.weights].to_numpy(float)
    cov = np.diag(1 / w)  # relative to σ²
    at = 0
    for t in terms:
        t.theta = theta[at : at + t.structure.size]
        at += t.structure.size
        z = (t.tosparse() @ sp.kron(sp.eye_array(t.nlevels), t.lambda_)).toarray()
        cov += z @ z.T
    root = np.linalg.cholesky(cov)
    rx, ry = np.linalg.solve(root, x.to_numpy(float)), np.linalg.solve(root, y)
    beta = np.linalg.lstsq(rx, ry)[0]
    logdet = 2 * np.log(np.diag(root)).sum()
    df = n
    if oracle.reml:
        logdet += np.linalg.slogdet(rx.T @ rx)[1]
        df = n - p
    criterion = logdet + df * (1 + np.log(2 * np.pi * np.sum((ry - rx @ beta) ** 2) / df))
    return criterion, pd.Series(beta, x.columns)


@pytest.mark.parametrize(
    "oracle",
    [o for o in LINEAR.values() if o.dataset != "InstEval"],  # 73,421 rows squared
    ids=lambda o: o.id,
)
def test_dense_algebra_reproduces_the_oracle(oracle):
    terms = reterms(oracle)
    criterion, beta = dense_fit(oracle, terms, theta_in_our_order(oracle, terms))
    assert criterion == pytest.approx(oracle.criterion, rel=1e-9)
    assert {*beta.index} == {*oracle.beta.index}
    error = (beta[oracle.beta.index] - oracle.beta).abs()
    assert (error <= np.maximum(1e-5 * oracle.beta.abs(), 1e-3 * oracle.se)).all()


@each_linear
def test_theta_names_are_those_of_its_keys(oracle):
    def lme4s_name(group, row, col):
        group = next(g for g in oracle.entry["ngrps"] if factors(g) == group)
        return f"{group}.{row}" if row == col else f"{group}.{row}.{col}"

    plain = [
        re.sub(r"(\w+)\[(?:T\.)?(\w+)\]", r"\1\2", name)
        for name in (lme4s_name(*key) for key in oracle.theta)
    ]
    assert plain == [n.replace("(Intercept)", "Intercept") for n in oracle.entry["theta_names"]]


@each_linear
def test_theta_times_sigma_gives_the_standard_deviations(oracle):
    for (group, name), sd in oracle.sd.items():
        row = [v for (g, r, _), v in oracle.theta.items() if (g, r) == (group, name)]
        assert oracle.sigma * np.hypot.reduce(row) == pytest.approx(sd, rel=1e-6, abs=1e-12)


def test_names_as_formulaic_gives_them():
    assert [*LINEAR["sleep_quad_ml"].beta.index] == ["Intercept", "Days", "I(Days ** 2)"]
    assert [*LINEAR["machines_full_ml"].beta.index] == ["Intercept", "Machine[T.B]", "Machine[T.C]"]
    assert (factors("Worker"), "Machine[A]") in LINEAR["machines_0_reml"].sd
    cake = LINEAR["cake_ml"].beta.index
    assert {"temperature[.L]", "temperature[^4]", "recipe[T.B]:temperature[.Q]"} <= {*cake}
    insteval = LINEAR["insteval_2_ml"].beta.index
    assert "service[T.1]:dept[T.5]" in insteval and "dept[T.10]" in insteval


def test_theta_follows_the_order_of_the_terms():
    oracle = LINEAR["penicillin_ml"]
    plate, sample = reterms(oracle)
    there, back = oracle.entry["theta"], oracle.entry["theta"][::-1]
    np.testing.assert_array_equal(theta_in_our_order(oracle, [plate, sample]), there)
    np.testing.assert_array_equal(theta_in_our_order(oracle, [sample, plate]), back)


@pytest.mark.parametrize("id", ["sleep_zc_ml", "sleep_dbar_ml"])
def test_two_terms_of_lme4_are_one_of_ours(id):
    oracle = LINEAR[id]
    [ours] = reterms(oracle)
    assert [*ours.structure.entries] == [0, 3]
    np.testing.assert_array_equal(theta_in_our_order(oracle, [ours]), oracle.entry["theta"])


def test_another_model_s_terms_are_refused():
    full, diagonal = LINEAR["sleep_full_ml"], LINEAR["sleep_zc_ml"]
    with pytest.raises(KeyError, match="Days"):
        theta_in_our_order(diagonal, reterms(full))
    with pytest.raises(ValueError, match="no term has"):
        theta_in_our_order(full, reterms(diagonal))


def test_levels_of_an_interaction_follow_the_group_s_name():
    modes, sds = LINEAR["pastes_ml"].ranef("batch:cask")
    theirs, _ = LINEAR["pastes_ml"].ranef("cask:batch")
    assert [*theirs.index] == ["a:A", "a:B", "a:C"] and [*modes.index] == ["A:a", "B:a", "C:a"]
    np.testing.assert_array_equal(modes, theirs)
    assert (sds > 0).all(axis=None) and [*sds.columns] == ["Intercept"]


def test_a_prepared_column_is_in_the_frame_of_its_model_only():
    frame = LINEAR["sleep_weights_ml"].frame
    np.testing.assert_array_equal(frame["w"], 1 + frame["Days"] / 3)
    assert "w" not in oracles.dataset("sleepstudy")

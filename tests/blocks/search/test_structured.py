"""Newton's search in θ of structures: where it ends, how it goes, and by which information."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.blocks import observed

rng = np.random.default_rng(12)
VISITS = pd.DataFrame([(i, t) for i in range(30) for t in range(4)], columns=["id", "t"])
VISITS["visit"] = VISITS.t.map("v{}".format)
_R = 0.6 ** np.abs(np.subtract.outer(np.arange(4), np.arange(4)))
VISITS["y"] = (rng.normal(size=(30, 4)) @ np.linalg.cholesky(_R).T).ravel()
VISITS["y"] += 0.5 * rng.normal(size=120)
VISITS["h"] = rng.integers(0, 6, 120)
SOME = VISITS.sample(frac=0.8, random_state=1)
#: Some cells twice, without which `homcs` and `homtoep` are not identified beside σ.
TWICE = pd.concat([SOME, SOME.sample(20, random_state=2).assign(y=lambda d: d.y + 0.3)])


def model(structure: str, **options):
    formula = f"y ~ t + {structure}(0 + visit | id) + (1 | h)"
    return mm.LinearMixedModel(formula, TWICE, **options)


@pytest.mark.parametrize("structure", ["ar1", "hetar1", "homcs", "homtoep", "toep", "rr"])
def test_both_kinds_of_information_end_at_the_same_minimum(structure, monkeypatch):
    exact = model(structure).fit(optimizer="newton")
    monkeypatch.setattr(observed, "MOST_EFFECTS", 0)
    average = model(structure).fit(optimizer="newton")
    assert_allclose(average.objective, exact.objective, atol=1e-6)
    other = model(structure).fit(optimizer="scipy:L-BFGS-B")
    assert exact.objective < other.objective + 1e-6


def test_how_it_goes():
    m = model("ar1", reml=True).fit(optimizer="newton")
    optsum = m.optsum
    assert optsum.returnvalue == "CONVERGED" and optsum.feval == len(optsum.log) <= 20
    assert optsum.gradient_norm < 1e-2
    assert m.objective == min(f for _, f in optsum.log)
    with pytest.warns(mm.errors.ConvergenceWarning, match="MAXEVAL_REACHED"):
        short = model("ar1", reml=True)
        short.optsum.maxfeval = 2
        short.fit(optimizer="newton")
    assert short.optsum.feval == 2


def test_a_start_at_a_false_optimum():
    """At s = 0 the gradient vanishes; the certificate says that it is no minimum."""
    m = model("ar1")
    m.optsum.initial = [0.0, 0.0, 1.0]
    m.fit(optimizer="newton")
    assert_allclose(m.objective, model("ar1").fit(optimizer="newton").objective, atol=1e-6)


def test_rank_two_where_there_is_one_factor():
    """A loading that is zero is filled, if that lowers the objective."""
    m = model("rr")
    start = m.theta * 0.0
    start[:4] = [1.0, 0.6, 0.4, 0.2]
    m.optsum.initial = start
    m.fit(optimizer="newton")
    assert_allclose(m.objective, model("rr").fit(optimizer="newton").objective, atol=1e-5)


def test_no_random_effects_at_all():
    """Data without any: standard deviations are zero, and the fit says so."""
    noise = SOME.assign(y=np.random.default_rng(4).normal(size=len(SOME)))
    residuals = noise.y - noise.groupby("id").y.transform("mean")
    for structure in ("homcs", "ar1", "hetar1", "toep"):
        m = mm.lmm(f"y ~ t + {structure}(0 + visit | id)", noise.assign(y=residuals), sigma=2.0)
        assert m.is_singular() and (m.varcorr["id"].sd < 1e-2).all()
        assert m.optsum.certificate > -1e-5

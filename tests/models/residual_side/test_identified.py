"""Parameters that no response determines are named before the fit."""

import warnings

import numpy as np
import pandas as pd
import pytest

import numbamm as mm
from numbamm.errors import NumbammWarning


@pytest.fixture(scope="module")
def d():
    rng = np.random.default_rng(6)
    d = pd.DataFrame([(f"s{g}", t) for g in range(25) for t in range(3)], columns=["id", "visit"])
    d["f"], d["x"] = d.visit.map("v{}".format), rng.normal(size=75)
    d["arm"] = np.where(d.id.str[1:].astype(int) % 2, "A", "B")
    d["y"] = rng.normal(size=25).repeat(3) + rng.normal(size=75) * (1 + d.visit)
    return d


@pytest.mark.parametrize(
    ("terms", "options", "words"),
    [
        ("(1 | id)", {"residual": "us(visit | id)"}, ["(Intercept | id)", "us(visit | id)"]),
        ("(1 | id)", {"residual": "us(visit | id, by=arm)"}, ["(Intercept | id)", "by=arm"]),
        (
            "(1 | id)",
            {"residual": "homcs(1 | id)"},
            ["determine rho, id.I", "homcs(1 | id)"],
        ),
        (
            "(1 | id)",
            {"residual": "cs(f | id)", "dispersion": "~ f"},
            ["determine sd_v1", "~ f"],
        ),
    ],
)
def test_what_is_not_determined(d, terms, options, words):
    m = mm.LinearMixedModel(f"y ~ f + {terms}", d, **options)
    with pytest.warns(NumbammWarning, match="several values fit equally well") as caught:
        m.fit()
    assert all(word in str(caught[0].message) for word in words)


@pytest.mark.parametrize(
    ("terms", "options"),
    [
        ("", {"residual": "us(visit | id)"}),
        ("+ (1 | id)", {"residual": "ar1(visit | id)"}),
        ("+ (1 | id)", {"residual": "cs(visit | id)"}),
        ("+ (0 + x | id)", {"residual": "toep(visit | id)", "dispersion": "~ x"}),
        ("+ (1 | id)", {"dispersion": "~ f"}),
    ],
)
def test_what_is_determined(d, terms, options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mm.lmm(f"y ~ f {terms}", d, **options)


def test_visits_that_never_meet(d):
    """Nobody has the first and the last visit: nothing tells their correlation."""
    apart = d[(d.arm == "A") & (d.visit < 2) | (d.arm == "B") & (d.visit > 0)]
    with pytest.warns(NumbammWarning, match="determine rho1.3"):
        mm.lmm("y ~ 1", apart, residual="us(visit | id)")

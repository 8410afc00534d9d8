"""Parts at an end of their range: the simpler family is named, and inference is its."""

import re
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

import numbamm as mm


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    g, x = rng.integers(0, 15, 300), rng.normal(size=300)
    b = 0.4 * rng.normal(size=15)[g]
    y = rng.poisson(np.exp(0.5 + 0.3 * x + b)).astype(float)
    z = 1 + 0.5 * x + b + rng.uniform(-1.7, 1.7, 300)
    f = np.array(["u", "v", "w"])[np.arange(300) % 3]
    mu = np.exp(0.5 + 0.3 * x + b)
    p = rng.beta(4 * mu / (1 + mu), 4 / (1 + mu))
    wide = rng.poisson(mu * rng.gamma(0.5, 2, 300)) * 1.0
    return {
        "y": y, "x": x, "g": g.astype(str), "z": z, "f": f, "p": p,
        "bent": b + np.abs(rng.normal(size=300)),
        "ends": np.where(rng.uniform(size=300) < 0.2, 1.0, p),
        "size": rng.wald(mu, 3 * mu),
        "w": rng.integers(2, 9, 300) * 1.0,
        "wide": wide,
        "zeros": np.where(f == "w", 0.0, y * (rng.uniform(size=300) > 0.3)),
        "none": np.where(f == "w", 1.0 + y, y * (rng.uniform(size=300) > 0.3)),
        "part": np.where(f == "w", np.round(mu), wide),
        "empty": np.where(f == "w", 0.0, wide),
    }  # fmt: skip


CASES = [
    ("nbinom1", "y", {}, "poisson", "goes to zero.*'poisson'"),
    ("student", "z", {"link": "identity"}, "gaussian", "grows without limit.*'gaussian'"),
]


@pytest.mark.parametrize(("family", "response", "options", "simple", "words"), CASES)
def test_the_simpler_family_is_named(data, family, response, options, simple, words):
    formula = f"{response} ~ x + (1 | g)"
    with pytest.warns(mm.NumbammWarning, match=words):
        model = mm.glmm(formula, data, family, **options)
    other = mm.glmm(formula, data, simple, options.get("link"))
    assert model.objective == pytest.approx(other.objective, abs=2e-3)
    assert_allclose(model.beta, other.beta, rtol=2e-2)
    assert_allclose(model.bse, other.bse, rtol=5e-2)
    assert model.parts["se"].isna().any()
    assert "limit" in str(model.summary())
    assert np.isfinite(model.conf_int()).all(axis=None)
    assert np.isfinite(model.predict({k: v[:4] for k, v in data.items()}, se=True)).all(axis=None)


#: Responses, families, options, words, and which standard errors of the parts there are.
ENDS = [
    pytest.param("tweedie", "size", {}, "power.*'gamma'", [1, 0], marks=pytest.mark.slow),
    ("ordbeta", "p", {}, "'beta'", [1, 0, 0]),
    ("ordbeta", "ends", {}, "no response is 0", [1, 0, 0]),
    ("skewnormal", "z", {}, "no skewness.*'gaussian'", [1, 0]),
    ("nbinom12", "y", {}, "'nbinom[12]'", None),
    ("poisson", "zeros", {"zi": "~ f"}, "columns of zi separate.*zi.f.T.w", [1, 1, 0]),
    ("nbinom1", "none", {"zi": "~ f"}, "columns of zi separate.*zi.f.T.w", None),
    ("nbinom2", "part", {"dispersion": "~ f"}, "coefficients of shape.*f.T.w", [1, 1, 0]),
    ("nbinom1", "empty", {"x": "f"}, "all rows of f=w.*f.T.w. grow", [1]),
]  # fmt: skip


@pytest.mark.parametrize(("family", "response", "options", "words", "known"), ENDS)
def test_ends_of_ranges_and_separated_parts_are_named(
    data, family, response, options, words, known
):
    options = dict(options)
    x = options.pop("x", "x")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = mm.glmm(f"{response} ~ {x} + (1 | g)", data, family, **options)
    assert any(re.search(words, str(w.message)) for w in caught)
    assert np.isfinite(model.bse).all()
    if known is not None:
        assert model.parts["se"].notna().tolist() == [bool(k) for k in known]


def test_nothing_is_said_of_parts_that_the_data_tell(data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = mm.glmm("wide ~ x + (1 | g)", data, "nbinom1", dispersion="~ f")
    assert model.flat_parts == [] and model.parts["se"].notna().all()


def test_responses_that_are_reproduced_exactly():
    f, g = np.arange(80) % 2, np.arange(80) % 10
    y = np.where(f == 1, 2.0, np.random.default_rng(1).normal(size=80))
    data = {"y": y, "f": np.array(["a", "b"])[f], "g": g.astype(str)}
    with pytest.raises(mm.DataError, match=r"goes to zero.*all rows of f=b.*reproduced"):
        mm.glmm("y ~ f + (1 | g)", data, "gaussian", dispersion="~ f")


def test_no_additional_zeros(data):
    with pytest.warns(mm.NumbammWarning, match="without zi"):
        model = mm.glmm("y ~ x + (1 | g)", {**data, "y": data["y"] + 1}, "poisson", zi="~ 1")
    assert model.parts["value"].iloc[0] < 1e-3 and model.parts["se"].isna().all()
    assert np.isfinite(model.bse).all()

"""Tests and marginal means of a part of a model, against its coefficients and other fits."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit

import numbamm as mm
from numbamm.errors import OptionError


def make(n=260, seed=8):
    rng = np.random.default_rng(seed)
    d = pd.DataFrame({"x": rng.normal(size=n), "odd f": rng.choice(list("abc"), n)})
    d["g"], d["one"] = rng.integers(0, 12, n).astype(str), "only"
    d["twice"] = 2 * d["x"]
    mu = np.exp(1 + 0.3 * d["x"] + 0.4 * rng.normal(size=12)[d["g"].astype(int)])
    p = expit(-0.5 + 0.7 * d["x"] + 0.8 * (d["odd f"] == "b"))
    d["y"] = np.where(rng.uniform(size=n) < p, 0.0, rng.poisson(rng.gamma(3, mu / 3)))
    return d


@pytest.fixture(scope="module")
def data():
    return make()


@pytest.fixture(scope="module")
def model(data):
    zi = "~ x + twice + `odd f`"  # of deficient rank
    return mm.glmm("y ~ x + (1 | g)", data, "nbinom2", zi=zi, dispersion="~ `odd f`")


def coefficient(model, part, term):
    table = model.parts
    return table[(table["part"] == part) & (table["term"] == term)].iloc[0]


def test_contrasts_and_means_are_those_of_the_coefficients(model):
    b = coefficient(model, "zi", "odd f[T.b]")
    pairs = model.emmeans("odd f", part="zi").pairs("none").frame.set_index("contrast")
    assert pairs.loc["a - b", "estimate"] == pytest.approx(-b["estimate"])
    assert pairs.loc["a - b", "se"] == pytest.approx(b["se"])
    odds = model.emmeans("odd f", part="zi", type="response").pairs("none")
    assert odds.frame["estimate"].iloc[0] == pytest.approx(np.exp(-b["estimate"]))
    assert "odds.ratio" in str(odds)
    table = model.contrast({"odd f[T.b]": 1}, part="zi").frame.iloc[0]
    assert (table["estimate"], table["se"]) == pytest.approx((b["estimate"], b["se"]))
    # on the scale of the part the means are those of predictions, for one row of the grid each
    for part, kind in (("zi", "zprob"), ("dispersion", "dispersion")):
        one = model.emmeans("odd f", part=part, type="response").frame
        other = model.emmeans("odd f", type=kind, at={"x": [0.0], "twice": [0.0]}).frame
        if part == "zi":
            one = model.emmeans(
                "odd f", part=part, type="response", at={"x": [0.0], "twice": [0.0]}
            ).frame
        assert_allclose(one["mean"], other["estimate"])
        assert_allclose(one["se"], other["se"], rtol=1e-6)


def test_terms_of_a_part_are_tested(model, data):
    tests = model.anova(part="zi", type=2)
    assert list(tests.frame.index) == ["x", "twice", "odd f"] or "x" in tests.frame.index
    [f] = [name for name in tests.frame.index if "odd" in name]
    rows = [coefficient(model, "zi", f"odd f[T.{level}]") for level in "bc"]
    estimate = np.array([row["estimate"] for row in rows])
    rank, names = model.feterm.rank, model.part_lines.names
    at = [rank + names.index(f"zi.odd f[T.{level}]") for level in "bc"]
    cov = model.part_covariance[np.ix_(at, at)]
    assert tests.frame.loc[f, "chisq"] == pytest.approx(estimate @ np.linalg.solve(cov, estimate))
    dropped = model.drop1(part="zi").frame
    smaller = mm.glmm("y ~ x + (1 | g)", data, "nbinom2", zi="~ x", dispersion="~ `odd f`")
    [line] = [name for name in dropped.index if "odd" in name]
    assert dropped.loc[line, "chisq"] == pytest.approx(
        smaller.objective - model.objective, abs=1e-5
    )
    assert dropped.loc[line, "df"] == 2
    assert "the part dispersion" in model.anova(part="dispersion").title
    trend = model.emtrends("odd f", "x", part="zi", at={"odd f": ["a"]})
    assert trend.frame["trend"].isna().all()  # x moves twice, too: not x alone


def test_mean_is_a_part_too(model):
    one, other = model.anova(), model.anova(part="mean")
    assert_allclose(one.frame, other.frame)
    means = model.emmeans("x", part="mean", type="response")
    assert "Means of μ" in str(means)
    assert means.frame["mean"].iloc[0] == pytest.approx(
        np.exp(model.emmeans("x").frame["mean"].iloc[0])
    )


def test_what_is_refused(model, data):
    with pytest.raises(OptionError, match="part must be one of mean, dispersion, zi"):
        model.anova(part="hurdle")
    with pytest.raises(OptionError, match="leave re and bias_adjust out"):
        model.emmeans("odd f", part="zi", re="integrated")
    constant = mm.glmm("y ~ x + (1 | g)", data, "nbinom2", zi="~ 1")
    for call in (constant.anova, constant.drop1):
        with pytest.raises(OptionError, match="has no terms"):
            call(part="zi")
    with pytest.raises(OptionError, match="part must be one of mean"):
        mm.lmm("y ~ x + (1 | g)", data).anova(part="zi")
    with pytest.raises(OptionError, match=r"coef_table\(\) has nominal"):
        three = data.assign(y=np.minimum(data["y"], 2))
        mm.clmm("y ~ x + (1 | g)", three).anova(part="nominal")

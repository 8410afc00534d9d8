"""Where the fit of a generalized model begins, and separation, which is told before it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import numbamm as mm

VERBAGG = "r2 ~ 1 + Anger + Gender + btype + situ + (1 | id) + (1 | item)"
RNG = np.random.default_rng(11)
G = np.tile(np.arange(10), 20)


def test_separation_is_named():
    x = np.repeat([0.0, 1.0], 50)
    with pytest.raises(mm.DataError, match="separate the responses completely"):
        mm.glmm("y ~ x + (1 | g)", {"y": x, "x": x, "g": np.tile(np.arange(10), 10)}, "bernoulli")


def test_start_by_a_linear_mixed_model(fitted_glmm):
    model = mm.GeneralizedLinearMixedModel(
        VERBAGG, mm.datasets.load("VerbAgg"), "bernoulli", init="lmm"
    )
    assert_allclose(model.optsum.initial, [1.33956, 0.496833], atol=0.6)
    assert (model.optsum.initial != 1).all()
    model.fit(fast=True)
    assert model.objective == pytest.approx(fitted_glmm("verbagg_0").objective, abs=1e-6)


def test_separation_in_part_is_told():
    a = np.repeat(list("abcd"), 50)
    y = np.where(a == "b", 0, RNG.integers(0, 2, 200)) * 1.0
    with pytest.warns(mm.NumbammWarning, match=r"coefficients of a\[T.b\] grow without limit"):
        fit = mm.glmm("y ~ a + (1 | g)", {"y": y, "a": a, "g": G}, "bernoulli", fast=True)
    assert fit.params["a[T.b]"] < -10
    assert abs(fit.params["a[T.c]"]) < 2
    counts = np.where(a == "b", 0, RNG.poisson(2, 200)) * 1.0
    with pytest.warns(mm.NumbammWarning, match=r"coefficients of a\[T.b\] grow without limit"):
        fit = mm.glmm("y ~ a + (1 | g)", {"y": counts, "a": a, "g": G}, "poisson", fast=True)
    assert fit.params["a[T.b]"] < -10


@pytest.mark.parametrize(
    ("cells", "said", "named"),
    [
        ([("a", "u")], r"all rows of A=a×B=u\)", ["A[T.b]", "A[T.c]", "B[T.v]", "A[T.c]:B[T.v]"]),
        ([("b", "u"), ("b", "v")], r"all rows of A=b\)", ["A[T.b]", "A[T.b]:B[T.v]"]),
        ([("c", "v")], r"all rows of A=c×B=v\)", ["A[T.c]:B[T.v]"]),
    ],
)
@pytest.mark.parametrize("family", ["bernoulli", "poisson"])
def test_separated_cells_are_named(family, cells, said, named):
    a, b = np.tile(list("abc"), 67)[:200], np.repeat(list("uv"), 100)
    y = RNG.integers(0, 2, 200) if family == "bernoulli" else RNG.poisson(3, 200)
    for cell in cells:
        y = np.where((a == cell[0]) & (b == cell[1]), 0, y)
    data = {"y": y * 1.0, "A": a, "B": b, "g": G}
    with pytest.warns(mm.NumbammWarning, match=said) as warned:
        fit = mm.glmm("y ~ A * B + (1 | g)", data, family, fast=True)
    [text] = [str(w.message) for w in warned if "grow without limit" in str(w.message)]
    diverging = [c for c in fit.params.index if fit.bse[c] > 1000 and c != "Intercept"]
    assert set(named) <= set(diverging)
    for name in fit.params.index[1:]:
        listed = f" {name}," in text or f" {name} grow" in text
        assert listed == (name in diverging), name


def test_complete_separation_names_the_covariate():
    x = RNG.normal(size=200)
    data = {"y": np.where(x > 0.3, 1.0, 0.0), "x": x, "g": G}
    for link in ("logit", "cauchit"):
        with pytest.raises(mm.DataError, match="separate the responses completely.*: x$"):
            mm.glmm("y ~ x + (1 | g)", data, "bernoulli", link)


def test_a_start_far_off_is_compared_with_the_usual_one():
    """Single ticks above a hurdle tell next to nothing of η: the linear model's θ is 99."""
    formula = "TICKS ~ YEAR + (1 | BROOD)"
    ticks = mm.datasets.load("grouseticks")
    model = mm.glmm(formula, ticks, "nbinom2", hurdle="~ YEAR")
    assert model.optsum.feval < 60 and not np.isnan([f for _, f in model.optsum.log]).any()
    assert model.objective == pytest.approx(1897.954327, abs=1e-5)

"""When a generalized fit searches from other starts, too: where another minimum may be."""

import warnings

import numpy as np
import pytest

import numbamm as mm
from numbamm.glm.family import FAMILIES
from numbamm.models.fitting import stages
from numbamm.models.fitting.runaway import levels_alike, separable_levels

BINARY = FAMILIES.of("bernoulli")

#: Successes in each level, and its rows.
ALIKE = {
    "sixteen of four": ([2, 0, 0, 1, 0, 0, 3, 0, 0, 1, 1, 0, 0, 0, 3, 0], 4),
    "eighteen of four": ([0, 4, 0, 0, 0, 1, 0, 0, 1, 0, 3, 0, 2, 1, 0, 2, 4, 2], 4),
    "seven of three": ([1, 0, 0, 0, 0, 2, 0], 3),
}
VARYING = {
    "eight of six": ([1, 2, 5, 0, 3, 4, 2, 1], 6),
    "six of nine": ([8, 1, 4, 6, 2, 5], 9),
}


def rows(successes, size, failures=False):
    """A row for each outcome; for `failures` the outcomes are exchanged."""
    y = np.concatenate([np.repeat([1.0, 0.0], [k, size - k]) for k in successes])
    return {"y": 1 - y if failures else y, "g": np.repeat(np.arange(len(successes)), size)}


def from_start(data, link, theta, what="objective"):
    model = mm.GeneralizedLinearMixedModel("y ~ 1 + (1 | g)", data, "bernoulli", link)
    model.optsum.initial = [theta]
    return getattr(model.fit(optimizer="newton"), what)


@pytest.fixture
def searches(monkeypatch):
    """How often searches began."""
    begun, search = [], stages.Stages._search_in_stages

    def counted(self, *args, **options):
        begun.append(1)
        return search(self, *args, **options)

    monkeypatch.setattr(stages.Stages, "_search_in_stages", counted)
    return begun


@pytest.mark.parametrize("design", ALIKE)
@pytest.mark.parametrize("link", ["loglog", "cloglog"])
def test_two_minima_where_many_levels_are_alike(design, link):
    """That of the smaller standard deviation is kept, beside which quadrature has its maximum."""
    data = rows(*ALIKE[design], failures=link == "cloglog")  # mirror images of each other
    ends = [from_start(data, link, theta) for theta in (0.3, 1.0, 3.0, 10.0)]
    assert max(ends) - min(ends) > 1.0
    with pytest.warns(mm.NumbammWarning, match="two minima: .*nagq=25") as said:
        fit = mm.glmm("y ~ 1 + (1 | g)", data, "bernoulli", link)
    assert "lower" in str(said[0].message)
    assert fit.objective > min(ends) + 1.0
    exact = mm.glmm("y ~ 1 + (1 | g)", data, "bernoulli", link, nagq=25)
    there = from_start(data, link, 10.0, "theta")[0]
    assert abs(fit.theta[0] - exact.theta[0]) < abs(there - exact.theta[0])


def few_rows(seed):
    """Binary responses of groups of two to five rows, some of which hold both outcomes."""
    rng = np.random.default_rng(seed)
    size = rng.integers(2, 6, 20)
    g = np.repeat(np.arange(20), size)
    x = rng.normal(size=len(g))
    eta = 0.5 * x + 2 * rng.normal(size=20)[g]
    return {
        "y": 1.0 * (eta + rng.logistic(size=len(g)) > 0),
        "x": x,
        "g": g,
        "h": np.arange(len(g)) % 3,
    }


@pytest.mark.parametrize(
    "seed, link, formula, remedy",
    [
        (142, "logit", "y ~ x + (1 | g)", "compare with nagq=25"),
        (9, "probit", "y ~ x + (1 | g)", "compare with nagq=25"),
        (9, "probit", "y ~ x + (1 | g) + (1 | h)", "leave the term out"),
        (30, "probit", "y ~ x + (1 + x | g)", "compare with nagq=9"),
    ],
)
def test_another_minimum_is_told_whatever_the_link(seed, link, formula, remedy):
    with pytest.warns(mm.NumbammWarning, match=f"two minima: .*which is kept.*{remedy}"):
        fit = mm.glmm(formula, few_rows(seed), "bernoulli", link)
    ends = []
    for factor in (10, 30):
        model = mm.GeneralizedLinearMixedModel(formula, few_rows(seed), "bernoulli", link)
        model.optsum.initial = factor * np.array(model.optsum.initial)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a standard deviation that is large
            ends.append(model.fit(optimizer="newton"))
    other = max(ends, key=lambda end: end.theta[0])
    assert other.theta[0] > 2 * fit.theta[0]
    assert other.objective < fit.objective + 2.0


def test_one_search_by_quadrature_and_in_fast_fits(searches):
    """The other minimum belongs to the Laplace approximation of a full fit."""
    data = rows(*ALIKE["sixteen of four"])
    mm.glmm("y ~ 1 + (1 | g)", data, "bernoulli", "loglog", nagq=9)
    mm.glmm("y ~ 1 + (1 | g)", data, "bernoulli", "loglog", fast=True)
    assert len(searches) == 2


@pytest.mark.parametrize("design", VARYING)
@pytest.mark.parametrize("link", ["loglog", "cloglog"])
def test_one_search_where_both_outcomes_occur_in_the_levels(design, link, searches):
    data = rows(*VARYING[design])
    fit = mm.glmm("y ~ 1 + (1 | g)", data, "bernoulli", link)
    assert len(searches) == 1
    ends = [from_start(data, link, theta) for theta in (0.3, 1.0, 3.0, 10.0)]
    assert fit.objective == pytest.approx(min(ends), abs=1e-6)


def test_one_search_for_trials_and_for_a_fit_at_the_boundary(searches):
    cbpp = mm.datasets.load("cbpp")
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    mm.glmm(formula, cbpp, "binomial", "cloglog")
    assert len(searches) == 1
    fit = mm.glmm("y ~ 1 + (1 | g)", rows([3, 2, 3, 2, 3, 2, 3], 5), "bernoulli")
    assert fit.theta[0] == 0 and len(searches) == 2


@pytest.mark.parametrize("sign", [1, -1])
def test_levels_that_the_effects_may_fit_exactly(sign):
    """An effect of x may be infinite in a level of both outcomes, if they follow the sign of x."""
    x, g = np.tile([-1.0, -0.4, 0.2, 0.9], 6), np.repeat(np.arange(6), 4)
    y = 1.0 * (sign * x > 0)
    y[[2, 13]] = 1 - y[[2, 13]]  # an exception each in levels 0 and 3
    y[20:] = 0.0

    def levels(count, terms):
        data = {"y": y, "x": x, "g": g}
        model = mm.GeneralizedLinearMixedModel(f"y ~ 1 + ({terms} | g)", data, "bernoulli")
        return count(model.reterms[0], BINARY, y)

    assert levels(levels_alike, "0 + x") == levels(separable_levels, "1") == 1
    assert levels(separable_levels, "0 + x") == 3
    assert levels(separable_levels, "1 + x") == 3  # fewer than two of the other outcome
    assert levels(separable_levels, "1 + x + I(x**2)") == 6


def test_slopes_are_searched_for_again_where_few_rows_tell_them(searches):
    mm.glmm("y ~ x + (1 + x | g)", few_rows(3), "bernoulli")
    assert len(searches) > 1
    searches.clear()
    data = rows(*VARYING["six of nine"])
    data["x"] = np.tile(np.linspace(-1, 1, 9), 6)
    mm.glmm("y ~ 1 + (0 + x | g)", data, "bernoulli", "cloglog")
    assert len(searches) == 1


GAUSSIAN = "Reaction ~ Days + (1 | Subject)"


@pytest.mark.parametrize("family", ["gaussian", "inversegaussian"])
def test_one_search_where_the_density_is_concave_around_its_end(family, searches):
    sleep = mm.datasets.load("sleepstudy")
    fit = mm.glmm(GAUSSIAN, sleep, family, "log")
    assert len(searches) == 1
    model = mm.GeneralizedLinearMixedModel(GAUSSIAN, sleep, family, "log")
    model.optsum.initial = 4 * np.array(model.optsum.initial)
    assert fit.objective == pytest.approx(model.fit().objective, abs=1e-6)


@pytest.mark.parametrize("far", [1.5, 6.0, 20.0])
def test_more_searches_where_rows_are_far_from_their_means(far, searches):
    """With a logarithmic link rows twice as large as their means curve the other way."""
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(6), 10)
    y = np.array([1.0, 2.0, 0.5, 4.0, 0.7, 1.5])[g] * (1 + 0.1 * rng.normal(size=60))
    y[[3, 17, 44]] *= far
    mm.glmm("y ~ 1 + (1 | g)", {"y": y, "g": g}, "gaussian", "log")
    assert (len(searches) > 1) == (far > 10)

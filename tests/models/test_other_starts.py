"""When a generalized fit searches from other starts, too: where another minimum may be."""

import numpy as np
import pytest

import numbamm as mm
from numbamm.models.fitting import stages

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


def from_start(data, link, theta):
    model = mm.GeneralizedLinearMixedModel("y ~ 1 + (1 | g)", data, "bernoulli", link)
    model.optsum.initial = [theta]
    return model.fit(optimizer="newton").objective


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
def test_the_lower_of_two_minima_where_many_levels_are_alike(design, link):
    data = rows(*ALIKE[design], failures=link == "cloglog")  # mirror images of each other
    ends = [from_start(data, link, theta) for theta in (0.3, 1.0, 3.0, 10.0)]
    assert max(ends) - min(ends) > 1.0
    assert mm.glmm("y ~ 1 + (1 | g)", data, "bernoulli", link).objective == pytest.approx(
        min(ends), abs=1e-6
    )


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


def test_slopes_are_searched_for_again_whatever_the_levels(searches):
    """An effect of x may be infinite in a level of both outcomes."""
    data = rows(*VARYING["six of nine"])
    data["x"] = np.tile(np.linspace(-1, 1, 9), 6)
    mm.glmm("y ~ 1 + (0 + x | g)", data, "bernoulli", "cloglog")
    assert len(searches) > 1


GAUSSIAN = "Reaction ~ Days + (1 | Subject)"


@pytest.mark.parametrize("family", ["gaussian", "inversegaussian"])
def test_one_search_where_the_density_is_concave_around_its_end(family, searches):
    sleep = mm.datasets.load("sleepstudy")
    fit = mm.glmm(GAUSSIAN, sleep, family, "log")
    assert len(searches) == 1
    model = mm.GeneralizedLinearMixedModel(GAUSSIAN, sleep, family, "log")
    model.optsum.initial = 4 * np.array(model.optsum.initial)
    assert fit.objective == pytest.approx(model.fit().objective, abs=1e-6)


@pytest.mark.parametrize("far", [1.5, 6.0])
def test_more_searches_where_rows_are_far_from_their_means(far, searches):
    """With a logarithmic link rows twice as large as their means curve the other way."""
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(6), 10)
    y = np.array([1.0, 2.0, 0.5, 4.0, 0.7, 1.5])[g] * (1 + 0.1 * rng.normal(size=60))
    y[[3, 17, 44]] *= far
    mm.glmm("y ~ 1 + (1 | g)", {"y": y, "g": g}, "gaussian", "log")
    assert (len(searches) > 1) == (far > 5)

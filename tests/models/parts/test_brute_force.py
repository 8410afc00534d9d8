"""Likelihoods of every family and part: quadrature is the integral, and gradients are differences.

At fixed parameters, so that nothing is fitted. Random effects in two parts have no quadrature;
their Laplace approximation is compared with a dense computation in test_finder.
"""

import warnings
from functools import cache

import numpy as np
import pytest
from glm.parts.part_families import ALL, predictors, responses
from models.parts.brute_force import minus_two_log_likelihood
from numpy.testing import assert_allclose

import numbamm as mm

ROWS = 18
PARTS = {
    "mean": {},
    "dispersion": {"dispersion": "~ x"},
    "zi": {"zi": "~ x"},
    "hurdle": {"hurdle": "~ x"},
    "zi, random": {"zi": "~ x + (1 | g)"},
    "hurdle, random": {"hurdle": "~ x + (1 | g)"},
}


def has(family, part: str) -> bool:
    """Whether a family has such a part; of the mean's alone those without parameters are taken."""
    if part == "mean":
        return family.name == "truncated_poisson"
    if part == "dispersion":
        return bool(family.parameters)
    if part.startswith("zi"):
        return family.discrete and family.counts and not family.positive
    return bool(family.truncated) or not (
        family.unit or family.positive or family.supports(np.zeros(1))[0]
    )


CASES = [(name, part) for name, family in ALL.items() for part in PARTS if has(family, part)]


@cache
def model(name: str, part: str):
    """A small model of irregular groups, one of them of a single row, not fitted."""
    family, rng = ALL[name], np.random.default_rng(11)
    g = np.r_[0, rng.integers(1, 4, ROWS - 1)]
    y = np.resize(responses(family), ROWS)
    if part.startswith("hurdle"):
        y = np.where(np.arange(ROWS) % 3 == 0, 0.0, np.maximum(y, 1.0) if family.counts else y)
    data = {"y": y, "x": np.round(rng.normal(size=ROWS), 2), "g": g.astype(str)}
    options = dict(PARTS[part])
    link = "identity" if family.link == "identity" else "logit" if family.unit else "log"
    if family.weights == "trials":
        data["w"], options["weights"] = np.full(ROWS, 8.0), "w"
    known = name.removesuffix(" by density")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mm.NumbammWarning)
        return mm.GeneralizedLinearMixedModel("y ~ x + (1 | g)", data, known, link, **options)


def parameters_of(built, seed=2) -> np.ndarray:
    """Random ones near the typical ones, of the mean, of the parts, and of the effects."""
    rng, family = np.random.default_rng(seed), built.composition.family
    at = [0.2 + 0.3 * rng.normal(), 0.4 * rng.normal()]
    for k, line in enumerate(built.part_lines.lines):
        first = predictors(family)[k] if k < len(family.parameters) else -0.6
        at += [first, 0.3 * rng.normal()][: line.rank]
    return np.array([*at, *[0.7, 0.5][: len(built.theta)]])


@pytest.mark.parametrize(("name", "part"), [c for c in CASES if "random" not in c[1]])
def test_quadrature_is_the_integral(name, part):
    built = model(name, part)
    x = parameters_of(built)
    space = built.space_of(built.parameters(False), 61)
    found = space.objective(space.to_scaled(x))
    assert found == pytest.approx(minus_two_log_likelihood(built, x), abs=1e-6, rel=1e-8)


@pytest.mark.parametrize(("name", "part"), CASES)
def test_gradients_at_random_parameters_are_differences(name, part):
    built = model(name, part)
    x = parameters_of(built, seed=3)
    _, slopes = built.objective_gradient(x)
    found = []
    for k in range(len(x)):
        near = [x + c * 1e-4 * np.eye(len(x))[k] for c in (-2, -1, 1, 2)]
        f = [built.objective_at(at) for at in near]
        found.append((f[0] - 8 * f[1] + 8 * f[2] - f[3]) / 12e-4)
    assert_allclose(slopes, found, rtol=1e-6, atol=2e-6)


def test_quadrature_over_random_effects_in_two_parts_is_refused():
    with pytest.raises(mm.OptionError, match="one random-effects term"):
        model("nbinom1", "zi, random").fit(nagq=5)

"""The loop over responses: each ends at a stationary point, up to rounding errors."""

import numpy as np
import pytest
from inference.many.many_designs import DESIGNS, responses, rows

import numbamm as mm
from numbamm.inference.many import shared_design
from numbamm.inference.many.shared_design import Design

DATA = rows()
Y = np.nan_to_num(responses(DATA))
NAMES = [name for name in DESIGNS if name != "homdiag"]


def design_of(name, wanted):
    right, options = DESIGNS[name]
    model = mm.LinearMixedModel(f"y ~ {right}", DATA.assign(y=Y[:, 1]), **options)
    model.optsum.configure()
    return Design(model, wanted)


@pytest.mark.parametrize("name", NAMES)
def test_ends_are_stationary(name):
    """More so than those of a search that stops at a predicted decrease of 1e-8."""
    design = design_of(name, True)
    fits = design.fit(Y.T)
    assert not fits.failed
    for k in range(Y.shape[1]):
        model = design.model.of_other_frame(design.model.frame)
        vars(model.optsum).update(design.model.criterion)
        model.refit(Y[:, k], progress=False)
        slopes = model.objective_gradient(fits.theta[k])[1]
        assert np.abs(slopes * np.abs(fits.theta[k])).max() < 1e-7
        assert fits.objective[k] == pytest.approx(model.objective, abs=1e-7)
        assert fits.evaluations[k] >= 1


@pytest.mark.parametrize("name", ["pair, REML", "vector and crossed", "nested"])
def test_average_information_leads_to_the_same_ends(name, monkeypatch):
    exact = design_of(name, False).fit(Y.T)
    monkeypatch.setattr(shared_design, "CHEAP", 0)
    for wanted in (False, True):
        other = design_of(name, wanted).fit(Y.T)
        assert np.abs(other.objective - exact.objective).max() < 1e-9
        assert np.abs(other.theta - exact.theta).max() < 1e-4
        assert other.ends.squares.size == wanted * len(Y.T) * (1 + exact.theta.shape[1]) ** 2


def test_heavy_models_begin_at_moments():
    """As do those of many scales: a model of nine."""
    rng = np.random.default_rng(1)
    data = {f"z{j}": rng.normal(size=200) for j in range(9)}
    data |= {"g": rng.integers(0, 15, 200), "y": rng.normal(size=200)}
    right = " + ".join(f"z{j}" for j in range(9))
    formula = f"1 + (0 + {right} || g)"
    many = mm.lmm_many(f"~ {formula}", data, ["y"], workers=1).fits.iloc[0]
    assert many["objective"] == pytest.approx(mm.lmm(f"y ~ {formula}", data).objective, abs=1e-5)

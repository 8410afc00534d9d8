"""Exact searches whose evaluations are heavy begin where an approximate search ends."""

import numpy as np
import pytest

import numbamm as mm
from numbamm.blocks.tail.protocol import Request
from numbamm.blocks.tail.registry import tail_of
from numbamm.models.fitting import approximate_start, linear_start
from numbamm.models.fitting.approximate_start import approximate_theta

FORMULAS = ["y ~ x + (1 | g) + (1 | h)", "y ~ x + (x | g) + (1 | h)"]


def crossed(n=6000, a=700, b=400, h_sd=0.6, seed=4):
    rng = np.random.default_rng(seed)
    g, h, x = rng.integers(0, a, n), rng.integers(0, b, n), rng.normal(size=n)
    y = 1 + 0.2 * x + rng.normal(size=a)[g] + h_sd * rng.normal(size=b)[h]
    y += 0.4 * x * rng.normal(size=a)[g] + 0.8 * rng.normal(size=n)
    return {"y": y, "x": x, "g": g, "h": h}


@pytest.fixture
def always(monkeypatch):
    """Let every evaluation count as heavy, and every approximation as cheap."""
    monkeypatch.setattr(approximate_start, "HEAVY", 0.0)
    monkeypatch.setattr(approximate_start, "SHARE", np.inf)


@pytest.mark.parametrize("options", [{}, {"reml": True}, {"sigma": 0.9}])
@pytest.mark.parametrize("formula", FORMULAS)
def test_few_exact_evaluations_remain(formula, options, always, monkeypatch):
    data = crossed()
    helped = mm.lmm(formula, data, tail="dense", optimizer="newton", **options)
    monkeypatch.setattr(linear_start, "approximate_theta", lambda *_: None)
    alone = mm.lmm(formula, data, tail="dense", optimizer="newton", **options)
    assert helped.optsum.feval <= 3 and helped.optsum.feval <= alone.optsum.feval
    assert helped.optsum.finitial - helped.objective < 1e-3  # where the exact search began
    assert helped.objective == pytest.approx(alone.objective, rel=1e-11)
    np.testing.assert_allclose(helped.theta, alone.theta, rtol=1e-5, atol=1e-5)


def test_a_singular_fit_ends_where_it_would(always, monkeypatch):
    data = crossed(h_sd=0.0)
    helped = mm.lmm(FORMULAS[0], data, tail="dense", optimizer="newton")
    monkeypatch.setattr(linear_start, "approximate_theta", lambda *_: None)
    alone = mm.lmm(FORMULAS[0], data, tail="dense", optimizer="newton")
    assert helped.objective == pytest.approx(alone.objective, abs=1e-6)
    assert helped.is_singular() == alone.is_singular()


def theta_of(model):
    return approximate_theta(model, model.space.criterion, model.scaled.to_scaled(model.theta))


def test_light_evaluations_and_single_factors_do_without(always, monkeypatch):
    data = crossed(n=600, a=40, b=30)
    assert theta_of(mm.LinearMixedModel("y ~ x + (1 | g)", data)) is None
    assert theta_of(mm.LinearMixedModel("y ~ x + (1 | g)", data, tail="sparse")) is None
    monkeypatch.setattr(approximate_start, "HEAVY", 1.0)
    assert theta_of(mm.LinearMixedModel(FORMULAS[0], data)) is None


def test_what_does_not_suit_the_design_is_let_go(always, monkeypatch):
    model = mm.LinearMixedModel(FORMULAS[0], crossed())

    def fail(*arguments, **options):
        raise mm.FitError("too many iterations")

    real = approximate_start.tail_of
    monkeypatch.setattr(
        approximate_start, "tail_of", lambda name: type(name, (real(name),), {"__init__": fail})
    )
    assert theta_of(model) is None
    assert model.fit().converged


def test_a_start_that_the_user_set_is_kept(always):
    model = mm.LinearMixedModel(FORMULAS[0], crossed(), optimizer="newton")
    model.optsum.initial = [1.5, 0.5]
    assert model.fit().optsum.log[0][0].tolist() == [1.5, 0.5]


def test_the_start_is_near_and_its_last_step_is_not_evaluated(always):
    model = mm.LinearMixedModel(FORMULAS[0], crossed(), tail="dense").fit()
    criterion, tail = model._criterion(), tail_of("iterative")
    evaluated = []

    class Counted(tail):
        def objective_gradient(self, *arguments):
            evaluated.append(arguments)
            return super().objective_gradient(*arguments)

    terms, blocks = model.scaled.terms, model.blocks
    own = Counted(terms, blocks.xy.copy(), request=Request("iterative", 8, 0))
    begin = model.scaled.to_scaled(np.ones(2))
    end = own.rough_end(begin, *criterion, 0.1)
    assert end is not None and len({tuple(a[0]) for a in evaluated}) <= 4
    assert blocks.objective(end, *criterion) - model.objective < 0.01

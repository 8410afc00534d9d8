"""`newton` on every linear oracle, and what holds for every optimiser holding for it."""

import copy
import pickle

import numpy as np
import pytest
from optimize.objectives import rosenbrock
from oracles import LINEAR, dataset, each_linear

import numbamm as mm
from numbamm.models.spaces.linear_space import LinearSpace
from numbamm.optimize import Function, OptSummary, minimize
from numbamm.optimize.local_minimum import is_minimum

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"
PENICILLIN = "diameter ~ 1 + (1 | plate) + (1 | sample)"
#: Most evaluations to within 1e-4 of the least deviance known; 10 where nothing is said.
EVALUATIONS = {
    "insteval_1_ml": 7,
    "insteval_1_reml": 7,
    "insteval_2_ml": 7,
    "insteval_3_ml": 12,
    "kb07_mid_ml": 20,
    "kb07_max_ml": 25,
}


def newton(oracle, initial=None):
    model = mm.LinearMixedModel(
        oracle.formula, oracle.frame, reml=oracle.reml, weights=oracle.weights
    )
    if initial is not None:
        model.optsum.initial = initial(model)
    return model.fit(optimizer="newton")


@each_linear
def test_reaches_the_best_known(oracle):
    model = newton(oracle)
    assert model.objective < oracle.best_known + 1e-6
    assert model.optsum.returnvalue == "CONVERGED"
    enough = model.optsum.fitlog["objective"] <= oracle.best_known + 1e-4
    assert 1 + np.argmax(enough) <= EVALUATIONS.get(oracle.id, 10)
    assert model.is_singular() == oracle.singular
    if oracle.singular:
        assert is_minimum(model.optsum.certificate)
        assert "It is a local minimum" in str(model)
    else:
        assert model.optsum.certificate is None
    gradient = model.objective_gradient(model.theta)[1] / model._column_sizes()
    assert np.linalg.norm(gradient) < 0.05


@each_linear
def test_from_random_starts(oracle):
    rng = np.random.default_rng(3)

    def start(model):
        theta = rng.normal(size=len(model.theta)) / model._column_sizes()
        return np.where(np.isinf(model.optsum.lowerbd), theta, np.abs(theta))

    for _ in range(10 if len(oracle.frame) < 10_000 else 2):
        assert newton(oracle, start).objective < oracle.best_known + 1e-6


# ---- the guard ------------------------------------------------------------------------------


@pytest.fixture
def model():
    model = mm.LinearMixedModel(SLEEP, dataset("sleepstudy"), optimizer="newton")
    model.optsum.initial = [1.0, 0.0, 1.0]
    return model


def test_log_and_lines(model, capsys):
    model.fit(verbose=True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == model.optsum.feval == len(model.optsum.fitlog)
    assert lines[0] == "f_1: 1784.6423 [1.0, 0.0, 1.0]"
    for _, row in model.optsum.fitlog.iterrows():
        assert model.objective_at(row.iloc[1:]) == pytest.approx(row["objective"], rel=1e-12)


def test_limit_of_evaluations(model):
    model.optsum.maxfeval = 3
    with pytest.warns(mm.NumbammWarning, match="newton did not converge: MAXEVAL_REACHED after 3"):
        model.fit()
    assert model.objective == model.optsum.fitlog["objective"].min()


def test_limit_of_time(model):
    model.optsum.maxtime = 1e-9
    with pytest.warns(mm.NumbammWarning, match="MAXTIME_REACHED"):
        model.fit()
    assert model.is_fitted


def test_interrupt_leaves_the_best_point_so_far(model, monkeypatch):
    begin = LinearSpace._newton

    def interrupted(space, theta):
        search = begin(space, theta)
        step, count = search.step, iter(range(10))

        def stop_at_four(most):
            if next(count) == 4:
                raise KeyboardInterrupt
            return step(most)

        search.step = stop_at_four
        return search

    monkeypatch.setattr(LinearSpace, "_newton", interrupted)
    with pytest.warns(mm.NumbammWarning, match="INTERRUPTED after 4 evaluations"):
        model.fit()
    assert model.objective == model.optsum.fitlog["objective"].min() < model.optsum.finitial
    monkeypatch.undo()
    assert model.refit().objective == pytest.approx(1751.939344, abs=1e-6)


def test_columns_far_from_zero():
    data = dataset("sleepstudy").assign(Year=lambda d: d["Days"] + 2000)
    formula = "Reaction ~ 1 + Year + (1 + Year | Subject)"
    model = mm.lmm(formula, data, optimizer="newton")
    assert model.objective == pytest.approx(1751.939344, abs=1e-6)
    assert model.objective_at(model.theta) == pytest.approx(model.objective, abs=1e-6)
    theta = model.optsum.fitlog.iloc[0, 1:].to_numpy()
    assert model.objective_at(theta) == pytest.approx(model.optsum.fitlog["objective"][0])


def test_tolerance_is_read(model):
    loose = mm.LinearMixedModel(SLEEP, dataset("sleepstudy"), optimizer="newton")
    loose.optsum.ftol_abs = 1.0
    assert loose.fit().optsum.feval < model.fit().optsum.feval


def test_parameters_without_freedom(model):
    """The model's own search moves all parameters; L-BFGS takes its place."""
    optsum = model.optsum
    optsum.initial[1] = optsum.lowerbd[1] = optsum.upperbd[1] = 0.0
    model.fit()
    assert model.theta[1] == 0.0
    assert model.objective == pytest.approx(LINEAR["sleep_zc_ml"].criterion, abs=1e-6)


def test_any_function_with_a_gradient():
    def gradient(x):
        by_first = -400 * x[0] * (x[1] - x[0] ** 2) - 2 * (1 - x[0])
        return rosenbrock(x), np.array([by_first, 200 * (x[1] - x[0] ** 2)])

    optsum = OptSummary([-1.2, 1.0], [-np.inf, -np.inf], optimizer="newton")
    minimize(Function(rosenbrock, gradient=gradient), optsum)
    assert optsum.fmin == pytest.approx(1.0, abs=1e-8)
    assert optsum.gradient_norm < 1e-3
    assert optsum.feval < 100


# ---- the certificate, for every optimiser ---------------------------------------------------


@pytest.mark.parametrize(
    "optimizer", ["newton", "scipy:L-BFGS-B", "scipy:BFGS", "nlopt:LD_LBFGS", "scipy:trust-constr"]
)
@pytest.mark.parametrize(
    "formula", [SLEEP, SLEEP.replace("|", "||"), "Reaction ~ Days + (1 | Subject)"]
)
def test_a_false_optimum_is_left(optimizer, formula):
    """θ = 0 is stationary."""
    model = mm.LinearMixedModel(formula, dataset("sleepstudy"), optimizer=optimizer)
    model.optsum.initial = np.zeros(len(model.theta))
    assert np.abs(model.objective_gradient(model.optsum.initial)[1]).max() == 0.0
    best = mm.lmm(formula, dataset("sleepstudy")).objective
    assert model.fit().objective == pytest.approx(best, abs=1e-6)
    assert model.optsum.certificate is None
    assert model.optsum.feval == len(model.optsum.log)


def test_limits_hold_on_the_way_out_of_a_false_optimum():
    model = mm.LinearMixedModel(SLEEP, dataset("sleepstudy"), optimizer="scipy:BFGS")
    model.optsum.initial, model.optsum.maxfeval = np.zeros(3), 2
    with pytest.warns(mm.NumbammWarning, match="MAXEVAL_REACHED after 2"):
        model.fit()


def test_certificate_of_a_singular_fit(fitted):
    model = fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff2")
    assert model.optsum.certificate > 0
    assert "(a local minimum)" in repr(model.optsum)


def test_a_false_optimum_that_was_kept_is_called_so(fitted):
    model = mm.LinearMixedModel(SLEEP, dataset("sleepstudy"), optimizer="scipy:BFGS")
    model.optsum.initial, model.optsum.maxfeval = np.zeros(3), 1
    with pytest.warns(mm.NumbammWarning):
        model.fit()
    assert "singular, and no local minimum" in repr(model.optsum)
    assert "It is no minimum" in str(model)


@pytest.mark.parametrize("optimizer", ["newton", "scipy:L-BFGS-B", "nlopt:LD_LBFGS"])
def test_the_gradient_norm_is_that_of_the_estimates(optimizer):
    model = mm.LinearMixedModel(SLEEP, dataset("sleepstudy"))
    model.optsum.ftol_abs = 0.1  # ends early, where the gradient is not all rounding
    model.fit(optimizer=optimizer)
    gradient = model.objective_gradient(model.theta)[1]
    assert model.optsum.gradient_norm == pytest.approx(np.linalg.norm(gradient), rel=1e-6)


def test_a_gradient_norm_that_was_not_asked_for_stays_with_its_fit():
    """The last step of this fit takes no gradient: its length is worked out later."""
    model = mm.LinearMixedModel(PENICILLIN, dataset("Penicillin"), optimizer="newton")
    model.optsum.ftol_abs = 0.01
    model.fit()
    assert callable(vars(model.optsum)["_gradient_norm"])
    twins = copy.copy(model.optsum), copy.deepcopy(model), pickle.loads(pickle.dumps(model.optsum))
    length = np.linalg.norm(model.objective_gradient(model.theta)[1])
    model.refit(model.frame.y**3)
    assert model.optsum.gradient_norm != pytest.approx(length, rel=1e-3)
    for optsum in (twins[0], twins[1].optsum, twins[2]):
        assert optsum.gradient_norm == pytest.approx(length, rel=1e-6)


def test_a_fit_that_fails_keeps_the_gradient_norm(monkeypatch):
    model = mm.lmm(PENICILLIN, dataset("Penicillin"), optimizer="newton")
    length = model.optsum.gradient_norm
    monkeypatch.setattr(model, "_estimate", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model.refit()
    assert model.optsum.gradient_norm == length

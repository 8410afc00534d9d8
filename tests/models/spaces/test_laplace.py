"""The objective for every family and link: without noise or memory, and with an exact gradient."""

import warnings

import numpy as np
import pytest
from models.smoothness import noise
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.blocks.layout import LAMBDA, NORMAL

RNG = np.random.default_rng(4)
N = 300
G, H, X = RNG.integers(0, 20, N), RNG.integers(0, 9, N), RNG.normal(size=N)
ETA = 0.3 + 0.4 * X + 0.5 * RNG.normal(size=20)[G] + 0.4 * RNG.normal(size=9)[H]
P, TRIALS = 1 / (1 + np.exp(-ETA)), RNG.integers(1, 9, N).astype(float)
MU = np.exp(0.3 * ETA)
DATA = {
    "g": G,
    "h": H,
    "x": X,
    "n": TRIALS,
    "bernoulli": (RNG.uniform(size=N) < P) * 1.0,
    "binomial": RNG.binomial(TRIALS.astype(int), P) / TRIALS,
    "rare": RNG.binomial(TRIALS.astype(int), np.exp(0.3 * ETA - 2)) / TRIALS,
    "poisson": RNG.poisson(np.exp(ETA)) * 1.0,
    "negativebinomial": RNG.poisson(np.exp(ETA) * RNG.gamma(1.5, 1 / 1.5, N)) * 1.0,
    "gamma": RNG.gamma(4, MU / 4),
    "inversegaussian": RNG.wald(MU, 4.0),
    "gaussian": MU + 0.3 * RNG.normal(size=N),
}
CASES = [("bernoulli", link) for link in ("logit", "probit", "cloglog", "loglog", "cauchit")]
CASES += [("binomial", "logit"), ("binomial", "cauchit"), ("rare", "log")]
CASES += [("poisson", "log"), ("poisson", "sqrt")]
CASES += [("negativebinomial", "log"), ("negativebinomial", "sqrt")]
CASES += [("gamma", "log"), ("gamma", "inverse"), ("gamma", "identity")]
CASES += [("inversegaussian", "log"), ("inversegaussian", "inverse-squared")]
CASES += [("gaussian", "identity"), ("gaussian", "log"), ("gaussian", "sqrt")]
each_case = pytest.mark.parametrize(
    ("response", "link", "information"),
    [(*case, information) for case in CASES for information in ("expected", "observed")],
)
MODELS = {}


def built(response, link, information):
    """The model, at a point of each kind of fit that is not the optimum."""
    key = response, link, information
    if key not in MODELS:
        family = {"rare": "binomial"}.get(response, response)
        weights = {"weights": "n"} if family == "binomial" else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", mm.NumbammWarning)
            model = mm.GeneralizedLinearMixedModel(
                f"{response} ~ x + (1 + x | g) + (1 | h)",
                DATA,
                family,
                link,
                information=information,
                **weights,
            )
        theta = 0.4 * model.scaled.to_scaled(model.theta)
        theta[1] = 0.05
        shape = [0.2] if model.has_free_shape else []
        nuisance = [-1.5] if model._likelihood.dispersed else shape
        full = np.concatenate([model._start.gamma, nuisance, theta])
        MODELS[key] = model, {True: np.concatenate([shape, theta]), False: full}
    return MODELS[key]


def objective_of(model, fast):
    return model.space_of(model.parameters(fast)).laplace


@each_case
def test_no_noise(response, link, information):
    model, points = built(response, link, information)
    assert noise(objective_of(model, False), points[False]) < 1e-9
    assert noise(objective_of(model, True), points[True]) < 1e-9


@each_case
@pytest.mark.parametrize("fast", [True, False])
def test_no_memory(response, link, information, fast):
    """A value does not depend on what was evaluated before: warm modes are the cold ones."""
    model, points = built(response, link, information)
    objective, at = objective_of(model, fast), points[fast]
    values = [objective(at)]
    rng = np.random.default_rng(1)
    for _ in range(6):
        objective(at * (1 + 0.3 * rng.normal(size=len(at))))
        values.append(objective(at))
    assert np.ptp(values) < 1e-9


@each_case
@pytest.mark.parametrize("fast", [True, False])
def test_gradient(response, link, information, fast):
    """Against central differences of fourth order."""
    model, points = built(response, link, information)
    objective, at = objective_of(model, fast), points[fast]
    value, gradient = objective.gradient(at)
    assert value == pytest.approx(objective(at), abs=1e-9)
    expected = np.empty(len(at))
    for j in range(len(at)):
        move = np.zeros(len(at))
        move[j] = step = 2e-4 * max(1.0, abs(at[j]))
        f = [objective(at + k * move) for k in (-2, -1, 1, 2)]
        expected[j] = (8 * (f[2] - f[1]) - (f[3] - f[0])) / (12 * step)
    assert_allclose(gradient, expected, rtol=1e-7, atol=1e-7 * np.abs(expected).max())


def test_gradient_in_the_users_columns():
    """Columns far from 0 are held in others inside; β and θ are the user's."""
    data = {**DATA, "year": 2000 + 3 * X}
    model = mm.GeneralizedLinearMixedModel(
        "poisson ~ year + (1 + year | g) + (1 | h)", data, "poisson"
    )
    x = model.parameters(False).changed(
        np.concatenate([model._start.gamma, 0.5 * model.scaled.to_scaled(model.theta)]),
        model.feterm.to_basis.__matmul__,
        model.scaled.to_user,
    )
    value, gradient = model.objective_gradient(x)
    assert value == pytest.approx(model.objective_at(x), abs=1e-8)
    for j in range(len(x)):
        move = np.zeros(len(x))
        move[j] = 1e-5 / max(1.0, abs(gradient[j]))
        slope = (model.objective_at(x + move) - model.objective_at(x - move)) / (2 * move[j])
        assert gradient[j] == pytest.approx(slope, rel=1e-3, abs=1e-2)


def test_zeroed_columns():
    model, points = built("poisson", "log", "expected")
    objective, at = objective_of(model, False), points[False].copy()
    at[-4:] = [0.5, 0.2, 0.0, 0.0]
    _, gradient = objective.gradient(at)
    assert gradient[-2:] == pytest.approx(0.0, abs=1e-12)


def test_no_gradient_through_quadrature():
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    model = mm.glmm(formula, mm.datasets.load("cbpp"), "binomial", nagq=5)
    with pytest.raises(mm.OptionError, match="no gradient through quadrature"):
        model.objective_gradient(model.optsum.final)


@pytest.mark.parametrize("optimizer", ["scipy:BFGS", "scipy:L-BFGS-B", "nlopt:LD_LBFGS"])
def test_gradient_methods_find_the_optimum(optimizer):
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    model = mm.glmm(formula, mm.datasets.load("cbpp"), "binomial", optimizer=optimizer)
    assert model.objective == pytest.approx(184.052564, abs=1e-5)
    assert model.optsum.feval < 60


# ---- the certificate of singular fits -----------------------------------------------------


def with_slopes(sd):
    rng = np.random.default_rng(2)
    g, x = np.repeat(np.arange(30), 12), rng.normal(size=360)
    b = rng.normal(size=(30, 2)) * [0.7, sd]
    return {"y": rng.poisson(np.exp(0.5 + b[g, 0] + (0.3 + b[g, 1]) * x)) * 1.0, "x": x, "g": g}


@pytest.mark.parametrize("link", ["log", "sqrt"])
@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("sd", [0.0, 0.5])
def test_certificate_is_the_slope_in_the_missing_direction(link, fast, sd):
    model = mm.GeneralizedLinearMixedModel("y ~ x + (1 + x | g)", with_slopes(sd), "poisson", link)
    objective = objective_of(model, fast)
    theta = np.array([0.6, 0.1, 0.0])
    x = theta if fast else np.concatenate([model._start.gamma, theta])
    value, whole, aside = objective.certify(x)
    rise = [(objective(aside(e)) - objective(x)) / e**2 for e in (0.01, 0.005)]
    slope = (4 * rise[1] - rise[0]) / 3
    assert np.sign(value if value < 0 else whole) == np.sign(slope)
    assert value < 0 or sd == 0
    assert whole <= value
    modes, at = objective.modes, objective.at(x)[1]
    buffers = modes.varied if fast else modes.held
    modes.certify(at.theta, at.beta, vary=fast, shape=at.shape, phi=1.0)
    table, (adjoint, _) = buffers.layout.table, buffers.for_gradient()
    start = table[0, NORMAL] + table[1, LAMBDA]
    N = adjoint[start : start + 4].reshape(2, 2)
    moved = aside(1.0)[-3:]
    lam, to = np.array([[0.6, 0.0], [0.1, 0.0]]), np.array([[moved[0], 0], [moved[1], moved[2]]])
    assert np.sum(N * (to @ to.T - lam @ lam.T)) == pytest.approx(slope, rel=1e-3)


@pytest.mark.parametrize("formula", ["y ~ x + (1 + x | g)", "y ~ x + zerocorr(1 + x | g)"])
def test_false_optimum_is_left(formula):
    """A slope that begins at zero has no gradient, whether or not the data ask for it."""
    data = with_slopes(0.5)
    best = mm.glmm(formula, data, "poisson", fast=True)
    model = mm.GeneralizedLinearMixedModel(formula, data, "poisson", optimizer="newton")
    initial = np.zeros(len(model.theta))
    initial[0] = 1.0
    model.optsum.initial = initial
    model.fit(fast=True)
    assert model.objective == pytest.approx(best.objective, abs=1e-5)
    assert not model.is_singular()


def test_genuine_singular_fit_is_certified():
    model = mm.glmm("y ~ x + (1 + x | g)", with_slopes(0.0), "poisson")
    assert model.is_singular()
    assert model.optsum.certificate > 0
    assert "It is a local minimum" in str(model)

"""Which parts a model may have, and errors about those that it may not."""

import numpy as np
import pytest

import numbamm as mm
from numbamm.errors import FormulaError, OptionError
from numbamm.glm.family import FAMILIES
from numbamm.models.parts.model_parts import ModelParts, is_joint


def counts(n=240, seed=2):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(n // 12), 12)
    x = rng.normal(size=n)
    mu = np.exp(0.6 + 0.4 * x + 0.4 * rng.normal(size=n // 12)[g])
    y = rng.negative_binomial(2.0, 2 / (2 + mu)) * (rng.uniform(size=n) > 0.3)
    return {"y": y.astype(float), "x": x, "g": g.astype(str), "u": rng.uniform(0.05, 0.95, n)}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"family": "poisson", "dispersion": "~ x"}, "no dispersion or shape.*negative binomial"),
        ({"family": "gamma", "zi": "~ 1"}, "hurdle"),
        ({"family": "truncated_poisson", "zi": "~ 1"}, "hurdle"),
        ({"family": "poisson", "zi": "~ 1", "hurdle": "~ 1"}, "give one of them"),
        ({"family": "gaussian", "hurdle": "~ 1"}, "may be zero by themselves"),
        ({"family": "poisson", "shape": 2.0, "zi": "~ 1"}, "no shape"),
        ({"family": "nbinom2", "shape": 2.0, "dispersion": "~ x"}, "give one of them"),
        ({"family": "ordbeta", "shape": 2.0}, "several"),
        ({"family": "tweedie", "shape": 2.5}, "no possible"),
        ({"family": "nbinom1", "information": "expected"}, "observed"),
        ({"family": "beta", "link": "log"}, "onto"),
    ],
)
def test_parts_that_a_family_does_not_have(options, words):
    with pytest.raises(OptionError, match=words):
        response = "u" if options["family"] in ("beta", "ordbeta") else "y"
        mm.GeneralizedLinearMixedModel(f"{response} ~ x + (1 | g)", counts(), **options)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"dispersion": "~ x + (1 | g)"}, "bar"),
        ({"zi": "x"}, "one-sided"),
        ({"zi": "~"}, "nothing"),
        ({"zi": 3}, "string"),
    ],
)
def test_formulas_that_cannot_be_read(part, words):
    with pytest.raises(FormulaError, match=words):
        mm.GeneralizedLinearMixedModel("y ~ x + (1 | g)", counts(), "nbinom2", **part)


def test_plain_models_have_no_parts():
    assert ModelParts.of(FAMILIES["poisson"], {"zi": None}, None) is None
    model = mm.GeneralizedLinearMixedModel("y ~ x + (1 | g)", counts(), "poisson")
    assert model.composition is None and not is_joint(model)


def test_terms_of_two_parts_keep_apart():
    """Even on the same factor: they are independent, and have names of their own."""
    model = mm.GeneralizedLinearMixedModel(
        "y ~ x + (1 | g)", counts(), "poisson", zi="~ x + (1 | g)"
    )
    assert is_joint(model)
    assert [(t.group, t.part) for t in model.reterms] == [("g", ""), ("g (zi)", "zi")]
    assert model.theta_names == ["g.Intercept", "g (zi).Intercept"]
    with pytest.raises(OptionError, match="two parts"):
        model.working_model()


def test_missing_values_of_any_part_drop_rows():
    data = counts()
    data["z"] = np.where(np.arange(240) % 10 == 0, np.nan, data["x"])
    model = mm.GeneralizedLinearMixedModel("y ~ x + (1 | g)", data, "poisson", zi="~ z")
    assert model.nobs == 216 and model.part_lines.lines[-1].feterm.x.shape == (216, 2)


def test_hurdles_take_the_family_above_zero():
    for family, inner in (("poisson", "truncated_poisson"), ("nbinom2", "truncated_nbinom2")):
        model = mm.GeneralizedLinearMixedModel("y ~ x + (1 | g)", counts(), family, hurdle="~ 1")
        assert model.family == inner


@pytest.mark.parametrize(
    ("family", "parts"),
    [
        ("nbinom1", {}),
        ("nbinom2", {"dispersion": "~ x"}),
        ("poisson", {"zi": "~ x + (1 + x | g)"}),
        ("nbinom12", {"zi": "~ x"}),
        ("nbinom1", {"hurdle": "~ (1 | g)", "dispersion": "~ x"}),
    ],
)
def test_gradients_are_differences(family, parts):
    """In β, ψ and θ, at a point far from the estimates."""
    model = mm.GeneralizedLinearMixedModel(
        "y ~ x + (x | g)", counts(), family, information="observed", **parts
    )
    parameters = model.parameters(False)
    rng, k = np.random.default_rng(5), len(parameters.names)
    x = 0.3 * rng.normal(size=k)
    x[-len(model.theta) :] = np.abs(x[-len(model.theta) :]) + 0.2
    value, gradient = model.objective_gradient(x)
    assert np.isfinite(value)
    h = 1e-5
    for j in range(k):
        move = np.eye(k)[j] * h
        rise = model.objective_at(x + move) - model.objective_at(x - move)
        assert gradient[j] == pytest.approx(rise / (2 * h), rel=1e-6, abs=2e-5)


def test_a_new_response_of_a_hurdle_may_be_zero():
    data = counts(120)
    data["t"] = data["y"] * np.linspace(0.5, 1.5, 120)
    g = mm.glmm("t ~ x + (1 | g)", data, "gamma", link="log", hurdle="~ x")
    y = g.simulate(1)
    assert (y == 0).any()
    again = mm.glmm(g.formula, {**data, "t": y}, "gamma", link="log", hurdle="~ x")
    assert g.refit(y).objective == pytest.approx(again.objective, abs=1e-5)

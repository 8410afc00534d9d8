"""Whoever comes from another package is told what to write here."""

import importlib
import inspect
import re
import types

import numpy as np
import pytest

import numbamm as mm
from numbamm import elsewhere
from numbamm.elsewhere import UnknownArgumentError, names_arguments
from numbamm.models.inferences import declared_methods

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"
CBPP = "cbind(incidence, size - incidence) ~ period + (1 | herd)"


@pytest.fixture(scope="module")
def data():
    return mm.datasets.load("sleepstudy").assign(n=2.0, v=3.0)


@pytest.fixture(scope="module")
def model(fitted):
    return fitted(SLEEP, "sleepstudy")


def public_functions():
    found = {name: getattr(mm, name) for name in mm.__all__}
    found = {k: f for k, f in found.items() if isinstance(f, types.FunctionType)}
    for name, path in declared_methods().items():
        module, _, function = path.rpartition(".")
        found[name] = getattr(importlib.import_module(module), function)
    return found


def open_ended(function):
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(function).parameters.values())


@pytest.mark.parametrize("name", [n for n, f in public_functions().items() if not open_ended(f)])
def test_every_function_answers_unknown_arguments(name):
    function = public_functions()[name]
    first = [p for p in inspect.signature(function).parameters if p != "model"]
    with pytest.raises(
        UnknownArgumentError, match=rf"^{function.__name__}\(\) got an unexpected"
    ) as e:
        function(None, nonsense=1)
    assert "'nonsense'" in str(e.value)
    assert isinstance(e.value, TypeError) and isinstance(e.value, mm.OptionError)
    if first:
        word = first[-1]
        with pytest.raises(UnknownArgumentError, match=f"'{word}'"):
            function(None, **{word + "_": 1})


@pytest.mark.parametrize(
    ("argument", "hint"),
    [
        ("REML", "reml=True for REML; maximum likelihood is the default"),
        ("method", "reml=True"),
        ("control", "m.optsum"),
        ("nAGQ", "mm.glmm"),
        ("family", r"mm\.glmm\(formula, data, family"),
        ("subset", "select the rows"),
        ("na_action", "rows with missing values"),
        ("missing", "rows with missing values"),
        ("groups", r"\(1 \+ x \| group\)"),
        ("re_formula", r"\(1 \+ x \| group\)"),
        ("start", "m.optsum.initial"),
        ("maxiter", "maxfeval"),
        ("ddf", "after the fit"),
        ("opt", "'optimizer'"),
        ("wts", "'weights'"),
        ("contrast", "'contrasts'"),
        ("ziformula", "zeros"),
        ("exposure", r"offset\(log\(exposure\)\)"),
    ],
)
def test_arguments_of_linear_models(data, argument, hint):
    with pytest.raises(UnknownArgumentError, match=rf"^lmm\(\) got .*'{argument}'.*{hint}"):
        mm.lmm(SLEEP, data, **{argument: 1})
    with pytest.raises(UnknownArgumentError, match=hint):
        mm.LinearMixedModel(SLEEP, data, **{argument: 1})


@pytest.mark.parametrize(
    ("argument", "hint"),
    [
        ("REML", "fitted by maximum likelihood"),
        ("nAGQ", "fast=True is lme4's nAGQ = 0"),
        ("dist", "'family'"),
        ("control", "m.optsum"),
        ("glmerControl", "m.optsum"),
    ],
)
def test_arguments_of_generalized_models(argument, hint):
    with pytest.raises(UnknownArgumentError, match=rf"^glmm\(\) got .*{hint}"):
        mm.glmm(CBPP, mm.datasets.load("cbpp"), "binomial", **{argument: 1})


@pytest.mark.parametrize(
    ("method", "argument", "hint"),
    [
        ("simulate", "nsim", "'n'"),
        ("bootstrap", "nboot", "'n'"),
        ("bootstrap", "ncpus", "'workers'"),
        ("conf_int", "level", "alpha="),
        ("conf_int", "parm", "'which'"),
        ("predict", "data", "'newdata'"),
        ("predict", "allow_new_levels", "'new_levels'"),
        ("predict", "se_fit", "'se'"),
        ("ranef", "whichel", "'group'"),
        ("ranef", "condVar", "'condvar'"),
        ("anova", "lmer_df", "'ddf'"),
        ("emmeans", "variables", "'specs'"),
        ("contrast", "linfct", "'L'"),
        ("fit", "REML", "reml=True"),
        ("refit", "maxiter", "maxfeval"),
        ("residuals", "tpye", "'type'"),
    ],
)
def test_arguments_of_methods(model, method, argument, hint):
    with pytest.raises(UnknownArgumentError, match=rf"^{method}\(\) got .*{hint}"):
        getattr(model, method)(**{argument: 1})


@pytest.mark.parametrize(
    ("argument", "hint"),
    [("caption", "to_latex"), ("coef_map", "labels="), ("coef_omit", "drop="), ("keep", "rows=")],
)
def test_arguments_of_tables(model, argument, hint):
    with pytest.raises(UnknownArgumentError, match=rf"^modeltable\(\) got .*{hint}"):
        mm.modeltable(model, **{argument: "x"})


def test_a_function_without_a_fixed_list_of_arguments():
    with pytest.raises(TypeError, match="any name"):
        names_arguments(lambda **options: options)
    with pytest.raises(UnknownArgumentError, match="'test'"):  # by the function that it calls
        rows = {"x": [0, 1] * 6, "g": [0, 0, 1, 1, 2, 2] * 2}
        true = {"beta": [0, 1], "theta": [1], "sigma": 1}
        mm.power_curve("y ~ x + (1 | g)", rows, "g", [3], **true, tset="lrt")


@pytest.mark.parametrize(
    ("family", "link", "hint"),
    [
        ("quasipoisson", None, "negativebinomial"),
        ("Gama", None, "gamma"),
        ("gamma", "1/mu^2", "inverse-squared"),
        ("gamma", "ln", "'log'"),
        ("gamma", "complementary log-log", "cloglog"),
        ("poisson", "squareroot", "sqrt"),
    ],
)
def test_families_and_links(data, family, link, hint):
    with pytest.raises(mm.OptionError, match=hint):
        mm.glmm(SLEEP, data, family, link)


@pytest.mark.parametrize("name", ["Gamma", "nbinom2", "NegativeBinomial", "inverse.gaussian"])
def test_names_that_are_understood(data, name):
    counts = data.assign(y=np.arange(len(data)) % 7 + 1)
    built = mm.GeneralizedLinearMixedModel("y ~ 1 + (1 | Subject)", counts, name, "log")
    assert built.family in ("gamma", "negativebinomial", "inversegaussian")


def test_families_of_other_packages(data):
    families = pytest.importorskip("statsmodels.api").families
    for given in (families.Poisson(), families.Poisson):
        with pytest.raises(mm.OptionError, match='write family="poisson"'):
            mm.glmm(SLEEP, data, given)
    with pytest.raises(mm.OptionError, match='write family="tweedie"'):
        mm.glmm(SLEEP, data, families.Tweedie())
    with pytest.raises(mm.OptionError, match='write link="log"'):
        mm.glmm(SLEEP, data, "gamma", families.links.Log())


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("Nelder_Mead", "nlopt:LN_NELDERMEAD"),
        ("bobyqa", "nlopt:LN_BOBYQA"),
        ("nloptwrap", "nlopt:LN_BOBYQA"),
        ("L-BFGS", "scipy:L-BFGS-B"),
        ("optimx", "newton"),
    ],
)
def test_optimisers(data, name, ours):
    with pytest.raises(mm.OptionError, match=f"did you mean '{ours}'") as error:
        mm.lmm(SLEEP, data, optimizer=name)
    assert str(error.value).count(f"{ours}") == 1


def test_fields_and_keys(data):
    built = mm.LinearMixedModel(SLEEP, data)
    for name, ours in {"maxiter": "maxfeval", "tol": "ftol_abs", "theta0": "initial"}.items():
        with pytest.raises(mm.OptionError, match=f"did you mean '{ours}'"):
            setattr(built.optsum, name, 1)
    with pytest.raises(mm.OptionError, match="did you mean 'maxfeval'"):
        mm.config.set(maxfun=100)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda m: m.emmeans("Days", at={"Days": [0, 9]}).contrast("trt.vs.ctrl"), "'reference'"),
        (lambda m: m.emmeans("Days", at={"Days": [0, 9]}).pairs("bonf"), "'bonferroni'"),
        (lambda m: m.predict(type="respnse"), "'response'"),
        (lambda m: m.residuals("perason"), "'pearson'"),
        (lambda m: m.tidy("fixd"), "'fixed'"),
    ],
)
def test_values_of_options(model, call, hint):
    with pytest.raises(mm.OptionError, match=hint):
        call(model)


def test_contrasts_of_other_packages(data):
    for name, ours in {
        "contr.sum": "sum",
        "contr.poly": "poly",
        "DummyCoding": "treatment",
    }.items():
        with pytest.raises(mm.OptionError, match=f"did you mean '{ours}'"):
            mm.lmm("Reaction ~ Subject + (1 | n)", data, contrasts={"Subject": name})


@pytest.mark.parametrize("text", ["log(n)", "np.log(n)", "n + 1", "2 * v", "-n"])
def test_expressions_given_as_columns(data, text):
    with pytest.raises(mm.DataError) as error:
        mm.lmm(SLEEP, data, offset=text)
    assert f"offset({text})" in str(error.value) and "did you mean" not in str(error.value)
    with pytest.raises(mm.DataError, match="make a column of it first"):
        mm.lmm(SLEEP, data, weights=text)
    written = mm.lmm(f"{SLEEP} + offset({text})", data)
    computed = np.log(data["n"]) if "log" in text else data.eval(text)
    assert written.objective == pytest.approx(mm.lmm(SLEEP, data, offset=computed).objective)


def test_columns_of_odd_names_are_columns(data):
    odd = data.rename(columns={"n": "log(n)", "v": "n + 1"})
    plain = mm.lmm(SLEEP, data, offset="n", weights="v")
    assert mm.lmm(SLEEP, odd, offset="log(n)", weights="n + 1").objective == plain.objective
    with pytest.raises(mm.DataError, match="did you mean 'Days'"):
        mm.lmm(SLEEP, odd, offset="Dais")


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("fixef", "params"),
        ("cov_re", "varcorr"),
        ("getME", "theta"),
        ("random_effects", "ranef()"),
        ("fe_params", "params"),
        ("vcov", "cov_params()"),
        ("logLik", "llf"),
        ("rsquared", "r2()"),
        ("avg_slopes", "slopes("),
    ],
)
def test_attributes_of_other_packages(model, name, ours):
    with pytest.raises(AttributeError, match="LinearMixedModel.* has no attribute") as e:
        getattr(model, name)
    assert f": write m.{ours}" in str(e.value)


def test_what_is_suggested_instead_of_a_name_exists(model):
    for name, text in elsewhere._NAMES["model"].items():
        if hasattr(type(model), name):  # then it is never answered
            pytest.fail(f"{name} is an attribute")
        first = re.split(r"\W", text)[0]
        assert hasattr(model, first), text
    for name, text in elsewhere._NAMES["numbamm"].items():
        assert name not in mm.__all__ and re.split(r"\W", text)[0] in mm.__all__


def test_other_missing_attributes_are_missing_as_usual(model):
    with pytest.raises(AttributeError, match="object has no attribute 'nonsense'"):
        _ = model.nonsense
    assert not hasattr(model, "_repr_nothing_") and not hasattr(model, "__array__")

    class Broken(mm.LinearMixedModel):
        @property
        def doubled(self):
            return {}.missing

    broken = Broken(SLEEP, mm.datasets.load("sleepstudy"))
    with pytest.raises(AttributeError, match="'dict' object has no attribute 'missing'"):
        _ = broken.doubled


def test_names_of_other_libraries():
    with pytest.raises(AttributeError, match=r"numbamm has no 'lmer': write mm\.lmm"):
        _ = mm.lmer
    with pytest.raises(AttributeError, match="glmer_nb.*negativebinomial"):
        _ = mm.glmer_nb
    with pytest.raises(AttributeError, match="nonsense"):
        _ = mm.nonsense


@pytest.mark.parametrize("family", ["zip", "ZINB2", "zero_inflated_poisson", "hurdle"])
def test_families_with_a_part_for_zeros(family):
    with pytest.raises(mm.OptionError, match=r"zi=.*hurdle=.*check_zeroinflation"):
        mm.glmm("incidence ~ period + (1 | herd)", mm.datasets.load("cbpp"), family)


@pytest.mark.parametrize("family", ["Weibull", "von-Mises"])
def test_families_that_a_user_can_write(family):
    with pytest.raises(mm.OptionError, match=r"mm\.Family takes a log-density"):
        mm.glmm("incidence ~ period + (1 | herd)", mm.datasets.load("cbpp"), family)

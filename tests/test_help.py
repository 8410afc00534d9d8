"""`help()` says what a function raises: tried with values that none of them can use."""

import contextlib
import inspect
import io
import re
import warnings

import matplotlib
import pytest

import numbamm as mm
from numbamm.models.plot_methods import NAMES, Plots

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"
CBPP = "cbind(incidence, size - incidence) ~ period + (1 | herd)"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Where the files go that a value names."""
    monkeypatch.chdir(tmp_path)


class Odd:
    """What no argument can be."""

    def __repr__(self):
        return "<odd>"


VALUES = [Odd(), "nonsense", -1, float("nan"), [], {"a": 1}, [1, "x"], True, None, 1.5]

#: Arguments that a call needs, beside the one that is tried.
NEEDED = {
    "bootstrap": {"n": 2, "seed": 1},
    "power": {"n": 2, "seed": 1},
    "simulate": {"seed": 1},
    "contrast": {"L": {"Days": 1}},
    "objective_at": {"theta": [1, 0, 1]},
    "objective_gradient": {"theta": [1, 0, 1]},
    "delete_levels": {"group": "Subject"},
    "emmeans": {"specs": "Days"},
    "effects": {"specs": "Days"},
    "means": {"specs": "Days"},
    "heritability": {"group": "Subject"},
    "compare_families": {"families": ["gamma"]},
    "compare_structures": {"structures": ["us", "diag"]},
    "comparisons": {"var": "Days"},
    "emtrends": {"specs": "Days", "var": "Days"},
    "slopes": {"var": "Days"},
    "permutation_test": {"term": "Days", "n": 2},
    "add1": {"scope": "I(Days**2)"},
}
#: Of plots, those of many panels: one of them is enough.
DRAWN = {**NEEDED, "fit": {"levels": ["308"]}}
#: Methods that write files, or need another package.
APART = {"save", "restore", "to_word", "to_great_tables", "for_marginaleffects"}


def said(function) -> set[str]:
    """Errors that a docstring names."""
    found = re.search(
        r"^Raises\n-+\n(.*?)(?=^[A-Z][\w ]+\n-{3}|\Z)",
        inspect.getdoc(function) or "",
        re.DOTALL | re.MULTILINE,
    )
    return set(re.findall(r"^(?!\s).*$", found[1], re.MULTILINE)) if found else set()


def names(function) -> set[str]:
    return {name.strip() for line in said(function) for name in line.split(",")}


def tried(function, needed, own=None) -> list[str]:
    """What a function raises that is no error of ours, or one that its docstring does not name."""
    wrong = []
    for p in inspect.signature(function).parameters.values():
        if p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) or p.name in ("progress", "verbose"):
            continue
        for value in VALUES:
            try:
                with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                    warnings.simplefilter("ignore")
                    function(**{**needed, p.name: value})
            except mm.NumbammError as error:
                if type(error).__name__ not in names(own or function):
                    wrong.append(f"{p.name}={value!r}: {type(error).__name__} is not named")
                assert " at 0x" not in str(error)
            except Exception as error:
                wrong.append(f"{p.name}={value!r}: {type(error).__name__}: {error}")
    return wrong


def methods(model) -> list[str]:
    """Names of the public methods of a model."""
    kind = type(model)
    members = [name for name in dir(model) if not name.startswith("_") and name != "plot"]
    return [name for name in members if inspect.isroutine(getattr(kind, name, None))]


LINEAR = methods(mm.LinearMixedModel(SLEEP, mm.datasets.load("sleepstudy")))


@pytest.fixture(scope="module")
def linear():
    return mm.lmm(SLEEP, mm.datasets.load("sleepstudy"))


@pytest.mark.parametrize("name", sorted(set(LINEAR) - APART - {"fit", "refit"}))
def test_what_methods_refuse_is_said(linear, name):
    assert tried(getattr(linear, name), NEEDED.get(name, {})) == []


@pytest.mark.parametrize("name", ["objective_at", "objective_gradient", "pirls"])
def test_what_methods_of_generalized_models_refuse_is_said(name):
    model = mm.glmm(CBPP, mm.datasets.load("cbpp"), "binomial", fast=True)
    needed = {"x": model.optsum.final} if "objective" in name else {}
    assert tried(getattr(model, name), needed) == []


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"allfit", "bootstrap", "power"}))
def test_what_plots_refuse_is_said(linear, name):
    with matplotlib.rc_context({"backend": "agg"}):
        import matplotlib.pyplot as plt

        assert tried(getattr(linear.plot, name), DRAWN.get(name, {})) == []
        plt.close("all")


def unfitted():
    yield mm.LinearMixedModel(SLEEP, mm.datasets.load("sleepstudy"))
    yield mm.GeneralizedLinearMixedModel(CBPP, mm.datasets.load("cbpp"), "binomial")


@pytest.mark.parametrize("model", list(unfitted()), ids=lambda model: type(model).__name__)
def test_what_a_fit_refuses_is_said(model):
    for name in ("fit", "refit"):
        method = getattr(model, name)

        def on_a_copy(name=name, **options):  # a model is fitted once
            return getattr(model.twin(), name)(**options)

        on_a_copy.__signature__ = inspect.signature(method)
        assert tried(on_a_copy, {}, own=method) == []


FUNCTIONS = {
    "lrtest": (mm.lrtest, {}),
    "information_criteria": (mm.information_criteria, {}),
    "modeltable": (mm.modeltable, {}),
    "plot_coefficients": (mm.plot_coefficients, {}),
    "datasets.load": (mm.datasets.load, {}),
    "optimize.resolve": (mm.optimize.resolve, {}),
    "optimize.register": (mm.optimize.register, {"name": "x:y", "backend": None}),
    "config.get": (mm.config.get, {}),
    "OptSummary": (mm.OptSummary, {"initial": [1.0], "lowerbd": [0.0]}),
    "OptSummary.from_dict": (mm.OptSummary.from_dict, {}),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_functions_refuse_is_said(name):
    assert tried(*FUNCTIONS[name]) == []


def test_what_results_refuse_is_said(linear):
    with matplotlib.rc_context({"backend": "agg"}):
        replicates, profile = linear.bootstrap(3, seed=1), linear.profile("sigma")
        means, table = linear.emmeans("Days", at={"Days": [0, 1]}), linear.icc()
        tries = {
            **{
                f"Bootstrap.{n}": getattr(replicates, n) for n in ("conf_int", "pvalues", "summary")
            },
            **{f"Profile.{n}": getattr(profile, n) for n in ("conf_int", "summary", "plot")},
            **{f"MarginalMeans.{n}": getattr(means, n) for n in ("pairs", "contrast", "plot")},
            "Result.to_latex": table.to_latex,
            "OptSummary.plot": linear.optsum.plot,
        }
        assert {name: wrong for name, f in tries.items() if (wrong := tried(f, {}))} == {}
        assert tried(replicates.extend, {"n": 1}) == []
        import matplotlib.pyplot as plt

        plt.close("all")


@pytest.mark.parametrize("name", sorted(n for n in LINEAR if n in dir(mm)))
@pytest.mark.parametrize("value", [3, "m", None, {"Days": 1}])
def test_functions_of_models_refuse_what_is_no_model(name, value):
    if name == "power" and isinstance(value, str):
        return  # a formula
    with pytest.raises(mm.OptionError, match="model"):
        getattr(mm, name)(value, **NEEDED.get(name, {}))


# ---- before the fit -----------------------------------------------------------------------------


def asked(model, name):
    """Ask a model for a property, or call a method that needs no arguments."""
    value = getattr(model, name)
    if callable(value) and name not in ("fit", "refit", "plot", *APART):
        return value(**NEEDED.get(name, {}))
    return value


@pytest.mark.parametrize("model", list(unfitted()), ids=lambda model: type(model).__name__)
def test_what_needs_a_fit_says_so(model):
    members = [name for name in dir(model) if not name.startswith("_")]
    needs = set()
    for name in members:
        try:
            asked(model, name)
        except mm.NotFittedError:
            needs.add(name)
        except (mm.OptionError, TypeError):  # other arguments are missing
            continue
    assert len(needs) > 50
    plots = set(NAMES) - {"allfit", "power"}  # which make their own fits
    for name in plots:
        with pytest.raises(mm.NotFittedError):
            getattr(model.plot, name)(**{key: [] for key in NEEDED.get(name, {})})
    assert {n for n in plots if "NotFittedError" not in names(getattr(Plots, n))} == set()
    unsaid = {n for n in needs if "NotFittedError" not in names(getattr(type(model), n))}
    assert unsaid == set()


# ---- columns of result frames -------------------------------------------------------------------


def test_frames_of_estimates_name_their_columns_alike(linear, fitted_glmm):
    """What an estimate, its standard error and its limits are called does not vary."""
    generalized = fitted_glmm("cbpp_1")
    means = generalized.emmeans("period")
    frames = [
        linear.tidy(),
        linear.coef_table(ddf="satterthwaite"),
        linear.contrast({"Days": 1}),
        linear.ranef(condvar=True),
        linear.predict(interval="confidence"),
        linear.profile("sigma").summary(),
        linear.bootstrap(3, seed=1).summary(),
        generalized.tidy(exponentiate=True),
        means,
        means.pairs(),
    ]
    for frame in frames:
        frame = frame.to_frame() if hasattr(frame, "to_frame") else frame
        numbers = set(frame.select_dtypes("number")) - {"bias"}
        assert {"lower", "upper"} <= numbers
        estimates = numbers & {"estimate", "mean", "prediction", "odds"}
        rest = {"lower", "upper", "se", "df", "statistic", "pvalue"}
        assert numbers - estimates <= rest, list(frame)

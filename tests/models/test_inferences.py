"""The methods of models that are functions: declared once, and what editors and help() see."""

import copy
import inspect
import pickle
import pydoc
import subprocess
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

import numbamm as mm
from numbamm.errors import OptionError
from numbamm.models import inferences
from numbamm.models.inferences import FunctionToImport, Inferences, declared_methods

DECLARED = declared_methods()
MODELS = mm.LinearMixedModel, mm.GeneralizedLinearMixedModel


def function_of(name):
    module, _, attribute = DECLARED[name].rpartition(".")
    return getattr(import_module(module), attribute)


@pytest.fixture(scope="module")
def model(fitted):
    return fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff")


@pytest.fixture(scope="module")
def generalized():
    return mm.glmm(
        "cbind(incidence, size - incidence) ~ period + (1 | herd)",
        mm.datasets.load("cbpp"),
        "binomial",
    )


@pytest.fixture(params=["model", "generalized"])
def any_model(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("name", DECLARED)
def test_a_method_is_its_function_without_the_model(name, any_model):
    function, method = function_of(name), getattr(any_model, name)
    assert method.__func__ is function and method.__self__ is any_model
    first, *others = inspect.signature(function).parameters.values()
    assert first.name == "model"
    bound = inspect.signature(method)
    assert list(bound.parameters.values()) == others
    assert bound.return_annotation == inspect.signature(function).return_annotation
    assert method.__doc__ == function.__doc__ and len(function.__doc__) > 40
    assert method.__name__ == function.__name__ == name
    assert all(getattr(cls, name) is function for cls in MODELS)


@pytest.mark.parametrize("name", DECLARED)
def test_help_shows_the_whole_docstring(name, model):
    text = pydoc.plain(pydoc.render_doc(getattr(model, name)))
    for line in inspect.cleandoc(function_of(name).__doc__).splitlines():
        assert line.strip() in text


def test_nothing_is_declared_twice():
    stub = Path(inferences.__file__).with_suffix(".pyi").read_text(encoding="utf8")
    lines = [line.split(" = ")[0].strip() for line in stub.splitlines() if " = " in line]
    assert Counter(lines) == Counter(list(DECLARED))
    assert lines == sorted(lines, key=str.lower)
    assert len(set(DECLARED.values())) == len(DECLARED)
    # No other class of a model has a method of this name, which would hide the function.
    others = {cls for model in MODELS for cls in model.__mro__} - {Inferences, object}
    assert not [(cls, name) for cls in others for name in DECLARED if name in vars(cls)]


def test_a_public_function_is_named_by_its_public_name():
    """Where it lives is said once, in the package's stub."""
    for name, path in DECLARED.items():
        assert (path == f"numbamm.{name}") == (name in mm.__all__), path


def test_methods_can_be_completed_before_they_are_imported():
    script = (
        "import sys\n"
        "from numbamm.models.inferences import Inferences, FunctionToImport, declared_methods\n"
        "assert set(declared_methods()) <= set(dir(Inferences))\n"
        "assert isinstance(vars(Inferences)['profile'], FunctionToImport)\n"
        "name = 'numbamm.inference.profiling.profile'\n"
        "assert name not in sys.modules\n"
        "Inferences.profile\n"
        "assert vars(Inferences)['profile'] is sys.modules[name].profile\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_function_takes_the_methods_place(model):
    for name in DECLARED:
        getattr(model, name)
    assert not [v for v in vars(Inferences).values() if isinstance(v, FunctionToImport)]


def test_a_subclass_may_override_and_call_the_original(model):
    class Mine(mm.LinearMixedModel):
        def predict(self, newdata=None, **options):
            return 2 * super().predict(newdata, **options)

        glance = None

    mine = Mine("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff")).fit()
    assert (mine.predict() == 2 * model.predict()).all()
    assert mine.glance is None and callable(model.glance)


@pytest.mark.parametrize("name", ["predict", "icc", "rePCA"])
def test_bound_methods_are_pickled_and_copied(name, model):
    for again in (
        pickle.loads(pickle.dumps(getattr(model, name))),
        copy.copy(getattr(model, name)),
    ):
        assert str(again()) == str(getattr(model, name)())


def test_a_method_can_be_replaced_as_any_other(model, monkeypatch):
    monkeypatch.setattr(Inferences, "vif", lambda model: "replaced")
    assert model.vif() == "replaced"


def test_unknown_options_are_named_by_python_with_the_methods_name(model):
    with pytest.raises(TypeError, match=r"predict\(\) got an unexpected keyword argument 'newdta'"):
        model.predict(newdta=None)


def test_a_missing_package_is_told_when_the_method_is_called(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "numbamm.inference.fixed.marginaleffects_model", None)
    method = model.for_marginaleffects  # can be looked up, for help and completion
    assert "type" in inspect.signature(method).parameters
    with pytest.raises(OptionError, match="pip install marginaleffects"):
        method()

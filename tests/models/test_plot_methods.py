"""``model.plot``: which methods it has, how they are found, and what editors and help() see."""

import ast
import copy
import inspect
import pickle
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import numbamm as mm
from numbamm.errors import NotFittedError, OptionError
from numbamm.models import plot_methods
from numbamm.models.plot_methods import FOLDER, PACKAGE, Plots

FILES = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
FILES = {name.removeprefix("plot_") for name in FILES}
UNNEEDED = shutil.ignore_patterns("__pycache__", "data")
FIXED = {
    *("residuals", "qq", "scale_location", "ranef", "shrinkage", "fit", "effects", "means"),
    *("profile", "bootstrap", "correlations", "coefficients", "influence", "path"),
}


@pytest.fixture(scope="module")
def model(fitted):
    return fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff")


def test_a_file_is_a_method(model):
    assert set(dir(model.plot)) == FILES and FIXED <= FILES
    assert all(name in repr(model.plot) for name in FILES)


def test_the_stub_declares_what_is_there():
    stub = ast.parse(Path(plot_methods.__file__).with_suffix(".pyi").read_text(encoding="utf8"))
    imported = {
        alias.name for line in stub.body if isinstance(line, ast.Import) for alias in line.names
    }
    imported.discard("numpy")
    assert imported == {f"{PACKAGE}.plot_{name}" for name in FILES}
    [body] = [line.body for line in stub.body if isinstance(line, ast.ClassDef)]
    lines = [line for line in body if isinstance(line, ast.Assign)]
    declared = {line.targets[0].id: ast.unparse(line.value) for line in lines}
    assert declared == {name: f"{PACKAGE}.plot_{name}.{name}" for name in sorted(FILES)}


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_method_is_its_function_without_the_model(name, model):
    function = getattr(import_module(f"{PACKAGE}.plot_{name}"), name)
    method = getattr(model.plot, name)
    assert method.__func__ is function and method.__self__ is model
    first, *others = inspect.signature(function).parameters.values()
    assert first.name == "model"
    assert list(inspect.signature(method).parameters.values()) == others
    assert {"ax", "axes"} & {other.name for other in others}
    assert "matplotlib" in function.__doc__ and "Examples" in function.__doc__
    assert getattr(Plots, name) is function


def test_a_new_file_is_a_new_method(tmp_path):
    """In a copy of the package, with nothing else changed."""
    copy = shutil.copytree(Path(mm.__file__).parent, tmp_path / "numbamm", ignore=UNNEEDED)
    new = copy / "inference" / "model_plots" / "plot_rootogram.py"
    new.write_text("def rootogram(model, *, ax=None):\n    return model\n", encoding="utf8")
    script = (
        "from numbamm.models.plot_methods import Plots\n"
        "assert Plots('here').rootogram() == 'here' and 'rootogram' in dir(Plots(0))"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, env={})


def test_an_unfitted_model_has_no_plots():
    unfitted = mm.LinearMixedModel("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    with pytest.raises(NotFittedError):
        unfitted.plot.residuals()
    for name in FILES - {"effects", "means", "power"}:
        with pytest.raises(NotFittedError):
            getattr(unfitted.plot, name)()
    with pytest.raises(NotFittedError):
        unfitted.optsum.plot()


def test_matplotlib_is_imported_when_something_is_drawn():
    script = (
        "import sys, numbamm as mm\n"
        "m = mm.lmm('Yield ~ 1 + (1 | Batch)', mm.datasets.load('Dyestuff'))\n"
        "m.plot.residuals, m.plot.profile, m.emmeans, m.profile('sigma')\n"
        "assert not [name for name in sys.modules if name.startswith('matplotlib')]\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("name", sorted(FILES - {"effects", "means", "correlations"}))
def test_a_missing_matplotlib_is_told(name, model, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    options = {  # those of long computations are wrong: they would be refused next
        "bootstrap": {"n": -1},
        "profile": {"parameters": "nothing"},
        "allfit": {"optimizers": "nothing"},
        "power": {"design": {}, "along": "nothing", "levels": []},
        "coefficients": {"intercept": True},
    }.get(name, {})
    with pytest.raises(OptionError, match=r'pip install "numbamm\[plot\]"'):
        getattr(model.plot, name)(**options)


@pytest.mark.parametrize(
    ("name", "ours"),
    [("resid", "residuals"), ("caterpillar", "ranef"), ("qqplot", "qq"), ("efects", "effects")],
)
def test_names_of_other_plots_are_answered(fitted, name, ours):
    plots = fitted("Reaction ~ 1 + Days + (1 + Days | Subject)", "sleepstudy").plot
    with pytest.raises(AttributeError, match=rf"no '{name}'; did you mean '{ours}'\?; there are"):
        getattr(plots, name)
    with pytest.raises(AttributeError, match="no 'zzz'; there are allfit, bootstrap"):
        _ = plots.zzz
    assert not hasattr(plots, "_repr_html_") and not hasattr(plots, "__len__")


def test_plots_can_be_copied_and_pickled(fitted):
    plots = fitted("Reaction ~ 1 + Days + (1 + Days | Subject)", "sleepstudy").plot
    assert repr(copy.deepcopy(plots)) == repr(pickle.loads(pickle.dumps(plots))) == repr(plots)


@pytest.mark.parametrize("draw", [mm.plot_coefficients, mm.modeltable])
def test_a_list_of_models_is_to_be_unpacked(fitted, draw):
    model = fitted("Reaction ~ 1 + Days + (1 + Days | Subject)", "sleepstudy")
    with pytest.raises(OptionError, match=rf"one by one: {draw.__name__}\(m0, m1\)"):
        draw([model, model])

"""The names of the package: declared in one stub, imported when they are used."""

import ast
import inspect
import os
import pickle
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import numbamm as mm

STUB = ast.parse(Path(mm.__file__).with_suffix(".pyi").read_text(encoding="utf8"))
IMPORTS = [line for line in STUB.body if isinstance(line, ast.ImportFrom)]
NAMES = [alias.name for line in IMPORTS for alias in line.names]


def run(script, **environment):
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_dir_shows_the_public_names_only():
    assert dir(mm) == sorted(mm.__all__) == sorted(NAMES)
    assert not [name for name in dir(mm) if name.startswith("_")]
    assert not {"version", "lazy_loader", "import_module", "models", "blocks"} & set(dir(mm))


def test_nothing_is_declared_twice():
    assert Counter(NAMES).most_common(1)[0][1] == 1
    assert Counter(line.module for line in IMPORTS).most_common(1)[0][1] == 1
    # `x as x`: type checkers take what is not renamed for private to the stub.
    assert all(alias.asname == alias.name for line in IMPORTS for alias in line.names)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_that_of_its_module(name):
    [home] = [line.module for line in IMPORTS if name in [alias.name for alias in line.names]]
    value = getattr(mm, name)
    if home is None:
        assert inspect.ismodule(value) and value.__name__ == f"numbamm.{name}"
    else:
        assert value is getattr(sys.modules[f"numbamm.{home}"], name)
        assert value.__name__ == name and value.__doc__
        assert pickle.loads(pickle.dumps(value)) is value


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="lmn"):
        mm.lmn  # noqa: B018
    assert not hasattr(mm, "_LAZY")


def test_import_waits_for_nothing_heavy():
    heavy = "numba", "pandas", "numpy", "scipy", "formulaic", "narwhals", "nlopt"
    script = f"import sys, numbamm; print([name for name in {heavy} if name in sys.modules])"
    assert run(script).strip() == "[]"


def test_star_import_and_eager_import():
    names = {}
    exec("from numbamm import *", names)
    assert names["lmm"] is mm.lmm and names["datasets"] is mm.datasets
    run("import sys, numbamm; assert 'numbamm.models.linear' in sys.modules", EAGER_IMPORT="1")


@pytest.mark.parametrize("package", ["numbamm", "numbamm_optimizers"])
def test_packages_say_that_they_are_typed(package):
    module = __import__(package)
    assert (Path(module.__path__[0]) / "py.typed").is_file()

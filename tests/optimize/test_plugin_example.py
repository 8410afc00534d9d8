"""The example of a third party's plug-in, installed as its users would, in a fresh process."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from numbamm.__main__ import main

EXAMPLE = Path(__file__).parents[1] / "plugin_example"
# With the build tool at hand pip need not fetch one.
ISOLATION = ["--no-build-isolation"] if find_spec("hatchling") else []


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Environment variables of a process that finds the installed example."""
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", *ISOLATION, "--target", str(target)]
    done = subprocess.run([*pip, *options, str(EXAMPLE)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return os.environ | {"PYTHONPATH": str(target)}


def run(environment, *arguments):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment
    )


def test_command_line_fits_with_it(environment, fitted):
    formula = "Reaction ~ 1 + Days + (1 + Days | Subject)"
    command = ["-m", "numbamm", "fit", formula, "sleepstudy", "--json", "--optimizer"]
    done = run(environment, *command, "compass:SEARCH")
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert results["optimizer"] == "compass:SEARCH"
    assert results["return_code"] == "STEPS_SMALL"
    assert results["objective"] == pytest.approx(fitted(formula, "sleepstudy").objective, abs=1e-5)


def test_it_is_listed_shown_and_reads_options(environment):
    done = run(
        environment,
        "-c",
        "import numbamm as mm\n"
        "assert 'compass:SEARCH' in mm.optimize.available()\n"
        "m = mm.LinearMixedModel('Yield ~ 1 + (1 | Batch)', mm.datasets.load('Dyestuff'))\n"
        "m.optsum.optimizer, m.optsum.xtol_abs = 'compass:SEARCH', 0.5\n"
        "m.optsum.initial_step = [0.6]\n"
        "m.fit()\n"
        "print(m.optsum)\n"
        "print(*(x[0] for x, _ in m.optsum.log))",
    )
    assert done.returncode == 0, done.stderr
    *summary, path = done.stdout.splitlines()
    assert "Optimizer:                compass:SEARCH (compass-search 1.2.0)" in summary
    assert "initial_step:             [0.6]" in summary
    assert not any(line.startswith("ftol_rel") for line in summary)
    assert path == "1.6 0.4"  # one round with the step given, and halves of it are too small


def test_without_it_the_name_is_unknown(capsys):
    command = ["fit", "Yield ~ 1 + (1 | Batch)", "Dyestuff", "--optimizer", "compass:SEARCH"]
    assert main(command) == 1
    assert "compass:SEARCH" in capsys.readouterr().err

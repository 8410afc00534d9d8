"""What all tests share: models fitted once, hypothesis' settings, the policy on warnings."""

import os
import subprocess
import sys

# Before numpy loads its BLAS: two threads on small matrices are many times slower than one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")  # plots open no windows

import warnings
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import generalized_oracles
import oracles
import pytest
from hypothesis import settings

# A first call may compile a kernel, so time per example says nothing.
settings.register_profile("numbamm", deadline=None, max_examples=25, print_blob=True)
settings.load_profile("numbamm")

pytest_plugins = ["plotted_models"]


#: What ``pytest -m quick`` runs: of each room the files that ask little time, a minute in all.
QUICK = {
    *("formula", "design", "glm", "report"),
    *(f"blocks/test_{name}.py" for name in ("blocks", "cholesky", "gradient", "information")),
    *(f"blocks/test_{name}.py" for name in ("invert", "jit", "layout", "moments", "solve")),
    *(f"optimize/test_{name}.py" for name in ("registry", "optsummary", "run", "auto")),
    *(f"models/test_{name}.py" for name in ("linear", "linear_oracles", "generalized", "saved")),
    *("structures/test_structure.py", "test_public_names.py", "test_rooms.py"),
}

#: Files of these rooms that compile kernels of their own.
COMPILING = {"glm/test_jets.py", "glm/test_logpdf.py", "glm/parts/test_special.py"}


def pytest_collection_modifyitems(items):
    for item in items:
        path = item.path.relative_to(Path(__file__).parent)
        long = item.get_closest_marker("slow") or item.get_closest_marker("fuzz")
        long = long or "plots" in path.parts or path.as_posix() in COMPILING  # plots are drawn
        if not long and (path.as_posix() in QUICK or path.parts[0] in QUICK):
            item.add_marker("quick")


def pytest_configure(config):
    # A test that expects one of our warnings, or numpy's, says so with pytest.warns. Other
    # packages' warnings are no failures: a new release of theirs must not break the tests.
    config.addinivalue_line("filterwarnings", "error::RuntimeWarning")
    config.addinivalue_line("filterwarnings", "error::numbamm.errors.NumbammWarning")


@pytest.fixture(scope="session")
def fitted():
    """``fitted(formula, dataset, **options)``: the linear mixed model, fitted once a session.

    It is shared by all tests: one that changes its model builds its own.
    """
    import numbamm

    @cache
    def fit(formula, dataset, **options):
        return numbamm.lmm(formula, oracles.dataset(dataset), **options)

    return fit


@pytest.fixture(scope="session")
def fitted_oracle():
    """``fitted_oracle(oracle)``: numbamm's fit of an oracle's model, once a session."""
    import numbamm

    @cache
    def fit(oracle):
        return numbamm.lmm(oracle.formula, oracle.frame, reml=oracle.reml, weights=oracle.weights)

    return fit


@pytest.fixture(scope="session")
def fitted_glmm():
    """``fitted_glmm(name)``: numbamm's fit of a generalized oracle's model, once a session."""
    import numbamm

    @cache
    def fit(name):
        oracle = generalized_oracles.ORACLES[name]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", numbamm.OverdispersionWarning)
            return numbamm.glmm(
                oracle.formula,
                oracle.frame,
                generalized_oracles.family_of(oracle),
                oracle.entry["link"],
                fast=oracle.entry["nAGQ"] == 0,
                nagq=max(oracle.entry["nAGQ"], 1),
                weights=oracle.weights,
            )

    return fit


@pytest.fixture(scope="session")
def first_use(tmp_path_factory):
    """A process that fits a linear model from an empty cache of kernels.

    Its command, the folder of the cache, and what it printed. Several tests look at it, since it
    compiles for seconds; one that damages the cache lets the next process mend it.
    """
    folder = tmp_path_factory.mktemp("cache")
    formula = "Reaction ~ 1 + Days + (1 + Days | Subject)"
    command = [sys.executable, "-m", "numbamm", "fit", formula, "sleepstudy"]
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return SimpleNamespace(
        command=command,
        folder=folder,
        environment=environment,
        stdout=done.stdout,
        stderr=done.stderr,
    )

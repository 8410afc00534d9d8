"""What tests of optimisation share."""

from typing import ClassVar

import numpy as np
import pytest

from numbamm.optimize import Algorithm, OptSummary, register, registry


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    """Each test may register what it likes."""
    monkeypatch.setattr(registry, "_backends", dict(registry._backends))


@pytest.fixture
def plugin():
    """Register a function of the problem as an optimiser; returns its name."""

    def make(search, **traits):
        class Backend:
            library = "Test 0"
            algorithms: ClassVar = {"SEARCH": Algorithm(**traits)}

            def minimize(self, problem, algorithm):
                return search(problem)

        register("test", Backend)
        return "test:SEARCH"

    return make


@pytest.fixture
def optsum():
    return OptSummary([1.0, 0.0, 1.0], [0.0, -np.inf, 0.0])

"""Completion offers what users need."""

from dataclasses import dataclass

import pandas as pd
import pytest

import numbamm as mm
from numbamm.completion import ForUsers
from numbamm.glm.family import FAMILIES
from numbamm.glm.link import LINKS

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


@dataclass(frozen=True)
class Machine(ForUsers):
    _between_rooms = frozenset({"gear"})

    speed: int = 1

    def gear(self):
        return self.speed


def test_names_for_other_rooms_are_left_out_and_work():
    machine = Machine()
    assert "speed" in dir(machine) and "gear" not in dir(machine)
    assert machine.gear() == 1


def _sizes():
    """Sizes of herds in ordered categories."""
    d = mm.datasets.load("cbpp")
    return d.assign(size=pd.cut(d["size"], 3, labels=["small", "middle", "large"]))


@pytest.fixture(scope="module")
def objects(fitted, fitted_glmm):
    return {
        "linear": fitted(SLEEP, "sleepstudy"),
        "generalized": fitted_glmm("cbpp_1"),
        "parts": mm.glmm(
            "count ~ 1 + (1 | site)",
            mm.datasets.load("Salamanders"),
            "poisson",
            zi="~ 1",
            fast=True,
        ),
        "ordinal": mm.CumulativeLinkMixedModel("size ~ 1 + (1 | herd)", _sizes()),
        "family": FAMILIES["poisson"],
        "link": LINKS["log"],
        "optsum": fitted(SLEEP, "sleepstudy").optsum,
    }


@pytest.mark.parametrize("name", ["linear", "generalized", "family", "link", "optsum"])
def test_every_name_that_is_left_out_exists(name, objects):
    shown, hidden = dir(objects[name]), type(objects[name])._between_rooms
    assert hidden and not hidden & set(shown)
    assert not [h for h in hidden if h.startswith("_")]
    whole = objects.values()
    assert not [h for h in hidden if not any(hasattr(o, h) for o in whole)]


def test_completion_of_a_model(objects):
    for name in ("linear", "generalized"):
        shown = set(dir(objects[name]))
        assert {"params", "emmeans", "optsum", "formula", "reterms", "to_latex", "plot"} <= shown
        assert not {"twin", "of_frame", "in_columns", "set_estimates", "hold_start"} & shown
    assert "shape" in dir(objects["generalized"]) and "shape" not in dir(objects["linear"])


@pytest.mark.parametrize("module", ["config", "datasets", "errors", "optimize"])
def test_modules_show_their_public_names_alone(module):
    module = getattr(mm, module)
    assert sorted(module.__all__) == dir(module)
    assert all(hasattr(module, name) for name in module.__all__)

"""Functions in formulas are those that the calling code sees, wherever it stands."""

import numpy as np

import numbamm as mm
from numbamm.formula.caller import caller_namespace


def outermost(x):
    return x


def test_locals_hide_globals():
    outermost = local = object()
    names = caller_namespace()
    assert names["outermost"] is outermost and names["local"] is local and names["np"] is np


def test_frames_of_numbamm_are_passed_over():
    """A model is built in functions of numbamm, and by its one-call function in one more."""
    days = mm.datasets.load("sleepstudy")

    def doubled(x):
        return 2 * x

    one_call = mm.lmm("Reaction ~ doubled(Days) + outermost(Days**2) + (1 | Subject)", days)
    built = mm.LinearMixedModel("Reaction ~ doubled(Days) + (1 | Subject)", days)
    assert one_call.feterm.rank == 3 and built.feterm.rank == 2

"""Which models have a residual side, and what is refused before one is built."""

import numpy as np
import pandas as pd
import pytest

import numbamm as mm
from numbamm.errors import DataError, FormulaError, OptionError
from numbamm.models.residual_side.chosen_side import refuse_stream
from numbamm.models.residual_side.texts import Texts

FRAME = pd.DataFrame({"y": np.arange(12.0) ** 2, "g": np.repeat(list("abcd"), 3)})
FRAME["t"] = 4 * [1, 2, 3]


def test_a_plain_model_has_none():
    assert mm.LinearMixedModel("y ~ 1 + (1 | g)", FRAME).residual_side is None
    with pytest.raises(FormulaError, match="no random-effects term"):
        mm.LinearMixedModel("y ~ 1", FRAME)


def test_a_model_without_random_effects():
    m = mm.LinearMixedModel("y ~ t", FRAME, residual="us(t | g)")
    assert m.reterms == [] and m.residual_side.size == 5
    assert m.optsum.names[0] == "residual.log_sd_2"


def test_a_known_sigma_beside_standard_deviations_of_visits():
    with pytest.raises(OptionError, match="leave sigma out"):
        mm.LinearMixedModel("y ~ t", FRAME, residual="us(t | g)", sigma=2.0)
    assert mm.lmm("y ~ t", FRAME, residual="homcs(1 | g)", sigma=2.0).sigma == 2.0


def test_a_constant_response():
    with pytest.raises(DataError, match="constant"):
        mm.LinearMixedModel("y ~ t", FRAME.assign(y=1.0), residual="us(t | g)")


def test_rows_that_stream():
    with pytest.raises(OptionError, match="they stream"):
        mm.LinearMixedModel("y ~ t", [FRAME], residual="us(t | g)")
    refuse_stream(None)
    with pytest.raises(OptionError, match="rows in memory"):
        refuse_stream(Texts.of(None, "~ t"))


@pytest.mark.parametrize("tail", ["sparse", "iterative"])
def test_tails_that_cannot_hold_the_levels(tail):
    with pytest.raises(OptionError, match="need the dense tail"):
        mm.LinearMixedModel("y ~ t + (1 | g)", FRAME, residual="homcs(1 | g)", tail=tail)


def test_changes_of_the_formula():
    m = mm.LinearMixedModel("y ~ t", FRAME, residual="homcs(1 | g)")
    more = m.update("~ . + (1 | t)")
    assert more.formula == "y ~ t + (1 | t)" and more.residual_side is not None
    assert more.update("~ . - (1 | t)").formula == "y ~ t"
    with pytest.raises(FormulaError, match="no random-effects term"):
        m.update("~ .", residual=None)

"""Coefficients of parts in tables of parameters, intervals and models side by side."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm

import numbamm as mm
from numbamm.inference.parts.part_tests import part_tests


@pytest.fixture(scope="module")
def model():
    ticks = mm.datasets.load("grouseticks")
    return mm.glmm("TICKS ~ YEAR + (1 | BROOD)", ticks, "nbinom2", zi="~ YEAR")


@pytest.mark.filterwarnings("ignore::numbamm.errors.NumbammWarning")
def test_intervals_tidy_and_tables_have_the_parts(model):
    parts = model.parts
    table = part_tests(model, 0.1)
    assert_allclose(table["upper"] - table["estimate"], norm.ppf(0.95) * parts["se"])
    limits = model.conf_int(which="parts", alpha=0.1)
    assert_allclose(limits, table[["lower", "upper"]])
    every = model.conf_int(which="all")
    assert [*model.params.index, *model.part_lines.names] == list(every.index[: len(parts) + 3])
    tidy = model.tidy()
    mine = tidy[tidy["effect"] == "parts"]
    assert mine["group"].to_list() == parts["part"].to_list()
    assert_allclose(mine["estimate"], parts["estimate"])
    assert list(model.tidy("parts")["term"]) == list(parts["term"])
    text = str(mm.modeltable(model))
    assert "log(shape)" in text and "zi: YEAR[T.96]" in text
    assert (model.summary().to_frame()["effect"] == "parts").sum() == len(parts)


def test_models_without_parts_have_none():
    m = mm.lmm("Reaction ~ Days + (1 | Subject)", mm.datasets.load("sleepstudy"))
    assert not len(part_tests(m, 0.05)) and not len(m.conf_int(which="parts"))
    assert np.isfinite(m.tidy("parts").size)

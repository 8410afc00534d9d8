"""Simplified random effects."""

import numpy as np
import pandas as pd
import pytest

import numbamm as mm
from numbamm.errors import FormulaError


def data(seed=1):
    rng = np.random.default_rng(seed)
    d = pd.DataFrame({"s": np.repeat(np.arange(20), 12), "w": np.tile(np.arange(12), 20)})
    d["x"], d["v"] = d["w"] % 2 - 0.5, rng.normal(size=240)
    b = rng.normal(size=(20, 2))
    d["y"] = d["x"] + b[d["s"], 0] + 1.5 * b[d["s"], 1] * d["x"] + rng.normal(size=240)
    return d


def test_what_the_data_support_stays():
    built = mm.buildformula("y ~ x + v + (1 + x + v | s) + (1 + x | w)", data())
    assert not built.model.is_singular()
    assert built.frame["singular"].to_list() == [True] * (len(built.frame) - 1) + [False]
    assert "x" in built.formula.partition("| s")[0].rpartition("(")[2]
    assert built.model.formula == built.formula and len(built.frame) > 2
    assert (built.frame["dropped"] != "").sum() == len(built.frame) - 1
    npar = built.frame["npar"].to_list()
    assert npar == sorted(npar, reverse=True)


def test_the_last_effect_stays():
    built = mm.buildformula("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff2"))
    assert built.formula == "Yield ~ 1 + (1 | Batch)" and "nothing is left" in str(built)


def test_generalized_models():
    d = data().assign(event=lambda d: (d["y"] > 0).astype(int))
    built = mm.buildformula("event ~ x + (1 + x | s) + (1 | w)", d, "bernoulli")
    assert not built.model.is_linear and not built.model.is_singular()


def test_what_is_refused():
    with pytest.raises(FormulaError):
        mm.buildformula("y ~ x + (1 + | s)", data())

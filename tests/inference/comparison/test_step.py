"""Backward elimination."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import OptionError


@pytest.fixture(scope="module")
def noisy():
    d = mm.datasets.load("sleepstudy").assign(z=np.random.default_rng(1).normal(size=180))
    return mm.lmm("Reaction ~ Days * z + (1 + Days + z | Subject)", d, reml=True)


def test_effects_without_influence_go(noisy):
    found = noisy.step()
    assert found.model.formula == "Reaction ~ Days + (1 + Days | Subject)"
    dropped = found.frame[found.frame["dropped"]]
    assert dropped["effect"].to_list()[0] == "z in (1 + Days + z | Subject)"
    assert dropped["effect"].to_list()[1:] == ["Days:z", "z"]
    assert noisy.formula.endswith("(1 + Days + z | Subject)")  # not changed


def test_the_tests_are_those_of_anova_and_ranova(noisy):
    kept = noisy.step().frame.set_index("effect").query("not dropped")
    last = noisy.step().model
    assert_allclose(kept.loc["Days", "pvalue"], last.anova().frame.loc["Days", "pvalue"], rtol=1e-3)
    before = noisy.update("Reaction ~ Days * z + (1 + Days | Subject)")  # random effects first
    random = mm.ranova(before).frame["pvalue"].iloc[1]
    assert_allclose(kept.loc["Days in (1 + Days | Subject)", "pvalue"], random, rtol=1e-3)


def test_generalized_models():
    d = mm.datasets.load("Contraception").sample(700, random_state=1)
    g = mm.glmm("use ~ age + urban + livch + (1 | district)", d, "bernoulli")
    found = g.step(alpha_fixed=1e-6)
    assert found.model.feterm.cnames == ["Intercept"] or found.frame["dropped"].any()
    assert "(1 | district)" in found.model.formula


def test_without_an_intercept():
    d = mm.datasets.load("cake").assign(z=np.random.default_rng(2).normal(size=270))
    m = mm.lmm("angle ~ 0 + recipe + z + (1 | replicate)", d)
    assert m.step().model.formula == "angle ~ 0 + recipe + (1 | replicate)"


def test_what_is_refused(noisy):
    with pytest.raises(OptionError, match="alpha_fixed must be between 0 and 1"):
        noisy.step(alpha_fixed=5)
    with pytest.raises(OptionError, match="alpha_random"):
        noisy.step(alpha_random="all")


def test_odd_names():
    rng = np.random.default_rng(3)
    d = pd.DataFrame({"a b": rng.normal(size=90), "c:d": list("uvw") * 30, "for": range(90)})
    d["g 1"] = rng.permutation(np.arange(90) % 9)
    d["y"] = 3 * d["a b"] + d["g 1"] + rng.normal(size=90)
    found = mm.lmm("y ~ `a b` * `c:d` + I(`for` ** 2) + `for` + (1 | `g 1`)", d).step()
    assert found.model.formula == "y ~ `a b` + (1 | `g 1`)"
    assert "c:d" in found.frame["effect"].to_list() or "`c:d`" in found.frame["effect"].to_list()

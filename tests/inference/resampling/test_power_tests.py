"""The tests that power counts: Wald and likelihood-ratio tests of drawn responses."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.inference.prediction.simulate import TrueParameters
from numbamm.inference.resampling.power import _model_on_design
from numbamm.inference.resampling.power_tests import LikelihoodRatioTests, standard_errors
from numbamm.inference.resampling.replicates import key_of, stream

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"
CROSSED = "y ~ 1 + condition + (1 | subject) + (1 | item)"


@pytest.mark.parametrize("options", [{"reml": True}, {"sigma": 30}, None])
def test_likelihood_ratios_are_those_of_drop1(options):
    if options is None:
        rows = mm.datasets.load("cbpp").assign(p=lambda d: d["period"].astype(float))
        model = mm.glmm("cbind(incidence, size - incidence) ~ p + (1 | herd)", rows, "binomial")
        coef, given, how, ml = "p", {}, {"fast": False}, {}
    else:
        model = mm.lmm(SLEEP, mm.datasets.load("sleepstudy"), **options)
        coef, given, how, ml = "Days", {"beta": [250, 5], "sigma": 40}, {}, {"reml": False}
    at = TrueParameters.given(
        model, *(given.get(k) for k in ("beta", "theta", "cov", "sigma", "shape"))
    )
    own, built = copy.deepcopy(model), _model_on_design(model, None, at, None)[0]
    if model.optsum.sigma is not None:
        own.optsum.sigma = built.optsum.sigma = 40.0
    pvalues = []
    for i in range(4):
        own.refit(model.simulate(stream(key_of(1), i), **given), **ml)
        pvalues.append(own.drop1().frame.loc[coef, "pvalue"])
    lines = LikelihoodRatioTests(built, at, [coef], 1, how)(range(4))
    assert_allclose([p.item() for p, _ in lines], pvalues, rtol=1e-4, atol=1e-12)
    result = model.power(coef, test="lrt", n=4, seed=1, **given)
    assert result.frame["fits"].item() == 4
    assert result.frame["power"].item() == np.mean(np.array(pvalues) < 0.05)
    assert "Likelihood-ratio tests at the 5 % level" in repr(result)
    assert model.is_fitted and model.optsum.reml == model.estimates.reml  # as it was


def test_likelihood_ratios_hold_their_level(design):
    """Without an effect 5 % reject: five binomial standard errors; the intercept alone, too."""
    options = {"design": design, "theta": [1, 1], "sigma": 2, "n": 200, "seed": 2, "test": "lrt"}
    for formula, beta in ((CROSSED, [0, 0]), (CROSSED.replace("condition + ", ""), [0])):
        found = mm.power(formula, beta=beta, **options).frame["power"].item()
        assert abs(found - 0.05) < 5 * np.sqrt(0.05 * 0.95 / 200)


def test_executors_make_the_same(fitted):
    model = fitted(SLEEP, "sleepstudy")
    options = {"n": 40, "seed": 3, "ddf": "satterthwaite"}
    one = model.power(**options).frame
    with ThreadPoolExecutor(2) as pool:  # as to another process, by pickle
        two = model.power(**options, workers=Posting(pool)).frame
    pd.testing.assert_frame_equal(one, two)


class Posting:
    """An executor whose tasks go by pickle, as they do to another process."""

    def __init__(self, pool):
        self.pool = pool

    def submit(self, task, *args):
        return self.pool.submit(pickle.loads(pickle.dumps(task)), *args)


def test_standard_errors_follow_from_theta(fitted):
    model = fitted(SLEEP, "sleepstudy", reml=True)
    found = standard_errors(model, [model.theta], [model.sigma])
    assert_allclose(found[0], model.bse)

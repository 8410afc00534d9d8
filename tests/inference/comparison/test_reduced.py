"""Models that are fitted for comparison: what is said of them, and what is not."""

import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import numbamm as mm
from numbamm.inference.comparison import reduced

ROUTES = {
    "drop1": lambda m: m.drop1(),
    "ranova": lambda m: m.ranova(),
    "r2": lambda m: m.r2(),
    "icc": lambda m: m.icc(),
}


def rows():
    rng = np.random.default_rng(7)
    g = np.repeat(np.arange(12), 15)
    d = pd.DataFrame({"x": rng.normal(size=180), "g": g.astype(str), "size": 20})
    effect = rng.normal(0, 0.3, 12)[g]
    d["y"] = rng.poisson(np.exp(1 + 0.8 * d["x"] + effect))
    d["hits"] = rng.binomial(20, 1 / (1 + np.exp(-0.9 * d["x"] - effect)))
    d["z"] = 1e3 * d["x"]
    d["frac"] = d["y"] + 0.5
    return d


MODELS = {
    "poisson": lambda d: mm.glmm("y ~ x + (1 | g)", d, "poisson"),
    "binomial": lambda d: mm.glmm("cbind(hits, size - hits) ~ x + (1 | g)", d, "binomial"),
    "slopes": lambda d: mm.glmm("y ~ z + (z | g)", d, "poisson", fast=True),
    "one parameter left": lambda d: mm.lmm("y ~ x + (x || g)", d, optimizer="nlopt:LN_NEWUOA"),
}


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return MODELS[request.param](rows())


@pytest.mark.parametrize("route", ROUTES)
def test_what_another_model_is_like_is_not_said(model, route):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ROUTES[route](model)


def test_counts_that_are_not_whole_are_said_once():
    with pytest.warns(mm.NumbammWarning, match="whole numbers"):
        model = mm.glmm("frac ~ x + (1 | g)", rows(), "poisson")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.drop1(), model.r2()


@pytest.mark.parametrize(("route", "which"), [("drop1", r"y ~ x \+ \(1 \| g\) - x"), ("r2", "y ~")])
def test_a_search_that_fails_is_said(route, which):
    model = mm.glmm("y ~ x + (1 | g)", rows(), "poisson")
    model.optsum.maxfeval = 2
    with pytest.warns(mm.ConvergenceWarning, match=f"{which}.*fitted for comparison.*MAXEVAL"):
        ROUTES[route](model)


@pytest.mark.parametrize("route", ["drop1", "ranova", "r2"])
def test_an_interrupt_is_one(route, monkeypatch):
    model = mm.glmm("y ~ x + (x | g)", rows(), "poisson", fast=True)
    stopped = SimpleNamespace(optsum=SimpleNamespace(returnvalue="INTERRUPTED"))
    stopped.fit = lambda **options: stopped
    monkeypatch.setattr(reduced, "on_frame", lambda *args: stopped)
    with pytest.raises(KeyboardInterrupt):
        ROUTES[route](model)

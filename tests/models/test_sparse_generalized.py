"""Generalized models with ``tail="sparse"``: what the dense tail gives, for all that is asked."""

import pickle

import numpy as np
import pandas as pd
import pytest
from generalized_oracles import ORACLES, each_oracle, family_of

import numbamm as mm
from numbamm.blocks.tail import choice
from numbamm.models.fitting import generalized_tail

pytest.importorskip("sksparse")


@each_oracle
def test_every_oracle(name):
    oracle = ORACLES[name]
    options = {"link": oracle.entry["link"], "weights": oracle.weights}
    dense, sparse = (
        mm.GeneralizedLinearMixedModel(
            oracle.formula, oracle.frame, family_of(oracle), tail=tail, **options
        )
        for tail in ("dense", "sparse")
    )
    has_tail = len(dense.reterms) > dense.layout.nhead
    assert sparse._tail_choice.name == ("sparse" if has_tail else "dense")
    for fast in (True, False):
        x = 0.9 * dense.theta if fast else np.concatenate([dense.beta, 0.9 * dense.theta])
        value, slopes = dense.objective_gradient(x)
        other, gradient = sparse.objective_gradient(x)
        assert other == pytest.approx(value, rel=1e-11)
        np.testing.assert_allclose(gradient, slopes, rtol=1e-8, atol=1e-9 * abs(slopes).max())


def panel(n=900, workers=130, firms=70, moves=0.2, firm_sd=0.7, seed=3):
    """Workers who seldom change firms, with odd names, in seven regions; some seen once."""
    rng = np.random.default_rng(seed)
    worker = rng.integers(0, workers, n)
    firm = rng.integers(0, firms, workers)[worker]
    moved = rng.random(n) < moves
    firm[moved] = rng.integers(0, firms, moved.sum())
    region, x = rng.integers(0, 7, n), rng.normal(size=n)
    eta = 0.2 + 0.3 * x + 0.7 * rng.normal(size=workers)[worker] + 0.4 * rng.normal(size=7)[region]
    eta += firm_sd * (rng.normal(size=firms)[firm] + 0.5 * x * rng.normal(size=firms)[firm])
    trials = rng.integers(1, 6, n)
    names = np.array([f"firm '{i}', «{chr(97 + i % 26)}»" for i in range(firms)])
    return pd.DataFrame(
        {
            "z": rng.random(n) < 1 / (1 + np.exp(-eta)),
            "good": rng.binomial(trials, 1 / (1 + np.exp(-eta))),
            "trials": trials,
            "count": rng.poisson(np.exp(0.5 * eta)),
            "many": rng.negative_binomial(2, 2 / (2 + np.exp(0.5 * eta))),
            "wage": rng.gamma(3.0, np.exp(0.5 * eta) / 3.0),
            "x": x,
            "worker": worker,
            "firm": names[firm],
            "region": region,
            "o": 0.1 * rng.normal(size=n),
        }
    )


#: Formula, arguments of `glmm`, and of the design.
MODELS = {
    "three factors": ("z ~ x + (1 | worker) + (1 | firm) + (1 | region)", "bernoulli", {}, {}),
    "slopes, fast": (
        "count ~ x + (1 | worker) + (x | firm)",
        "poisson",
        {"offset": "o", "fast": True},
        {},
    ),
    "probit": (
        "cbind(good, trials - good) ~ x + (1 | worker) + (x || firm)",
        "binomial",
        {"link": "probit"},
        {},
    ),
    "singular": (
        "z ~ x + I(2 * x) + (1 | worker) + (x | firm)",
        "bernoulli",
        {},
        {"firm_sd": 0.0},
    ),
    "negative binomial": ("many ~ x + (1 | worker) + (1 | firm)", "negativebinomial", {}, {}),
    "gamma": ("wage ~ x + (1 | worker) + (1 | firm)", "gamma", {"link": "log"}, {"moves": 0.02}),
}


@pytest.fixture(scope="module", params=MODELS)
def pair(request):
    formula, family, options, design = MODELS[request.param]
    data = panel(**design)
    fits = [mm.glmm(formula, data, family, tail=tail, **options) for tail in ("dense", "sparse")]
    assert [fit._tail_choice.name for fit in fits] == ["dense", "sparse"]
    return (*fits, data)


def same(pair, of, rtol=1e-6, atol=1e-7):
    dense, sparse, _ = pair
    expected, found = (np.asarray(of(model), dtype=float) for model in (dense, sparse))
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


def test_estimates(pair):
    same(pair, lambda m: m.objective, 1e-9)
    same(pair, lambda m: [m.optsum.feval, m.is_singular()], 0, 2)
    same(pair, lambda m: np.concatenate([m.params.dropna(), m.bse.dropna(), m.theta]), 1e-4, 1e-5)
    same(pair, lambda m: m.fittedvalues, 1e-4, 1e-4)
    same(pair, lambda m: [m.optsum.certificate or 0.0], 0, 1e-3)
    assert pair[1].block_description().endswith("tail: sparse, as asked")


def test_random_effects_and_rows(pair):
    same(pair, lambda m: np.concatenate([v.to_numpy().ravel() for v in m.condvar().values()]), 1e-4)
    same(pair, lambda m: m.leverage(), 1e-4, 1e-6)


@pytest.mark.filterwarnings("ignore:levels of")
def test_predictions_with_errors_for_levels_that_never_met(pair):
    new = pair[2].iloc[::9].copy()
    new["firm"] = np.roll(new["firm"], 3)
    new.loc[new.index[0], "worker"] = 999
    same(pair, lambda m: m.predict(new, se=True, new_levels="population"), 1e-4, 1e-4)


def test_models_made_of_it_keep_the_tail(pair):
    dense, sparse, _ = pair
    read = pickle.loads(pickle.dumps(sparse))
    assert read.objective_at(sparse.optsum.final) == pytest.approx(sparse.objective, rel=1e-9)
    if sparse.family == "bernoulli":
        changed = sparse.update("~ . - x")
        assert changed._tail_choice.name == "sparse"
        assert changed.objective == pytest.approx(dense.update("~ . - x").objective, rel=1e-8)


def test_the_fastest_is_chosen_by_its_predicted_work(monkeypatch):
    data, formula = panel(), "z ~ x + (1 | worker) + (1 | firm)"
    model = mm.GeneralizedLinearMixedModel(formula, data, "bernoulli")
    assert model._tail_choice.name == "dense" and "tail" not in model.block_description()
    monkeypatch.setattr(generalized_tail, "SMALL_ORDER", 10)
    monkeypatch.setattr(generalized_tail, "SMALL_SECONDS", 0.0)
    model = mm.GeneralizedLinearMixedModel(formula, data, "bernoulli")
    assert model._tail_choice.name == "dense"  # the sparse one is not GAIN times as fast
    monkeypatch.setattr(choice, "HEAVY_SECONDS", 0.0)
    monkeypatch.setattr(generalized_tail, "LINEAR_EVALUATIONS", 0)
    model = mm.GeneralizedLinearMixedModel(formula, data, "bernoulli")
    assert model._tail_choice.name == "iterative"


def test_nothing_sparse_is_held_densely():
    model = mm.glmm("z ~ x + (1 | worker)", panel(), "bernoulli", tail="sparse", nagq=3)
    assert "leaves nothing sparse" in model.block_description()

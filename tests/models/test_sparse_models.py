"""Models with ``tail="sparse"``: the same estimates, and everything that is asked of them."""

import pickle

import numpy as np
import pandas as pd
import pytest
from oracles import each_linear

import numbamm as mm

pytest.importorskip("sksparse")

#: Objectives of the oracles with 20 and 72 θ in flat valleys: ends may differ by so much.
FLAT = {"kb07_mid_ml": 1e-4, "kb07_max_ml": 1e-2}


@each_linear
def test_every_oracle(oracle, fitted_oracle):
    dense = fitted_oracle(oracle)
    formula, frame = oracle.formula, oracle.frame
    sparse = mm.LinearMixedModel(
        formula, frame, reml=oracle.reml, weights=oracle.weights, tail="sparse"
    )
    theta = dense.theta
    value, gradient = dense.objective_gradient(theta * 0.9 + 0.05)
    other, slopes = sparse.objective_gradient(theta * 0.9 + 0.05)
    assert other == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(slopes, gradient, rtol=1e-8, atol=1e-8 * abs(gradient).max())
    if len(theta) > 10:
        return
    sparse.fit(optimizer="newton")
    assert sparse.objective == pytest.approx(
        dense.objective, rel=1e-9, abs=FLAT.get(oracle.id, 1e-7)
    )
    np.testing.assert_allclose(sparse.bse, dense.bse, rtol=1e-4)
    assert sparse.is_singular() == dense.is_singular()


def panel(n=700, nworker=90, nfirm=60, firm_sd=0.7, seed=3):
    """Workers who seldom change firms, with odd names, in seven regions; one factor level once."""
    rng = np.random.default_rng(seed)
    worker = rng.integers(0, nworker, n)
    firm = rng.integers(0, nfirm, nworker)[worker]
    moved = rng.random(n) < 0.2
    firm[moved] = rng.integers(0, nfirm, moved.sum())
    region, x = rng.integers(0, 7, n), rng.normal(size=n)
    y = 1 + 0.3 * x + rng.normal(size=nworker)[worker] + 0.4 * rng.normal(size=7)[region]
    y += firm_sd * (rng.normal(size=nfirm)[firm] + 0.5 * x * rng.normal(size=nfirm)[firm])
    y += 0.8 * rng.normal(size=n)
    names = np.array([f"firm '{i}', «{chr(97 + i % 26)}»" for i in range(nfirm)])
    frame = {"y": y, "x": x, "c": np.array(list("abc"))[rng.integers(0, 3, n)]}
    frame |= {"worker": worker, "firm": names[firm], "region": region, "w": rng.uniform(0.4, 2, n)}
    return pd.DataFrame(frame)


MODELS = {
    "three factors": ("y ~ x + (1 | worker) + (1 | firm) + (1 | region)", {}, {}),
    "slopes": ("y ~ x + c + (x | worker) + (x | firm)", {"reml": True, "weights": "w"}, {}),
    "known sigma": ("y ~ x + (1 | worker) + (x || firm)", {"sigma": 0.8}, {}),
    "singular": ("y ~ x + (1 | worker) + (x | firm)", {"reml": True}, {"firm_sd": 0.0}),
    "dependent": ("y ~ x + I(2 * x) + (1 | worker) + (1 | firm)", {"offset": "x"}, {}),
}


@pytest.fixture(scope="module", params=MODELS)
def pair(request):
    formula, options, design = MODELS[request.param]
    data = panel(**design)
    fits = [
        mm.lmm(formula, data, tail=tail, optimizer="newton", **options)
        for tail in ("dense", "sparse")
    ]
    assert [fit.blocks.name for fit in fits] == ["dense", "sparse"]
    return (*fits, data)


def same(pair, of, rtol=1e-6, atol=1e-7):
    dense, sparse, _ = pair
    expected, found = (np.asarray(of(model), dtype=float) for model in (dense, sparse))
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


def numbers(result):
    return result.to_frame().select_dtypes("number").to_numpy()


def test_estimates(pair):
    same(pair, lambda m: m.objective, 1e-10)
    same(
        pair,
        lambda m: np.concatenate([m.params.dropna(), m.bse.dropna(), m.theta, [m.sigma]]),
        1e-5,
    )
    same(pair, lambda m: m.fittedvalues, 1e-5, 1e-5)
    same(pair, lambda m: [m.optsum.certificate or 0.0], 1e-4)
    dense, sparse, _ = pair
    assert abs(dense.optsum.feval - sparse.optsum.feval) <= 2


def test_derivatives(pair):
    theta = pair[0].theta * 1.1
    same(pair, lambda m: m.objective_gradient(theta)[1], 1e-9)
    same(pair, lambda m: m.hessian(theta), 1e-5, 1e-3)


def test_random_effects_and_rows(pair):
    same(pair, lambda m: np.concatenate([v.to_numpy().ravel() for v in m.condvar().values()]), 1e-5)
    same(pair, lambda m: m.leverage(), 1e-5)
    same(pair, lambda m: numbers(mm.influence(m)), 1e-4, 1e-5)


@pytest.mark.filterwarnings("ignore:levels of")
def test_predictions_with_errors_for_levels_that_never_met(pair):
    new = pair[2].iloc[::9].copy()
    new["firm"] = np.roll(new["firm"], 3)
    new.loc[new.index[0], "worker"] = 999
    options = {"interval": "prediction", "new_levels": "population"}
    same(pair, lambda m: m.predict(new, **options), 1e-5, 1e-4)


def test_inference(pair):
    ddf = "kenward-roger" if pair[0].optsum.reml else "satterthwaite"
    same(pair, lambda m: numbers(m.summary(ddf=ddf)), 1e-4, 1e-5)
    same(pair, lambda m: numbers(mm.bootstrap(m, 3, seed=1)), 1e-3, 1e-3)


def test_a_profile(pair):
    if pair[0].is_singular():
        pytest.skip("the profile of a singular fit has an end of its own")
    name = pair[0].theta_names[0]
    del name
    same(
        pair, lambda m: numbers(mm.profile(m, parameters=["x"], progress=False))[:, 1:3], 1e-3, 1e-2
    )


def test_models_made_of_it_keep_the_tail(pair):
    dense, sparse, data = pair
    changed = sparse.update("~ . - x")
    assert changed.blocks.name == "sparse"
    assert changed.objective == pytest.approx(dense.update("~ . - x").objective, rel=1e-8)
    read = pickle.loads(pickle.dumps(sparse))
    y = 2 * data["y"]
    assert read.refit(y).objective == pytest.approx(dense.twin().refit(y).objective, rel=1e-8)
    assert sparse.block_description().endswith("tail: sparse, as asked")


def test_a_search_without_derivatives():
    data = panel()
    formula = "y ~ x + (1 | worker) + (1 | firm)"
    options = {"optimizer": "nlopt:LN_BOBYQA"}
    fits = [mm.lmm(formula, data, tail=tail, **options) for tail in ("dense", "sparse")]
    assert fits[1].objective == pytest.approx(fits[0].objective, rel=1e-9)
    assert fits[1].optsum.feval == pytest.approx(fits[0].optsum.feval, abs=5)


def test_levels_that_are_seen_once():
    data = panel(n=200, nworker=150, nfirm=80)
    formula = "y ~ x + (1 | firm) + (1 | worker)"
    fits = [mm.lmm(formula, data, tail=tail, optimizer="newton") for tail in ("dense", "sparse")]
    assert fits[1].objective == pytest.approx(fits[0].objective, rel=1e-9)


def test_far_off_scales():
    data = panel()
    data["y"], data["x"] = 1e6 * data["y"] + 1e9, 1e-5 * data["x"] + 3e-3
    formula = "y ~ x + (x | worker) + (1 | firm)"
    fits = [mm.lmm(formula, data, tail=tail, optimizer="newton") for tail in ("dense", "sparse")]
    assert fits[1].objective == pytest.approx(fits[0].objective, rel=1e-9)

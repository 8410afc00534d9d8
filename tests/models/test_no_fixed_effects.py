"""Models without fixed effects: what a fit was is known, though fast and full ones look alike."""

import numpy as np
import pytest

import numbamm as mm

RNG = np.random.default_rng(21)
G = np.repeat(np.arange(14), 6)
X = RNG.normal(size=84)
B = RNG.normal(size=14)[G]
RESPONSES = {
    ("bernoulli", "probit"): (RNG.random(84) < 1 / (1 + np.exp(-B))) * 1.0,
    ("poisson", "log"): RNG.poisson(np.exp(0.3 + 0.6 * B)) * 1.0,
}


@pytest.mark.parametrize("formula", ["y ~ 0 + (1 | g)", "y ~ 0 + (1 + x || g)"])
@pytest.mark.parametrize(("family", "link"), RESPONSES)
def test_a_quadrature_stays_one(family, link, formula, tmp_path):
    data = {"y": RESPONSES[family, link], "g": G, "x": X}
    model = mm.glmm(formula, data, family, link, nagq=7)
    assert not model.is_fast
    assert model.objective_at(model.optsum.final) == pytest.approx(model.objective, abs=1e-8)
    model.save(tmp_path / "fit.json")
    other = mm.GeneralizedLinearMixedModel(formula, data, family, link)
    other.restore(tmp_path / "fit.json")
    assert not other.is_fast and other.estimates.nagq == 7
    before = model.objective
    model.refit()
    assert model.optsum.nagq == 7 and model.objective == pytest.approx(before, abs=1e-6)
    model.refit(fast=True)
    assert model.is_fast and abs(model.objective - before) > 1e-3
    assert model.objective_at(model.optsum.final) == pytest.approx(model.objective, abs=1e-8)


def test_files_that_do_not_say_are_read():
    optsum = mm.glmm("y ~ x + (1 | g)", {"y": RESPONSES["poisson", "log"], "g": G, "x": X},
                     "poisson", fast=True).optsum  # fmt: skip
    older = {name: value for name, value in optsum.to_dict().items() if name != "fast"}
    assert type(optsum).from_dict(older).fast is None


@pytest.mark.filterwarnings("ignore::numbamm.errors.NumbammWarning")
@pytest.mark.parametrize("random", ["(1 + x | g)", "(1 | g) + (0 + x | h)"])
def test_means_that_are_nowhere_near_are_no_start(random):
    """Without an intercept a log-linear model of large counts has means over 100 orders."""
    for seed in range(40, 46):
        rng = np.random.default_rng(seed)
        g, h, x = rng.integers(0, 6, 80), rng.integers(0, 4, 80), rng.normal(size=80)
        y = rng.poisson(np.exp(5 + 0.4 * rng.normal(size=80)))
        try:
            data = {"y": y, "x": x, "g": g, "h": h}
            model = mm.glmm(f"y ~ 0 + x + {random}", data, "poisson", progress=False)
        except mm.NumbammError:
            continue
        assert np.isfinite(model.objective) and (model.theta < 1e3).all()


def test_too_many_nodes_are_refused():
    data = {"y": RESPONSES["poisson", "log"], "g": G}
    with pytest.raises(mm.OptionError, match="nagq must be at most 300"):
        mm.glmm("y ~ 1 + (1 | g)", data, "poisson", nagq=301)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.filterwarnings("ignore::numbamm.errors.NumbammWarning")
def test_columns_of_zeros_and_no_degrees_of_freedom_divide_by_nothing():
    data = {"y": RESPONSES["poisson", "log"], "g": G, "x": X, "zero": np.zeros(84)}
    for term in ("(1 + zero | g)", "(1 | g) + (0 + zero | g)"):
        mm.lmm(f"y ~ x + {term}", data, optimizer="newton").check_convergence()
    few = {"y": [1.0, 2.0, 4.0], "x": [0.0, 1.0, -1.0], "g": [0, 0, 1]}
    model = mm.glmm("y ~ x + (1 | g)", few, "poisson")
    assert np.isnan(model.pearson_ratio)

"""Cumulative link mixed models against other programs, and their invariances."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from ordinal_models import ORACLES, fitted, simulated

import numbamm as mm


@pytest.fixture(scope="module")
def whole():
    """A model with all parts and crossed factors."""
    return mm.clmm(
        "y ~ x + (1 | g) + (1 | h)",
        simulated(),
        "probit",
        nominal="~ `odd name`",
        scale="~ `odd name`",
        weights="w",
    )


@pytest.mark.parametrize("name", ORACLES)
def test_estimates_are_those_of_the_package_ordinal(name):
    model, entry = fitted(name), ORACLES[name]
    assert model.objective - entry["criterion"] < 1e-5
    assert model.n_parameters == entry["npar"]
    want = np.r_[entry["alpha"], entry["beta"], entry.get("zeta", [])]
    se = np.r_[entry["alpha_se"], entry["se"], entry.get("zeta_se", [])]
    np.testing.assert_allclose((model.params - want) / se, 0, atol=1e-3)
    np.testing.assert_allclose(model.bse, se, rtol=1e-3)
    for term in entry.get("varcorr", []):
        np.testing.assert_allclose(
            model.varcorr[term["group"]].sd, term["sd"], rtol=1e-3, atol=1e-3
        )
    if entry.get("boundary"):
        assert model.is_singular()


@pytest.mark.parametrize("name", [name for name in ORACLES if ORACLES[name]["kind"] == "clmm"])
def test_random_effects_are_those_of_the_package_ordinal(name):
    model, entry = fitted(name), ORACLES[name]
    for term in entry["ranef"]:
        modes = model.ranef()[term["group"]].loc[term["levels"]]
        np.testing.assert_allclose(modes, term["modes"], atol=1e-4)
        V = model.condvar()[term["group"]]
        sd = [np.sqrt(np.diag(V.loc[level])) for level in term["levels"]]
        np.testing.assert_allclose(sd, term["condsd"], atol=1e-4)


@pytest.mark.parametrize("name", ["wine_logit", "wine_cloglog", "soup_slope"])
def test_quadrature_at_the_estimates_is_the_integral(name):
    model = fitted(name)
    nodes = 31 if model.reterms[0].p == 1 else 15
    space = model.space_of(model.parameters(False), nodes)
    got = space.objective(space.to_scaled(model.optsum.final))
    assert got == pytest.approx(ORACLES[name]["exact_at_estimates"], abs=1e-4)


def test_the_gradient_at_users_parameters_is_that_of_differences(whole):
    x = whole.optsum.final + 0.01
    steps = 1e-5 * np.maximum(np.abs(x), 0.1)
    value, gradient = whole.objective_gradient(x)
    assert value == whole.objective_at(x)
    want = [
        (whole.objective_at(x + h) - whole.objective_at(x - h)) / (2 * h.sum())
        for h in np.diag(steps)
    ]
    np.testing.assert_allclose(gradient, want, rtol=1e-5, atol=1e-4)


def test_two_categories_are_a_binomial_model():
    data = simulated().assign(top=lambda d: d["y"] >= "high")
    ordinal = mm.clmm("top ~ x + (1 | g)", data, "probit")
    formula = "I(1.0 * top) ~ x + (1 | g)"
    binomial = mm.glmm(formula, data, "bernoulli", "probit", information="observed")
    assert ordinal.objective == pytest.approx(binomial.objective, abs=1e-6)
    np.testing.assert_allclose(ordinal.params["x"], binomial.params["x"], rtol=1e-4)
    np.testing.assert_allclose(ordinal.thresholds.iloc[0], -binomial.params["Intercept"], rtol=1e-4)


def test_weights_are_numbers_of_equal_rows(whole):
    data = simulated()
    repeated = data.loc[np.repeat(data.index, data["w"].astype(int))]
    again = mm.clmm(whole.formula, repeated, "probit", nominal="~ `odd name`", scale="~ `odd name`")
    assert again.objective == pytest.approx(whole.objective, abs=1e-6)
    np.testing.assert_allclose(again.bse, whole.bse, rtol=1e-4)


def test_units_and_orders_of_rows_change_nothing(whole):
    data = simulated().sample(frac=1, random_state=1).assign(x=lambda d: d["x"] * 1e6 + 1e9)
    options = {"nominal": "~ `odd name`", "scale": "~ `odd name`", "weights": "w"}
    moved = mm.clmm(whole.formula, data, "probit", **options)
    assert moved.objective == pytest.approx(whole.objective, abs=1e-5)
    np.testing.assert_allclose(moved.params["x"] * 1e6, whole.params["x"], rtol=1e-3)
    np.testing.assert_allclose(
        moved.predict().loc[data.index].sort_index(), whole.predict(), atol=1e-4
    )


def test_reversed_categories_exchange_the_links_and_turn_the_signs():
    data = simulated()
    one = mm.clmm("y ~ x + (1 | g)", data, "cloglog")
    y = data["y"].cat.reorder_categories(data["y"].cat.categories[::-1])
    other = mm.clmm("y ~ x + (1 | g)", data.assign(y=y), "loglog")
    assert other.objective == pytest.approx(one.objective, abs=1e-6)
    np.testing.assert_allclose(other.params["x"], -one.params["x"], rtol=1e-4)
    np.testing.assert_allclose(other.thresholds.iloc[::-1], -one.thresholds, rtol=1e-3)


def test_copies_and_pickles_are_the_same_fit(whole, tmp_path):
    for other in (copy.deepcopy(whole), pickle.loads(pickle.dumps(whole))):
        pd.testing.assert_frame_equal(other.predict(), whole.predict())
    whole.save(tmp_path / "fit.json")
    again = mm.CumulativeLinkMixedModel(
        whole.formula,
        simulated(),
        "probit",
        nominal="~ `odd name`",
        scale="~ `odd name`",
        weights="w",
    )
    assert again.restore(tmp_path / "fit.json").objective == whole.objective


def test_a_refit_takes_categories_and_their_numbers():
    data = simulated()
    model = mm.clmm("y ~ x + (1 | g)", data)
    first = model.params
    drawn = model.simulate(seed=2)
    by_labels = model.refit(drawn).params
    by_numbers = model.refit(drawn.cat.codes).params
    pd.testing.assert_series_equal(by_labels, by_numbers)
    pd.testing.assert_series_equal(model.refit(data["y"]).params, first)
    before = model.objective
    for wrong, problem in (
        (np.zeros(len(data)), "no row in category mid"),
        (["unknown"] * len(data), "other values than the categories"),
        (drawn.cat.codes.to_numpy()[:5], "shape"),
        ("low", "a value for each row"),
    ):
        with pytest.raises(mm.DataError, match=problem):
            model.refit(wrong)
        assert model.objective == before


def test_a_column_with_nominal_effects_has_none_in_the_location():
    data, formula = simulated(), "y ~ x + `odd name` + (1 | g)"
    both = mm.clmm(formula, data, nominal="~ `odd name`")
    alone = mm.clmm("y ~ x + (1 | g)", data, nominal="~ `odd name`")
    assert both.objective == pytest.approx(alone.objective, abs=1e-7)
    assert list(both.params.index) == list(alone.params.index)
    assert "odd name[T.b]" in str(both)
    np.testing.assert_allclose(both.params, alone.params, rtol=1e-4)


def test_models_without_random_effects():
    data = simulated()
    model = mm.clmm("y ~ x", data, threshold="symmetric")
    assert "no random effects" in str(model)
    assert model.objective == pytest.approx(model.objective_without_effects)
    np.testing.assert_allclose(model.predict().sum(axis=1), 1)
    assert mm.clmm("y ~ x + (1 | g)", data, threshold="symmetric").objective < model.objective


def test_tables_show_all_parts(whole):
    text = str(whole)
    for heading in ("Location", "Scale", "Nominal", "Thresholds"):
        assert heading in text
    names = list(whole.params.index)
    assert names == list(whole.cov_params().index) == list(whole.conf_int().index)
    assert names == whole.coef_table().frame.index.tolist()
    assert names[:3] == ["low|mid", "mid|high", "high|top"]
    np.testing.assert_allclose(whole.bse**2, np.diag(whole.cov_params()))
    assert whole.tidy()["term"].tolist()[: len(names)] == names


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"link": "log"}, "does not map probabilities"),
        ({"threshold": "odd"}, "flexible, symmetric, equidistant"),
        ({"scale": "~ 1"}, "leave scale out"),
        ({"scale": "~ I(2000 + x / 1e3)"}, "far from zero.*centre it"),
        ({"cov": {"g": np.eye(7)}}, "unexpected keyword"),
        ({"nominal": "x"}, "no one-sided formula"),
        ({"nagq": 5, "formula": "y ~ x + (1 | g) + (1 | h)"}, "one random-effects term"),
        ({"formula": "y ~ 0 + x + (1 | g)"}, "must not remove"),
        ({"formula": "w ~ x + (1 | g)", "data": simulated().assign(w=1.0)}, "one category"),
    ],
)
def test_what_cannot_be_fitted_is_refused_in_words(options, problem):
    formula, data = options.pop("formula", "y ~ x + (1 | g)"), options.pop("data", simulated())
    with pytest.raises(mm.NumbammError, match=problem):
        mm.clmm(formula, data, **options)


def test_what_categories_have_no_numbers_for_is_refused_in_words(whole):
    for refused in (
        lambda: whole.slopes("x", type="latent"),
        lambda: whole.comparisons("x", re="integrated"),
        lambda: whole.residuals(),
        lambda: whole.influence(),
        lambda: whole.r2(),
        lambda: whole.leverage(),
        lambda: whole.emtrends("x", "x"),
        lambda: whole.delete_levels("g", refit=False),
    ):
        with pytest.raises(mm.OptionError, match="ordinal|ordered|nominal|for linear"):
            refused()


def test_simulated_residuals_are_uniform_where_the_model_is_right():
    data = simulated(200, 7)
    model = mm.clmm("y ~ x + `odd name` + (1 | g)", data)
    residuals = model.simulated_residuals(n=100, seed=1)
    assert residuals.uniformity.pvalue > 0.01
    assert model.leverage().between(0, 1).all()


def test_imputed_fits_are_pooled_in_all_coefficients():
    fits = [mm.clmm("y ~ x + (1 | g)", simulated(200, 7).drop(index=k)) for k in (1, 2, 3)]
    pooled = mm.pool(fits).frame
    np.testing.assert_allclose(pooled["estimate"], np.mean([f.params for f in fits], axis=0))
    assert pooled.index.tolist() == list(fits[0].params.index)


@pytest.mark.parametrize(
    "name",
    ["resid", "residuals", "pirls", "influence", "shrinkage", "check_overdispersion"],
)
def test_what_categories_do_not_have_is_refused_in_words(whole, name):
    with pytest.raises(mm.OptionError):
        found = getattr(whole, name)
        found()

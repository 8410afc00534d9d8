"""The estimators for scikit-learn: its own checks, pipelines, routing, grid search."""

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import numbamm as mm
from numbamm.errors import DataError, OptionError
from numbamm.sklearn import MixedModelClassifier, MixedModelRegressor


@parametrize_with_checks([MixedModelRegressor(), MixedModelClassifier()])
def test_rules_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def sleep():
    return mm.datasets.load("sleepstudy")


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def test_a_formula(sleep):
    X, y = sleep[["Days", "Subject"]], sleep["Reaction"]
    est = MixedModelRegressor("Days + (Days | Subject)").fit(X, y)
    m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep, reml=True)
    assert_allclose(est.predict(X), m.fittedvalues, rtol=1e-6)
    new = X.head(2).assign(Subject="new")
    assert_allclose(est.predict(new), m.predict(new, random=False), rtol=1e-6)
    assert list(est.feature_names_in_) == ["Days", "Subject"] and est.score(X, y) > 0.7


def test_columns_and_groups(sleep):
    X, y, g = sleep[["Days"]], sleep["Reaction"], sleep["Subject"]
    est = MixedModelRegressor(random="Days", reml=False).fit(X, y, groups=g)
    m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
    assert_allclose(est.predict(X, groups=g), m.fittedvalues, rtol=1e-6)
    assert_allclose(est.predict(X), m.predict(random=False), rtol=1e-6)
    array = MixedModelRegressor(random=0, reml=False).fit(X.to_numpy(), y, groups=g)
    assert_allclose(array.predict(X.to_numpy(), groups=g), m.fittedvalues, rtol=1e-6)
    assert clone(est).get_params() == est.get_params()


def test_weights(sleep):
    w = 1 + sleep["Days"] % 3
    X, y = sleep[["Days", "Subject"]], sleep["Reaction"]
    est = MixedModelRegressor("Days + (1 | Subject)").fit(X, y, sample_weight=w)
    m = mm.lmm("Reaction ~ Days + (1 | Subject)", sleep.assign(w=w), weights="w", reml=True)
    assert_allclose(est.predict(X), m.fittedvalues, rtol=1e-6)


def test_a_pipeline_and_routing_with_group_folds(sleep, routing):
    X, y, g = sleep[["Days"]], sleep["Reaction"], sleep["Subject"]
    est = MixedModelRegressor(random=0).set_fit_request(groups=True)
    est.set_predict_request(groups=True).set_score_request(groups=True)
    pipe = make_pipeline(StandardScaler(), est)
    scores = cross_validate(pipe, X, y, params={"groups": g}, cv=GroupKFold(6))["test_score"]
    assert len(scores) == 6 and np.isfinite(scores).all()
    known = cross_validate(pipe, X, y, params={"groups": g}, cv=6)["test_score"]
    assert np.isfinite(known).all()


def test_grid_search_over_formulas(sleep):
    X, y = sleep[["Days", "Subject"]], sleep["Reaction"]
    formulas = ["Days + (Days | Subject)", "Days + (1 | Subject)"]
    search = GridSearchCV(
        MixedModelRegressor(), {"formula": formulas}, cv=5, scoring="neg_mean_squared_error"
    )
    assert search.fit(X, y).best_params_["formula"] == formulas[0]
    scaler = make_column_transformer(
        (StandardScaler(), ["Days"]), remainder="passthrough", verbose_feature_names_out=False
    ).set_output(transform="pandas")
    pipe = make_pipeline(scaler, MixedModelRegressor(formulas[0]))
    assert np.isfinite(cross_val_score(pipe, X, y, cv=3)).all()


def test_classes():
    data = mm.datasets.load("Contraception").sample(600, random_state=1)
    X, y = data[["age", "urban", "district"]], data["use"]
    est = MixedModelClassifier("age + urban + (1 | district)").fit(X, y)
    g = mm.glmm("use ~ age + urban + (1 | district)", data, "bernoulli")
    assert_allclose(est.predict_proba(X)[:, 1], g.fittedvalues, atol=1e-6)
    assert_allclose(est.decision_function(X), g.predict(type="link"), atol=1e-5)
    assert set(est.predict(X)) <= set(y) and 0.5 < est.score(X, y) < 1
    by_groups = MixedModelClassifier(fast=True).fit(X[["age"]], y, groups=data["district"])
    assert by_groups.predict(X[["age"]], groups=data["district"]).shape == (600,)


def test_what_is_refused(sleep):
    X, y = sleep[["Days", "Subject"]], sleep["Reaction"]
    with pytest.raises(OptionError, match="must be a pandas DataFrame"):
        MixedModelRegressor("Days + (1 | Subject)").fit(X.to_numpy(), y)
    with pytest.raises(OptionError, match="'x' is no column of X"):
        MixedModelRegressor(random="x").fit(X[["Days"]], y, groups=X["Subject"])
    with pytest.raises(DataError, match="one label for each of 180 rows"):
        MixedModelRegressor().fit(X[["Days"]], y, groups=[1, 2])
    with pytest.raises(DataError, match="it is given as y"):
        MixedModelRegressor("Reaction ~ Days + (1 | Subject)").fit(sleep, y)

"""Predictions: against lme4, and their errors against Henderson's equations by dense matrices."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from oracles import INFERENCE
from scipy.linalg import block_diag

import numbamm as mm

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


def henderson(model):
    """The columns [X Z], and the covariance matrix of β̂ and b̂ - b."""
    X, p = model.frame.X, model.feterm.rank
    C = np.hstack([X, *(t.toarray() for t in model.reterms)])
    lam = (np.kron(np.eye(t.nlevels), t.lambda_) for t in model.reterms)
    root = block_diag(np.eye(p), *lam)
    omega = root.T @ C.T @ (model.frame.weights[:, None] * (C @ root))
    omega[p:, p:] += np.eye(len(omega) - p)
    return C, model.sigma**2 * root @ np.linalg.solve(omega, root.T)


def standard_errors(C, cov):
    return np.sqrt(np.einsum("ij,jk,ik->i", C, cov, C))


def test_predictions_of_lme4(sleep):
    entry = INFERENCE["predict_sleep"]
    new, expected = pd.DataFrame(entry["newdata"]), entry["result"]
    assert_allclose(sleep.predict(new, re_form="none"), expected["re_form_NA"], rtol=1e-5)
    with pytest.warns(mm.NumbammWarning, match="'999', 'new'"):
        assert_allclose(sleep.predict(new), expected["allow_new"], rtol=1e-5)
    with pytest.warns(mm.NumbammWarning, match="Subject"):
        found = sleep.predict(new, re_form="(1 | Subject)")
    assert_allclose(found, expected["re_int_only"], rtol=1e-5)
    with pytest.raises(mm.DataError, match="'Subject' that were not in the fit: '999', 'new'"):
        sleep.predict(new, new_levels="error")


def test_standard_errors_of_lme4(sleep):
    entry = INFERENCE["predict_sleep_se"]
    new, expected = pd.DataFrame(entry["newdata"]), entry["result"]
    found = sleep.predict(new, re_form="none", se=True)
    assert_allclose(found["se"], expected["NA_se"], rtol=1e-5)
    rows = np.array(expected["cond_rows"]) - 1
    found = sleep.predict(new.iloc[rows], se=True)
    assert list(found) == ["prediction", "se"]
    assert_allclose(found["prediction"], expected["cond_fit"], rtol=1e-5)
    assert_allclose(found["se"], expected["cond_se"], rtol=1e-5)


def test_predictions_of_lme4_for_counts():
    entry = INFERENCE["predict_cbpp"]
    new, expected = pd.DataFrame(entry["newdata"]), entry["result"]
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    model = mm.glmm(formula, mm.datasets.load("cbpp"), "binomial")
    for type, name in (("link", "link"), ("response", "resp")):
        found = model.predict(new, re_form="~0", type=type)
        assert_allclose(found, expected[f"{name}_NA"], rtol=1e-5)
        with pytest.warns(mm.NumbammWarning, match="'99'"):
            assert_allclose(model.predict(new, type=type), expected[f"{name}_new"], rtol=1e-5)


def test_standard_errors_are_hendersons(crossed):
    model, data = crossed
    C, cov = henderson(model)
    expected = standard_errors(C, cov)
    assert_allclose(model.predict(se=True)["se"], expected, rtol=1e-6)
    assert_allclose(model.predict(data, se=True)["se"], expected, rtol=1e-6)


def test_levels_that_never_met(crossed):
    """A child under another parent than in the data: its own effects, and the other parent's."""
    model, _ = crossed
    new = {"a": [0, 0], "b": [3, 3], "c": [0, 3], "x": [20.0, 20.0]}
    _, cov = henderson(model)
    C = []
    for i in range(2):
        row = [np.array([1.0, 20.0])]
        for t in model.reterms:
            z = np.zeros((t.nlevels, t.p))
            z[new[t.group][i]] = [1.0, 20.0][: t.p]
            row.append(z.ravel())
        C.append(np.concatenate(row))
    assert_allclose(model.predict(new, se=True)["se"], standard_errors(np.array(C), cov), rtol=1e-6)


def test_a_new_level_adds_the_variance_of_its_effects(sleep):
    new = pd.DataFrame({"Days": [0.0, 3.0], "Subject": ["a", "b"]}, index=["p", "q"])
    with pytest.warns(mm.NumbammWarning):
        found = sleep.predict(new, se=True)
    assert list(found.index) == ["p", "q"]
    population = sleep.predict(new, random=False, se=True)
    Z, cov = np.array([[1, 0], [1, 3]]), sleep.varcorr["Subject"].cov
    expected = population["se"] ** 2 + np.einsum("ij,jk,ik->i", Z, cov, Z)
    assert_allclose(found["se"] ** 2, expected)
    assert_allclose(found["prediction"], population["prediction"])
    assert sleep.predict(new, se=True, new_levels="missing").isna().all(axis=None)


def test_intervals(sleep, crossed):
    found = sleep.predict(se=True, interval="confidence", alpha=0.1)
    assert_allclose(found["upper"] - found["prediction"], 1.6448536 * found["se"])
    assert_allclose(found["prediction"] - found["lower"], 1.6448536 * found["se"])
    model, data = crossed
    found = model.predict(se=True, interval="prediction")
    sd = np.sqrt(found["se"] ** 2 + model.sigma**2 / data["w"])
    assert_allclose(found["upper"] - found["lower"], 2 * 1.959964 * sd)
    assert_allclose(model.predict(data, interval="prediction"), found.drop(columns="se"))
    plain = model.predict(data, interval="prediction", weights=np.ones(300))
    sd = np.sqrt(found["se"] ** 2 + model.sigma**2)
    assert_allclose(plain["upper"] - plain["lower"], 2 * 1.959964 * sd)


def test_intervals_cover_new_observations(sleep):
    """95 % of new responses, given random effects drawn with the prior: 5 standard errors."""
    subjects = [f"new {i}" for i in range(200)]
    new = pd.DataFrame({"Days": np.tile(np.arange(10.0), 200), "Subject": np.repeat(subjects, 10)})
    rng = np.random.default_rng(4)
    with pytest.warns(mm.NumbammWarning):
        limits = sleep.predict(new, interval="prediction")
    b = rng.multivariate_normal([0, 0], sleep.varcorr["Subject"].cov, 200)
    y = limits["prediction"] + np.repeat(b[:, 0], 10) + np.repeat(b[:, 1], 10) * new["Days"]
    y += sleep.sigma * rng.normal(size=2000)
    share = ((y > limits["lower"]) & (y < limits["upper"])).groupby(new["Subject"]).mean()
    assert share.mean() > 0.95 - 5 * share.std() / np.sqrt(200)


@pytest.mark.parametrize("fast", [True, False])
def test_generalized_models(fast):
    """Against the working model at the mode, where β̂ is known as `cov_params` has it."""
    data = mm.datasets.load("cbpp")
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    model = mm.glmm(formula, data, "binomial", fast=fast)
    mu = model.fittedvalues.to_numpy()
    weights = data["size"].to_numpy() * mu * (1 - mu)
    X, Z = model.frame.X, model.reterms[0].toarray()
    K = Z.T @ (weights[:, None] * Z) + np.eye(Z.shape[1]) / model.varcorr["herd"].cov[0, 0]
    moved = X - Z @ np.linalg.solve(K, Z.T @ (weights[:, None] * X))
    variance = np.einsum("ij,ji->i", Z, np.linalg.solve(K, Z.T))
    variance += np.einsum("ij,jk,ik->i", moved, model.cov_params().to_numpy(), moved)
    link = model.predict(data, type="link", se=True, interval="confidence")
    assert_allclose(link["se"], np.sqrt(variance), rtol=1e-5)
    found = model.predict(data, se=True, interval="confidence")
    assert_allclose(found["se"], mu * (1 - mu) * link["se"])
    assert_allclose(found["lower"], 1 / (1 + np.exp(-link["lower"])))
    assert_allclose(found["upper"], 1 / (1 + np.exp(-link["upper"])))
    population = model.predict(data[:1], random=False, type="link", se=True)
    assert_allclose(population["se"], model.bse["Intercept"])


def test_a_family_with_a_dispersion():
    """Gamma with a log link has working weights of one."""
    data = mm.datasets.load("sleepstudy")
    model = mm.glmm(SLEEP, data.assign(Days=1000 * data["Days"]), "gamma", "log", fast=True)
    X, Z, phi = model.frame.X, model.reterms[0].toarray(), model.dispersion
    prior = np.kron(np.eye(18), model.varcorr["Subject"].cov)
    K = Z.T @ Z / phi + np.linalg.inv(prior)
    moved = X - Z @ np.linalg.solve(K, Z.T @ X / phi)
    variance = np.einsum("ij,ji->i", Z, np.linalg.solve(K, Z.T))
    variance += np.einsum("ij,jk,ik->i", moved, model.cov_params().to_numpy(), moved)
    assert_allclose(model.predict(type="link", se=True)["se"], np.sqrt(variance), rtol=1e-6)


def test_models_without_fixed_effects():
    model = mm.lmm("Yield ~ 0 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    ratio = model.theta[0] ** 2
    expected = model.sigma * np.sqrt(ratio / (1 + 5 * ratio))
    assert_allclose(model.predict({"Batch": ["A"]}, se=True)["se"], expected)
    assert (model.predict(random=False, se=True) == 0).all(axis=None)


def test_a_singular_fit_has_the_errors_of_the_population():
    model = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff2"))
    with pytest.warns(mm.NumbammWarning):
        found = model.predict({"Batch": ["A", "new"]}, se=True)
    assert_allclose(found["se"], model.bse["Intercept"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"re_form": "Subjct"}, "'Subjct' is no grouping factor of the model; did you mean 'Subj"),
        ({"re_form": ["Subject", "(1 | item)"]}, "'item' is no grouping factor"),
        ({"re_form": "(1 + Age | Subject)"}, "no random effect of Age on Subject"),
        ({"re_form": "Days + (1 | Subject)"}, "has other terms than random effects"),
        ({"re_form": "(1 | Subject"}, "cannot be read: this '\\(' is never closed"),
        ({"re_form": 3}, "a list of grouping factors"),
        ({"re_form": "Subject", "random": False}, "random=False and re_form contradict each other"),
        ({"interval": "both"}, "interval must be one of"),
        ({"alpha": 1.5}, "alpha must be between 0 and 1"),
        ({"weights": "w"}, "weights are for new rows"),
    ],
)
def test_options_that_cannot_be_used(sleep, options, message):
    with pytest.raises(mm.OptionError, match=message):
        sleep.predict(**options)


def test_drawn_intervals_are_the_normal_ones():
    """A Gaussian generalized model is a linear one: ends within five standard errors."""
    data = mm.datasets.load("sleepstudy")[:20]
    model = mm.glmm(SLEEP, mm.datasets.load("sleepstudy"), "gaussian")
    linear = mm.lmm(SLEEP, mm.datasets.load("sleepstudy"))
    drawn = model.predict(data, interval="prediction", draws=20_000, seed=1, alpha=0.1)
    expected = linear.predict(data, interval="prediction", alpha=0.1)
    sd = (expected["upper"] - expected["prediction"]) / 1.645
    error = sd * np.sqrt(0.05 * 0.95 / 20_000) / 0.103  # the normal density at that quantile
    for end in ("lower", "upper"):
        assert (np.abs(drawn[end] - expected[end]) < 5 * error).all()
    assert_allclose(drawn["prediction"], expected["prediction"], rtol=1e-5)


def test_prediction_intervals_of_counts():
    data = mm.datasets.load("cbpp")
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    model = mm.glmm(formula, data, "binomial", fast=True)
    found = model.predict(interval="prediction", seed=1)
    counts = found[["lower", "upper"]].mul(data["size"], axis=0)
    assert_allclose(counts, counts.round(), atol=1e-12)
    observed = data["incidence"] / data["size"]
    assert ((observed >= found["lower"]) & (observed <= found["upper"])).mean() > 0.9
    again = model.predict(data, interval="prediction", seed=1, weights="size")
    pd.testing.assert_frame_equal(found, again)
    with pytest.raises(mm.OptionError, match="give weights="):
        model.predict(data, interval="prediction")
    with pytest.raises(mm.OptionError, match="is on the scale of the response"):
        model.predict(interval="prediction", type="link")
    with pytest.raises(mm.OptionError, match="draws must be a whole number"):
        model.predict(interval="prediction", draws=0)
    missing = model.predict({"period": ["1", None], "herd": ["1", "1"]}, interval="confidence")
    assert missing.isna().all(axis=1).tolist() == [False, True]


@pytest.mark.parametrize("interval", ["confidence", "prediction"])
def test_intervals_do_not_turn_with_the_link(interval):
    """Means are squares of linear predictors, of which intervals here contain zero."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"g": np.repeat(np.arange(8), 4), "y": rng.poisson(0.3, 32)})
    model = mm.glmm("y ~ 1 + (1 | g)", data, "poisson", "sqrt", fast=True)
    found = model.predict(interval=interval, alpha=1e-14)
    assert (found["lower"] < 1e-12).all()
    assert (found["upper"] > found["prediction"]).all()


def test_intervals_of_an_unfitted_model():
    model = mm.LinearMixedModel(SLEEP, mm.datasets.load("sleepstudy"))
    with pytest.raises(mm.NotFittedError):
        model.predict(interval="confidence")


def test_weights_without_a_part_are_refused(fitted):
    model = fitted("Reaction ~ Days + (1 | Subject)", "sleepstudy")
    new = {"Days": [1.0], "Subject": ["308"]}
    with pytest.raises(mm.OptionError, match="weights are those of new observations"):
        model.predict(new, se=True, weights=np.array([2.0]))
    rows = {"x": np.arange(60) % 2, "g": np.arange(60) // 6, "y": np.arange(60) % 5}
    counts = mm.glmm("y ~ x + (1 | g)", rows, "poisson", fast=True)
    with pytest.raises(mm.OptionError, match="do not enter the distribution of Poisson responses"):
        counts.predict(rows, interval="prediction", weights="y")


@pytest.mark.parametrize(
    ("re_form", "kept"),
    [
        (["b"], {"b": [1]}),
        ("(1 | b) + (0 + x | a)", {"b": [1], "a": [0, 1]}),
        (["a", "(1 | c)"], {"a": [1, 1], "c": [1]}),
        ("a", {"a": [1, 1]}),
    ],
)
def test_some_of_the_effects(crossed, re_form, kept):
    model, data = crossed
    C, cov = henderson(model)
    mask = np.concatenate([np.tile(kept.get(t.group, t.p * [0]), t.nlevels) for t in model.reterms])
    C = C * np.concatenate([[1, 1], mask])
    found = model.predict(data, re_form=re_form, se=True)
    assert_allclose(found["se"], standard_errors(C, cov), rtol=1e-6)
    effects = np.concatenate([model.beta, *(b.ravel() for b in model.b)])
    assert_allclose(found["prediction"], C @ effects, rtol=1e-8, atol=1e-8)
    assert_allclose(model.predict(re_form=re_form), C @ effects, rtol=1e-8, atol=1e-8)

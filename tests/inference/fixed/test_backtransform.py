"""Marginal means of transformed responses: R's emmeans, closed forms, simulated responses."""

import numpy as np
import oracles
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit

import numbamm as mm
from numbamm.glm.family import FAMILIES
from numbamm.glm.link import LINKS
from numbamm.inference.fixed.backtransform import BackTransform


def rows():
    frame = oracles.dataset("cake")
    frame = frame[np.arange(1, len(frame) + 1) * 5 % 11 > 2]
    return frame.assign(
        recipe=frame["recipe"].astype(str), share=frame["angle"] / 100, size=frame["temp"] / 100
    )


def fit(response, **options):
    formula = f"{response} ~ recipe * temp + (1 | recipe:replicate)"
    return mm.lmm(formula, rows(), reml=True, **options)


# By R's emmeans 1.8.4 with Kenward and Roger's method: response, standard error and ends.
LOG = [
    [32.552988, 1.5947612, 29.488034, 35.936509],
    [30.770357, 1.5126065, 27.864861, 33.978813],
    [30.582238, 1.4982147, 27.702836, 33.760922],
]
EMMEANS = {
    "log(angle)": LOG,
    "log10(angle)": LOG,
    "log2(angle)": LOG,
    "np.log(angle)": LOG,
    "I(log(`angle`))": LOG,
    "sqrt(angle)": [
        [32.950512, 1.6349221, 29.733128, 36.333145],
        [31.199129, 1.5960024, 28.061957, 34.502494],
        [31.077778, 1.5877823, 27.955543, 34.365261],
    ],
    "log(angle + 5)": [
        [32.655680, 1.6000643, 29.560626, 36.027909],
        [30.886093, 1.5300108, 27.928055, 34.109862],
        [30.718414, 1.5177460, 27.782591, 33.917152],
    ],
    "log1p(angle)": [
        [32.575955, 1.5957800, 29.504590, 35.956561],
        [30.796407, 1.5163695, 27.879434, 34.008009],
        [30.612978, 1.5024847, 27.721177, 33.795941],
    ],
}


@pytest.mark.parametrize("response", EMMEANS)
def test_agrees_with_r(response):
    means = fit(response).emmeans("recipe", type="response", ddf="kr")
    found = means.to_frame()[["mean", "se", "lower", "upper"]]
    np.testing.assert_allclose(found, EMMEANS[response], rtol=2e-6)
    assert "angle at the mean of" in repr(means)


def test_ratios_and_differences_agree_with_r():
    pairs = fit("log10(angle)").emmeans("recipe", type="response", ddf="kr").pairs()
    found = pairs.to_frame()
    assert found["contrast"].tolist() == ["A / B", "A / C", "B / C"] and "Ratios" in pairs.title
    np.testing.assert_allclose(found["estimate"], [1.0579334, 1.0644410, 1.0061512], rtol=1e-6)
    np.testing.assert_allclose(found["se"], [0.07342158, 0.07374650, 0.06982785], rtol=1e-5)
    np.testing.assert_allclose(found["lower"], [0.8937835, 0.89950499, 0.85003593], rtol=1e-5)
    np.testing.assert_allclose(found["pvalue"], [0.69806779, 0.64246198, 0.99570508], rtol=1e-5)
    shifted = fit("log(angle + 5)").emmeans("recipe", type="response", ddf="kr").pairs()
    np.testing.assert_allclose(shifted.frame["estimate"].iloc[0], 1.0493112, rtol=1e-6)
    assert "Ratios of angle + 5." in repr(shifted)
    root = fit("sqrt(angle)").emmeans("recipe", type="response", ddf="kr").pairs()
    np.testing.assert_allclose(root.frame["estimate"].iloc[0], 0.154635569, rtol=1e-5)
    assert "Differences are on the scale of sqrt(angle)." in repr(root)


FORWARD = {
    "log(angle)": np.log,
    "np.log1p(angle)": np.log1p,
    "exp(angle / 50)": lambda y: np.exp(y / 50),
    "expm1(angle / 50)": lambda y: np.expm1(y / 50),
    "1 / angle": lambda y: 1 / y,
    "-1 / angle": lambda y: -1 / y,
    "-log(angle)": lambda y: -np.log(y),
    "2 * sqrt(angle + 3) - 1": lambda y: 2 * np.sqrt(y + 3) - 1,
    "I(angle**2)": lambda y: y**2,
    "angle**0.3": lambda y: y**0.3,
    "angle**-0.5": lambda y: y**-0.5,
    "(angle - 40)**3": lambda y: (y - 40) ** 3,
    "np.power(angle, 1.5)": lambda y: y**1.5,
    "np.square(angle)": np.square,
    "np.reciprocal(angle)": np.reciprocal,
    "np.cbrt(angle)": np.cbrt,
    "np.arcsinh(angle)": np.arcsinh,
    "1.02**angle": lambda y: 1.02**y,
    "log(100 / angle, )": lambda y: np.log(100 / y),
    "np.arcsin(sqrt(angle / 100))": lambda y: np.arcsin(np.sqrt(y / 100)),
    "logit(angle / 100)": lambda y: logit(y / 100),
    "log(angle / (100 - 2))": lambda y: np.log(y / 98),
    "log(angle) / log(3)": lambda y: np.log(y) / np.log(3),
    "sqrt(angle + np.exp(1)) * np.sqrt(2 * 8)": lambda y: 4 * np.sqrt(y + np.e),
    "np.arctan(angle / 50)": lambda y: np.arctan(y / 50),
}


@pytest.mark.parametrize("response", FORWARD)
def test_what_is_undone_gives_the_link_scale_back(response):
    """Means, and ends of intervals in their order; standard errors by differences."""
    model = fit(response)
    link, found = (model.emmeans("recipe", type=t).to_frame() for t in ("link", "response"))
    forward = FORWARD[response]
    np.testing.assert_allclose(forward(found["mean"]), link["mean"], rtol=1e-8)
    ends = np.sort([forward(found[end]) for end in ("lower", "upper")], axis=0)
    np.testing.assert_allclose(ends, [link["lower"], link["upper"]], rtol=1e-8)
    assert (found["lower"] < found["mean"]).all() and (found["mean"] < found["upper"]).all()
    step = 1e-5 * found["mean"]
    slope = (forward(found["mean"] + step) - forward(found["mean"] - step)) / (2 * step)
    np.testing.assert_allclose(found["se"], link["se"] / slope.abs(), rtol=1e-5)
    assert "angle at the mean of" in repr(model.emmeans("recipe", type="response"))
    said = response.replace(", )", ")").replace(" ", "")
    assert said in repr(model.emmeans("recipe")).replace(" ", "").replace(",)", ")")


@pytest.mark.parametrize(
    ("response", "left"),
    [("scale(angle)", "scale(angle)"), ("log(angle) - log(size)", "log(angle) - log(size)")],
)
def test_what_cannot_be_undone_is_named(response, left):
    model = fit(response)
    link, means = model.emmeans("recipe"), model.emmeans("recipe", type="response")
    np.testing.assert_array_equal(means.to_frame()["mean"], link.to_frame()["mean"])
    assert f"Means of {left}, which cannot be inverted" in repr(means)


def test_what_is_left_is_named():
    """Logarithms of a quotient are undone to the quotient."""
    model = fit("log(angle / size)")
    link, means = model.emmeans("recipe"), model.emmeans("recipe", type="response")
    np.testing.assert_allclose(means.frame["mean"], np.exp(link.frame["mean"]))
    assert "angle / size at the mean of" in repr(means)
    plain = fit("angle / size").emmeans("recipe", type="response")
    assert "Means of the response" in repr(plain)


def test_names_of_the_users_scope():
    shift, base = 4.0, np.log10  # noqa: F841
    model = mm.lmm("base(angle + shift) ~ recipe + (1 | recipe:replicate)", rows(), reml=True)
    link, means = model.emmeans("recipe"), model.emmeans("recipe", type="response")
    np.testing.assert_allclose(means.frame["mean"], 10 ** link.frame["mean"] - 4)


@pytest.mark.parametrize("name", ["odd y", "y.1", "pi"])
def test_odd_names_of_responses(name):
    frame = rows().rename(columns={"angle": name})
    plain = mm.lmm(f"`{name}` ~ recipe + (1 | recipe:replicate)", frame, reml=True)
    model = mm.lmm(f"2 * log(`{name}`) ~ recipe + (1 | recipe:replicate)", frame, reml=True)
    assert "Means of the response" in repr(plain.emmeans("recipe", type="response"))
    link, means = model.emmeans("recipe"), model.emmeans("recipe", type="response")
    np.testing.assert_allclose(means.frame["mean"], np.exp(link.frame["mean"] / 2))
    assert f" {name} at the mean of" in repr(means)


def test_intervals_end_where_the_transformation_does():
    """A square root is not negative: nor is the interval of what it is the root of."""
    r = np.random.default_rng(3)
    frame = pd.DataFrame({"a": np.tile(list("pq"), 40), "g": np.repeat(np.arange(8), 10)})
    frame["y"] = (0.02 + r.exponential(0.05, 80) + 0.3 * r.exponential(size=8)[frame["g"]]) ** 2
    means = mm.lmm("sqrt(y) ~ a + (1 | g)", frame, reml=True).emmeans("a", alpha=1e-6)
    assert (means.frame["lower"] < 0).all()
    back = mm.lmm("sqrt(y) ~ a + (1 | g)", frame, reml=True)
    back = back.emmeans("a", type="response", alpha=1e-6).to_frame()
    np.testing.assert_array_equal(back["lower"], 0)
    np.testing.assert_allclose(back["upper"], means.frame["upper"] ** 2)


def test_bias_adjustment_of_logarithms_and_roots():
    """Closed forms: exp(η + σ²/2), η² + σ²; σ² is that of random effects and residuals."""
    model = fit("log(angle)")
    total = model.varcorr.to_frame()["variance"].sum()
    eta = model.emmeans("recipe").to_frame()
    found = model.emmeans("recipe", type="response", bias_adjust=True)
    factor = np.exp(total / 2)
    for name in ("mean", "lower", "upper"):
        np.testing.assert_allclose(found.frame[name], factor * np.exp(eta[name]), rtol=1e-10)
    np.testing.assert_allclose(found.frame["se"], found.frame["mean"] * eta["se"], rtol=1e-10)
    assert f"standard deviation {np.sqrt(total):.4g}." in repr(found)
    # emmeans has 1 + σ²/2 in the place of exp(σ²/2)
    second = np.array([33.378365, 31.550536, 31.357647])
    np.testing.assert_allclose(found.frame["mean"] / factor * (1 + total / 2), second, rtol=1e-5)
    given = model.emmeans("recipe", type="response", bias_adjust=True, sigma=0.5).frame["mean"]
    np.testing.assert_allclose(given, np.exp(eta["mean"] + 0.125), rtol=1e-10)
    root = fit("sqrt(angle)")
    eta, total = root.emmeans("recipe").frame["mean"], root.varcorr.to_frame()["variance"].sum()
    found = root.emmeans("recipe", type="response", bias_adjust=True).frame["mean"]
    np.testing.assert_allclose(found, eta**2 + total, rtol=1e-10)
    plain = fit("angle")
    one, other = (
        plain.emmeans("recipe", type="response", bias_adjust=b).frame for b in (False, True)
    )
    pd.testing.assert_frame_equal(one, other)


def test_bias_adjustment_of_slopes_and_columns_outside_of_the_grid():
    frame = oracles.dataset("sleepstudy").assign(z=lambda d: np.arange(180) % 7 / 3)
    model = mm.lmm("log(Reaction) ~ Days + (Days | Subject)", frame, reml=True)
    eta = model.emmeans("Days", at={"Days": [0, 9]}).frame["mean"].to_numpy()
    cov, s2 = model.varcorr.terms[0].cov, model.sigma**2
    z = np.array([[1, 0], [1, 9]])
    expected = np.exp(eta + (np.einsum("ia,ab,ib->i", z, cov, z) + s2) / 2)
    options = {"type": "response", "bias_adjust": True}
    found = model.emmeans("Days", at={"Days": [0, 9]}, **options)
    np.testing.assert_allclose(found.frame["mean"], expected, rtol=1e-10)
    other = mm.lmm("log(Reaction) ~ Days + (0 + z | Subject)", frame, reml=True)
    eta = other.emmeans("Days").frame["mean"]
    total = other.varcorr.terms[0].cov[0, 0] * np.mean(frame["z"] ** 2) + other.sigma**2
    found = other.emmeans("Days", **options).frame["mean"]
    np.testing.assert_allclose(found, np.exp(eta + total / 2), rtol=1e-10)


@pytest.mark.parametrize("link", ["log", "logit"])
def test_bias_adjustment_of_generalized_models(link):
    """Means over the random effects, by brute force."""
    rows = oracles.dataset("cbpp")
    if link == "log":
        model = mm.glmm("incidence ~ period + (1 | herd)", rows, "poisson", fast=True)
    else:
        formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        model = mm.glmm(formula, rows, "binomial", fast=True)
    eta = model.emmeans("period").frame["mean"].to_numpy()
    sd = np.sqrt(model.varcorr.terms[0].cov[0, 0])
    z = np.linspace(-8, 8, 4001)
    density = np.exp(-(z**2) / 2) / np.exp(-(z**2) / 2).sum()
    at = eta[:, None] + sd * z
    expected = (np.exp(at) if link == "log" else 1 / (1 + np.exp(-at))) @ density
    found = model.emmeans("period", type="response", bias_adjust=True)
    np.testing.assert_allclose(found.frame["mean"], expected, rtol=1e-8)
    assert "Means of the response if the linear predictor varies normally" in repr(found)


def test_bias_adjusted_means_are_those_of_responses():
    """Of many simulated groups the mean of y, not of its median."""
    r = np.random.default_rng(8)
    frame = pd.DataFrame({"a": np.tile(list("pq"), 4000), "g": np.repeat(np.arange(400), 20)})
    eta = 1 + 0.5 * (frame["a"] == "q") + 0.7 * r.normal(size=400)[frame["g"]]
    frame["y"] = np.exp(eta + 0.6 * r.normal(size=8000))
    model = mm.lmm("log(y) ~ a + (1 | g)", frame, reml=True)
    found = model.emmeans("a", type="response", bias_adjust=True).frame["mean"]
    np.testing.assert_allclose(found, frame.groupby("a")["y"].mean(), rtol=0.05)


def test_no_expectation_has_no_number():
    """The reciprocal of a normal variable that reaches 0 has none."""
    model = fit("1 / angle")
    means = model.emmeans("recipe", type="response", sigma=0.1, bias_adjust=True)
    arc = fit("np.arctan(angle / 50)")
    angle = arc.emmeans("recipe", type="response", sigma=0.5, bias_adjust=True)
    assert angle.frame["mean"].isna().all() and "has no mean" in repr(angle)
    assert means.frame["mean"].isna().all() and "has no mean" in repr(means)


def test_mistakes():
    model = fit("log(angle)")
    with pytest.raises(mm.OptionError, match='need type="response"'):
        model.emmeans("recipe", bias_adjust=True)
    with pytest.raises(mm.OptionError, match="sigma must be a finite standard deviation"):
        model.emmeans("recipe", type="response", bias_adjust=True, sigma=-1)
    with pytest.raises(mm.OptionError, match="sigma needs bias_adjust=True"):
        model.emmeans("recipe", type="response", sigma=1)


class OneResponse:
    """What `BackTransform` asks of a model."""

    family, link, link_record = "gaussian", "identity", LINKS["identity"]
    composition, means_of = None, ""
    family_record = FAMILIES["gaussian"]

    def __init__(self, response, y):
        data = {"y": np.asarray(y, dtype=float), "g": np.arange(len(y)) % 2}
        self.frame = mm.LinearMixedModel(f"{response} ~ 1 + (1 | g)", data).frame


FUNCTIONS = ["log({} + 40)", "sqrt({})", "2 * {} + 1", "{}**0.7", "exp({} / 400)"]


@given(st.lists(st.sampled_from(FUNCTIONS), min_size=1, max_size=3))
def test_compositions(functions):
    y, response = np.linspace(3.0, 8.0, 30), "(y + 40)"
    for function in functions:
        response = f"({function.format(response)})"
    model = OneResponse(response, y)
    back = BackTransform(model)
    assert back.left == "y" and not back.opaque
    np.testing.assert_allclose(back.mean(model.frame.y), y, rtol=1e-7)
    step = 1e-4 * np.ptp(model.frame.y)
    slope = (back.mean(model.frame.y + step) - back.mean(model.frame.y - step)) / (2 * step)
    np.testing.assert_allclose(back.slope(model.frame.y), slope, rtol=1e-4)

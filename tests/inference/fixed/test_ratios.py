"""Coefficients as odds ratios, rate ratios and the like."""

import numpy as np
import oracles
import pytest

import numbamm as mm
from numbamm.inference.fixed.ratios import ratio_of

CBPP = "cbind(incidence, size - incidence) ~ period + (1 | herd)"


@pytest.fixture(scope="module")
def cbpp():
    return oracles.dataset("cbpp")


@pytest.fixture(scope="module")
def sleep():
    return mm.datasets.load("sleepstudy")


@pytest.mark.parametrize(
    ("formula", "family", "link", "name", "of"),
    [
        (CBPP, "binomial", None, "odds ratio", "odds"),
        (CBPP, "binomial", "log", "risk ratio", "probability"),
        (CBPP, "binomial", "cloglog", "hazard ratio", "cumulative hazard"),
        ("incidence ~ period + (1 | herd)", "poisson", None, "rate ratio", "rate"),
        ("I(incidence + 1) ~ period + (1 | herd)", "gamma", "log", "ratio of means", "mean"),
    ],
)
def test_what_a_ratio_is(cbpp, formula, family, link, name, of):
    model = mm.glmm(formula, cbpp, family, link, fast=True)
    result = mm.coef_table(model, exponentiate=True)
    plural = "Ratios of means" if " of " in name else name.capitalize() + "s"
    title, _, header, *_ = str(result).splitlines()
    assert title == f"{plural}, Wald"
    assert header.split()[0] == ("ratio" if " of " in name else name.replace(" ", "."))
    assert name.capitalize() in str(mm.modeltable(model, exponentiate=True, r2=False))
    assert result.frame["measure"].tolist() == [of, *[name] * 3]
    assert f"it is the {of} for predictors at 0" in str(result)
    np.testing.assert_allclose(result.frame["estimate"], np.exp(model.params))
    np.testing.assert_allclose(result.frame[["lower", "upper"]], np.exp(model.conf_int()))
    np.testing.assert_allclose(result.frame["se"], model.bse * np.exp(model.params))
    np.testing.assert_allclose(result.frame["pvalue"], model.pvalues)


@pytest.mark.parametrize(("function", "base"), [("log", np.e), ("log2", 2), ("log10", 10)])
def test_the_logarithm_of_a_response(sleep, function, base):
    model = mm.lmm(f"{function}(Reaction) ~ Days + (1 | Subject)", sleep)
    frame = model.coef_table(ddf="satterthwaite", exponentiate=True).frame
    plain = model.coef_table(ddf="satterthwaite").frame
    np.testing.assert_allclose(frame["estimate"], base ** plain["estimate"])
    np.testing.assert_allclose(frame["upper"], base ** plain["upper"])
    np.testing.assert_allclose(frame["se"], np.log(base) * frame["estimate"] * plain["se"])
    assert ratio_of(model).heading == "ratio"
    assert ratio_of(model).words == "Ratio of Reaction"
    assert ratio_of(model).title == "Ratios of Reaction"


@pytest.mark.parametrize("link", ["probit", "cauchit", "loglog"])
def test_links_without_ratios(cbpp, link):
    model = mm.glmm(CBPP, cbpp, "binomial", link, fast=True)
    for function in (mm.coef_table, mm.tidy):
        with pytest.raises(mm.OptionError, match=f"with the link {link} of .* they are not"):
            function(model, exponentiate=True)


@pytest.mark.parametrize("response", ["Reaction", "sqrt(Reaction)", "1 / Reaction"])
def test_linear_models_without_ratios(sleep, response):
    model = mm.lmm(f"{response} ~ Days + (1 | Subject)", sleep)
    with pytest.raises(mm.OptionError, match="link identity"):
        mm.tidy(model, exponentiate=True)
    with pytest.raises(mm.OptionError, match="exponentiate must be True or False"):
        mm.tidy(model, exponentiate="yes")


def test_tidy(cbpp):
    model = mm.glmm(CBPP, cbpp, "binomial", fast=True)
    frame = mm.tidy(model, exponentiate=True, alpha=0.1)
    fixed = frame[frame["effect"] == "fixed"].set_index("term")
    np.testing.assert_allclose(fixed["estimate"], np.exp(model.params))
    np.testing.assert_allclose(fixed["lower"], np.exp(model.conf_int(0.1)[0]))
    assert fixed["measure"].tolist() == ["odds", *["odds ratio"] * 3]
    random = frame[frame["effect"] == "random"]
    assert random["estimate"].tolist() == [model.varcorr["herd"].sd[0]]  # is no logarithm
    assert "measure" not in mm.tidy(model)


def test_no_intercept_and_dropped_columns(cbpp):
    data = cbpp.assign(twice=2 * cbpp["incidence"] + 1, other=4 * cbpp["incidence"] + 2)
    model = mm.glmm("size ~ 0 + twice + other + (1 | herd)", data, "poisson", fast=True)
    result = model.coef_table(exponentiate=True)
    assert "intercept" not in str(result)
    assert result.frame["measure"].tolist() == ["rate ratio"] * 2
    assert np.isnan(result.frame["estimate"]["other"])


def test_conf_int(cbpp, sleep):
    model = mm.glmm(CBPP, cbpp, "binomial")
    for options in ({}, {"alpha": 0.2}, {"method": "profile"}):
        plain = model.conf_int(which="all", **options)
        limits = model.conf_int(which="all", exponentiate=True, **options)
        np.testing.assert_allclose(limits.iloc[:4], np.exp(plain.iloc[:4]))
        np.testing.assert_array_equal(limits.iloc[4:], plain.iloc[4:])  # of standard deviations
    table = model.coef_table(exponentiate=True).frame[["lower", "upper"]]
    np.testing.assert_allclose(model.conf_int(exponentiate=True), table)
    linear = mm.lmm("Reaction ~ Days + (1 | Subject)", sleep)
    with pytest.raises(mm.OptionError, match="link identity"):
        linear.conf_int(exponentiate=True, method="profile")

"""What statsmodels' readers take from a model of ours."""

import numpy as np
import oracles
import pytest
import statsmodels.formula.api as smf
from statsmodels.iolib.summary2 import summary_col, summary_model, summary_params

import numbamm as mm

SLEEP = "Reaction ~ Days + (Days | Subject)"


def test_columns_beside_one_of_statsmodels(fitted):
    model = fitted(SLEEP, "sleepstudy", reml=True)
    plain = smf.ols("Reaction ~ Days", oracles.dataset("sleepstudy")).fit()
    table = summary_col([plain, model], info_dict={"N": lambda result: f"{result.nobs:.0f}"})
    ours = table.tables[0]["Reaction II"]
    assert ours["Intercept"] == f"{model.params['Intercept']:.4f}"
    assert ours.iloc[3] == f"({model.bse['Days']:.4f})"
    assert ours["N"] == "180"


def test_tables_of_one_model():
    rows = oracles.dataset("cbpp")
    model = mm.glmm("cbind(incidence, size - incidence) ~ period + (1 | herd)", rows, "binomial")
    frame = summary_params(model, use_t=model.use_t)
    assert list(frame.index) == model.exog_names == list(model.params.index)
    np.testing.assert_array_equal(frame["P>|z|"], model.pvalues)
    np.testing.assert_array_equal(frame[["[0.025", "0.975]"]], model.conf_int())
    said = summary_model(model)
    assert said["Dependent Variable:"] == "cbind(incidence, size - incidence)"
    assert said["Model:"] == "GeneralizedLinearMixedModel"
    assert said["No. Observations:"].strip() == "56" and said["Df Model:"].strip() == "3"
    assert float(said["Scale:"]) == 1


def test_attributes(fitted):
    model = fitted(SLEEP, "sleepstudy", reml=True)
    assert model.model is model
    np.testing.assert_array_equal(model.endog, oracles.dataset("sleepstudy")["Reaction"])
    np.testing.assert_allclose(model.exog @ model.params, model.predict(random=False))
    assert model.scale == model.sigma**2
    through_zero = mm.lmm("Reaction ~ 0 + Days + (1 | Subject)", oracles.dataset("sleepstudy"))
    assert (through_zero.df_model, through_zero.k_constant) == (1, 0)


def test_small_sample_intervals_and_summary(fitted):
    model = fitted(SLEEP, "sleepstudy", reml=True)
    table = model.coef_table(ddf="kenward-roger", alpha=0.1).frame
    np.testing.assert_array_equal(model.conf_int(0.1, ddf="kr"), table[["lower", "upper"]])
    expected = oracles.INFERENCE["kr_coef_sleep"]["result"]
    half = model.conf_int(ddf="kr")[1] - model.params
    np.testing.assert_allclose(half / expected["Std. Error"], 2.109816, rtol=1e-4)  # t, 17 df
    text = str(model.summary(ddf="kenward-roger"))
    head, _, body = text.partition("Fixed-effects parameters, Kenward–Roger:")
    assert head == str(model).partition("Fixed-effects parameters, Wald:")[0]
    assert "Days          10.467     1.54579  17.00   6.77    <1e-05" in body
    assert "t  Pr(>|t|)" in body and "intervals" not in body
    singular = fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff2", reml=True)
    assert "Singular fit: variances of zero" in str(singular.summary(ddf="satterthwaite"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 1.5}, "alpha must be between 0 and 1"),
        ({"ddf": "satterwaite"}, "did you mean 'satterthwaite'"),
        ({"ddf": "satterthwaite", "method": "profile"}, 'for method="wald", not method="profile"'),
    ],
)
def test_mistakes(fitted, options, message):
    model = fitted(SLEEP, "sleepstudy", reml=True)
    with pytest.raises(mm.OptionError, match=message):
        model.conf_int(**options)

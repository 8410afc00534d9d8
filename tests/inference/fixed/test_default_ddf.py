"""One default for inference: all tables of coefficients agree, and one key switches all."""

import numpy as np
import pytest

import numbamm as mm
from numbamm import config

SLEEP = ("Reaction ~ 1 + Days + (1 + Days | Subject)", "sleepstudy")
CAKE = ("angle ~ recipe * temperature + (1 | recipe:replicate)", "cake")
METHODS = ["auto", "wald", "satterthwaite", "kenward-roger", "kenward-roger-observed"]
TITLES = dict(
    zip(
        METHODS,
        [
            "Wald",
            "Wald",
            "Satterthwaite",
            "Kenward–Roger",
            "Kenward–Roger by the observed information",
        ],
        strict=True,
    )
)


def agree(model, title):
    """All that tells of coefficients tells the same, and what it is."""
    table, tidy = model.coef_table(), model.tidy("fixed").set_index("term")
    assert table.title == f"Fixed effects, {title}"
    assert f"Fixed-effects parameters, {title}:" in str(model)
    assert str(model) == str(model.summary()) == repr(model)
    frame = table.frame
    for other in (tidy[frame.columns], mm.tidy(model, "fixed").set_index("term")[frame.columns]):
        np.testing.assert_array_equal(frame, other.to_numpy(dtype=float))
    np.testing.assert_allclose(model.pvalues, frame["pvalue"], rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(model.tvalues, frame["statistic"], rtol=1e-12)
    np.testing.assert_allclose(model.bse, frame["se"], rtol=1e-12)
    np.testing.assert_allclose(np.diag(model.cov_params()), frame["se"] ** 2, rtol=1e-12)
    np.testing.assert_allclose(model.conf_int(), frame[["lower", "upper"]], rtol=1e-12)
    for name, p in frame["pvalue"].items():
        shown = f"{p:.4f}" if p >= 1e-4 else "<1e-"
        name = "(Intercept)" if name == "Intercept" else name
        [line] = [line for line in str(model).splitlines() if line.startswith(f"{name} ")]
        assert shown in line


@pytest.mark.parametrize("ddf", METHODS)
@pytest.mark.parametrize("case", [SLEEP, CAKE])
def test_one_key_switches_all(fitted, case, ddf):
    model = fitted(*case, reml=True)
    with config.context(ddf=ddf):
        agree(model, TITLES[ddf])
        hypotheses = "Satterthwaite" if ddf == "auto" else TITLES[ddf]
        [name] = model.params.index[-1:]
        results = [model.anova(), model.contrast({name: 1}), mm.emmeans(model, first_of(case))]
        results += [results[-1].pairs()] if case is CAKE else []
    for result in results:
        assert result.title.endswith(f", {hypotheses}")
    given = model.coef_table(ddf="wald" if ddf == "auto" else ddf)
    with config.context(ddf=ddf):
        np.testing.assert_array_equal(given.frame, model.coef_table().frame)
        assert model.coef_table(ddf="wald").title == "Fixed effects, Wald"  # a call wins
        assert model.anova(ddf="satterthwaite").title.endswith(", Satterthwaite")


def first_of(case):
    return "Days" if case is SLEEP else "recipe"


def test_defaults(fitted):
    model = fitted(*SLEEP)
    agree(model, "Wald")
    assert model.pvalues["Days"] == pytest.approx(3.2e-12, rel=0.02)
    assert model.coef_table(ddf="satterthwaite").frame.loc["Days", "pvalue"] == pytest.approx(
        1.7e-6, rel=0.05
    )
    assert np.isinf(model.coef_table().frame["df"]).all()
    contrast = model.contrast({"Days": 1}).frame
    assert contrast["pvalue"].iloc[0] == pytest.approx(1.7e-6, rel=0.05)


def test_generalized_models_have_one_method():
    counts = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    model = mm.glmm(counts, mm.datasets.load("cbpp"), "binomial")
    expected = str(model)
    for ddf in METHODS:
        with config.context(ddf=ddf):
            agree(model, "Wald")
            assert str(model) == expected
            assert model.emmeans("period").title == "Marginal means, Wald"


def test_what_is_configured_need_not_suit_every_model(fitted):
    model = fitted(*SLEEP)  # by maximum likelihood
    with config.context(ddf="kenward-roger"):
        agree(model, "Wald")
        [note] = [n for n in model.coef_table().notes if "kenward-roger" in n]
        assert "is for fits by REML" in note and note in str(model)
        assert model.anova().title.endswith("Satterthwaite")
        with pytest.raises(mm.OptionError, match="is for fits by REML"):
            model.coef_table(ddf="kenward-roger")
    with pytest.raises(mm.OptionError, match="ddf must be one of auto, wald, satterthwaite"):
        config.set(ddf="satterwaite")


def test_columns_without_a_coefficient(fitted):
    data = mm.datasets.load("sleepstudy").assign(twice=lambda d: 2 * d["Days"])
    model = mm.lmm("Reaction ~ Days + twice + (1 | Subject)", data, reml=True)
    for ddf in ("auto", "kenward-roger"):
        with config.context(ddf=ddf):
            assert np.isnan(model.pvalues["twice"]) and np.isnan(model.bse["twice"])
            np.testing.assert_allclose(model.pvalues, model.coef_table().frame["pvalue"])


def test_power_tests_as_configured():
    rows = {"x": [0, 1, 2, 3] * 8, "g": [i // 4 for i in range(32)]}
    true = {"beta": [0, 0.4], "theta": [1], "sigma": 1, "design": rows, "n": 30, "seed": 2}
    usual = mm.power("y ~ x + (1 | g)", "x", **true)
    assert usual.notes[2].startswith("Tests (Wald)")
    with config.context(ddf="satterthwaite"):
        small = mm.power("y ~ x + (1 | g)", "x", **true)
        lrt = mm.power("y ~ x + (1 | g)", "x", **true, test="lrt")
    assert small.notes[2].startswith("Tests (Satterthwaite)")
    assert lrt.notes[2].startswith("Likelihood-ratio tests")
    given = mm.power("y ~ x + (1 | g)", "x", **true, ddf="satterthwaite")
    assert small.frame.equals(given.frame)
    with config.context(ddf="kenward-roger"):  # not for fits by maximum likelihood
        assert mm.power("y ~ x + (1 | g)", "x", **true).frame.equals(usual.frame)

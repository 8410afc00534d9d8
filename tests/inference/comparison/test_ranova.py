"""`ranova`: each part of the random effects dropped, as in lmerTest."""

import numpy as np
import oracles
import pytest

import numbamm as mm

SLEEP = "Reaction ~ Days + (Days | Subject)", "sleepstudy"


def test_ranova_agrees_with_lmertest(fitted):
    model = fitted(*SLEEP, reml=True)
    before = model.theta.copy()
    found, oracle = model.ranova().to_frame(), oracles.inference("ranova_sleep")
    assert found.index.tolist() == ["<none>", "Days in (1 + Days | Subject)"]
    np.testing.assert_array_equal(found["npar"], oracle["npar"])
    np.testing.assert_allclose(found["llf"], oracle["logLik"], atol=1e-6)
    np.testing.assert_allclose(found["aic"], oracle["AIC"], atol=1e-5)
    assert found["chisq"].iloc[1] == pytest.approx(oracle["LRT"].iloc[1], abs=1e-5)
    assert found["df"].iloc[1] == 2
    assert found["pvalue_chisq"].iloc[1] == pytest.approx(oracle["Pr(>Chisq)"].iloc[1], rel=1e-4)
    assert found["pvalue"].iloc[1] < found["pvalue_chisq"].iloc[1]
    np.testing.assert_array_equal(model.theta, before)


@pytest.mark.parametrize(
    ("formula", "dataset", "parts"),
    [
        (
            "diameter ~ 1 + (1 | plate) + (1 | sample)",
            "Penicillin",
            {
                "(1 | plate)": "diameter ~ 1 + (1 | sample)",
                "(1 | sample)": "diameter ~ 1 + (1 | plate)",
            },
        ),
        (
            "Reaction ~ Days + zerocorr(1 + Days | Subject)",
            "sleepstudy",
            {
                "1 in zerocorr(1 + Days | Subject)": "Reaction ~ Days + (0 + Days | Subject)",
                "Days in zerocorr(1 + Days | Subject)": "Reaction ~ Days + (1 | Subject)",
            },
        ),
        (
            "Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)",
            "sleepstudy",
            {
                "(1 | Subject)": "Reaction ~ Days + (0 + Days | Subject)",
                "(Days | Subject)": "Reaction ~ Days + (1 | Subject)",
            },
        ),
    ],
)
def test_ranova_is_the_smaller_models(fitted, formula, dataset, parts):
    found = fitted(formula, dataset).ranova().to_frame()
    assert found.index.tolist() == ["<none>", *parts]
    for part, smaller in parts.items():
        expected = fitted(smaller, dataset)
        assert found.loc[part, "objective"] == pytest.approx(expected.objective, abs=1e-5)
        assert found.loc[part, "npar"] == expected.n_parameters


def test_ranova_of_the_only_term(fitted):
    """Without it the model is a plain linear one, by REML or not."""
    rows = oracles.dataset("sleepstudy")
    X = np.column_stack([np.ones(180), rows["Days"]])
    rest = rows["Reaction"] - X @ np.linalg.lstsq(X, rows["Reaction"], rcond=None)[0]
    for reml in (False, True):
        model = fitted("Reaction ~ Days + (1 | Subject)", "sleepstudy", reml=reml)
        d = 178 if reml else 180
        objective = d * (1 + np.log(2 * np.pi * (rest @ rest) / d))
        objective += np.linalg.slogdet(X.T @ X)[1] if reml else 0
        line = model.ranova().to_frame().iloc[1]
        assert line["objective"] == pytest.approx(objective, abs=1e-6)
        assert line["npar"] == 3


def test_ranova_before_a_fit():
    with pytest.raises(mm.NotFittedError):
        mm.ranova(mm.LinearMixedModel(SLEEP[0], oracles.dataset("sleepstudy")))


def test_printed_ranova(fitted):
    table = fitted(*SLEEP, reml=True).ranova()
    assert "<b>Likelihood-ratio tests of dropped random effects" in table._repr_html_()

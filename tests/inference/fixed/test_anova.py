"""`anova`, `drop1` and `ranova`: hypotheses of types I to III, and terms left out."""

import numpy as np
import oracles
import pytest

import numbamm as mm
from numbamm.inference.fixed.hypotheses import hypotheses

MODELS = {
    "sleep": ("Reaction ~ Days + (Days | Subject)", "sleepstudy"),
    "sleep_zc": ("Reaction ~ Days + (Days || Subject)", "sleepstudy"),
    "cake": ("angle ~ recipe * temperature + (1 | recipe:replicate)", "cake"),
    "cake_temp": ("angle ~ recipe + temp + (1 | recipe:replicate)", "cake"),
}
CAKE = MODELS["cake"][0]
TABLES = [
    (name, f"{short}_anova{type}_{name}", type, ddf)
    for name in MODELS
    for short, ddf in (("satterthwaite", "satterthwaite"), ("kr", "kenward-roger"))
    for type in (1, 2, 3)
    if f"{short}_anova{type}_{name}" in oracles.INFERENCE
]


@pytest.mark.parametrize(("name", "table", "type", "ddf"), TABLES, ids=lambda v: str(v))
def test_agrees_with_lmertest(fitted, name, table, type, ddf):
    found = fitted(*MODELS[name], reml=True).anova(type=type, ddf=ddf).to_frame()
    oracle = oracles.inference(table)
    assert found.index.tolist() == oracle.index.tolist()
    np.testing.assert_array_equal(found["numdf"], oracle["NumDF"])
    np.testing.assert_allclose(found["dendf"], oracle["DenDF"], atol=1e-2)
    for ours, theirs in {"sumsq": "Sum Sq", "meansq": "Mean Sq", "F": "F value"}.items():
        np.testing.assert_allclose(found[ours], oracle[theirs], rtol=1e-4)
    np.testing.assert_allclose(found["pvalue"], oracle["Pr(>F)"], rtol=1e-3)


def unbalanced():
    """198 rows of cake, with a covariate that depends on the recipe."""
    rows = oracles.dataset("cake")
    i = np.arange(1, len(rows) + 1)
    rows = rows.assign(x=(i * 7 % 13) / 3 + rows["recipe"].cat.codes + 1)[i * 5 % 11 > 2]
    return rows.assign(plain=rows["temperature"].astype(str))


# By lmerTest 3.1-3 and pbkrtest 0.5.2; temperature as an unordered factor, and as an ordered one.
FACTORS = {
    ("plain", 1, "satterthwaite"): {
        "recipe": (0.36243, 41.947342),
        "plain": (14.72586, 141.067381),
        "recipe:plain": (0.95587, 141.092049),
    },
    ("plain", 2, "satterthwaite"): {
        "recipe": (0.33179, 41.96449),
        "plain": (14.72586, 141.06738),
        "recipe:plain": (0.95587, 141.06085),
    },
    ("plain", 3, "satterthwaite"): {
        "recipe": (0.32234, 41.982253),
        "plain": (14.31871, 141.083848),
        "recipe:plain": (0.95587, 141.060849),
    },
    ("plain", 2, "kenward-roger"): {
        "recipe": (0.33176, 41.695793),
        "plain": (14.71445, 140.803136),
        "recipe:plain": (0.95461, 140.834786),
    },
    ("plain", 3, "kenward-roger"): {
        "recipe": (0.32232, 41.713323),
        "plain": (14.30745, 140.857484),
        "recipe:plain": (0.95461, 140.834786),
    },
    ("temperature", 1, "satterthwaite"): {
        "recipe": (0.362431338, 41.947342),
        "temperature": (14.72585896, 140.991911),
        "recipe:temperature": (0.955869923, 141.018669),
    },
    ("temperature", 2, "satterthwaite"): {
        "recipe": (0.331785612, 41.9644902),
        "temperature": (14.72585896, 140.991911),
        "recipe:temperature": (0.955869923, 141.023857),
    },
    ("temperature", 3, "satterthwaite"): {
        "recipe": (0.322338646, 41.9822527),
        "temperature": (14.318712862, 141.0838484),
        "recipe:temperature": (0.955869923, 141.0608486),
    },
}
COVARIATES = {
    1: {
        "recipe": (0.38351, 41.885484),
        "x": (2.88547, 156.435939),
        "I(x ** 2)": (0.10965, 157.053578),
        "temp": (63.21163, 150.699456),
        "recipe:x": (0.48660, 160.036291),
    },
    2: {
        "recipe": (0.13229, 171.80936),
        "x": (0.04364, 157.0055),
        "I(x ** 2)": (0.12292, 163.8422),
        "temp": (62.66155, 150.69716),
        "recipe:x": (0.48660, 160.04118),
    },
    3: {
        "recipe": (0.13229, 171.80936),
        "x": (0.40713, 163.72089),
        "I(x ** 2)": (0.12292, 163.8422),
        "temp": (62.66155, 150.69716),
        "recipe:x": (0.48660, 160.04118),
    },
}


@pytest.fixture(scope="module")
def with_factors():
    rows = unbalanced()
    return {
        name: mm.lmm(f"angle ~ recipe * {name} + (1 | recipe:replicate)", rows, reml=True)
        for name in ("plain", "temperature")
    }


@pytest.mark.parametrize(("which", "lines"), FACTORS.items(), ids=lambda v: str(v)[:40])
def test_unbalanced_factors(with_factors, which, lines):
    name, type, ddf = which
    check(with_factors[name].anova(type=type, ddf=ddf).to_frame(), lines)


@pytest.mark.parametrize("type", COVARIATES)
def test_unbalanced_covariates(type):
    formula = "angle ~ recipe * x + I(x**2) + temp + (1 | recipe:replicate)"
    check(mm.lmm(formula, unbalanced(), reml=True).anova(type=type).to_frame(), COVARIATES[type])


def check(found, lines):
    assert found.index.tolist() == list(lines)
    np.testing.assert_allclose(found["F"], [F for F, _ in lines.values()], atol=2e-5)
    np.testing.assert_allclose(found["dendf"], [df for _, df in lines.values()], atol=1e-2)


@pytest.mark.parametrize("contrasts", ["sum", "helmert", "poly"])
def test_types_2_and_3_do_not_depend_on_coding(with_factors, contrasts):
    coded = mm.lmm(
        "angle ~ recipe * plain + (1 | recipe:replicate)",
        unbalanced(),
        reml=True,
        contrasts={"recipe": contrasts, "plain": contrasts},
    )
    for type in (2, 3):
        one, other = (
            m.anova(type=type, ddf="kenward-roger").to_frame()
            for m in (with_factors["plain"], coded)
        )
        np.testing.assert_allclose(one["F"], other["F"], rtol=1e-5)
        np.testing.assert_allclose(one["dendf"], other["dendf"], rtol=1e-5)


def test_type_3_is_about_equal_means_of_cells(with_factors):
    """Means of the recipes, over the temperatures alike, differ by what the hypothesis says."""
    model = with_factors["plain"]
    grid = unbalanced()[["recipe", "plain"]].drop_duplicates()
    X = model.frame.new_rows(grid, random=False).X
    codes = grid["recipe"].cat.codes.to_numpy()
    means = np.array([X[codes == k].mean(axis=0) for k in range(3)])
    L = hypotheses(model, 3)["recipe"]
    both = np.vstack([L, means[1:] - means[0]])
    assert np.linalg.matrix_rank(L) == np.linalg.matrix_rank(both, tol=1e-8) == 2


def test_types_agree_where_terms_are_orthogonal(fitted):
    model = fitted(*MODELS["cake"], reml=True)
    tables = [model.anova(type=type).to_frame()["F"] for type in (1, "II", "3")]
    np.testing.assert_allclose(tables[1], tables[0], rtol=1e-6)
    np.testing.assert_allclose(tables[2], tables[0], rtol=1e-6)


def test_generalized_models():
    """Wald's χ² of type II: of each term after those that do not contain it."""
    rows = oracles.dataset("Contraception")
    formula = "use ~ age * livch + urban + (1 | district)"
    model = mm.glmm(formula, rows, "bernoulli", fast=True)
    table = model.anova(type=2).to_frame()
    beta, cov = model.beta, model.cov_params().to_numpy()
    interaction = [i for i, name in enumerate(model.params.index) if ":" in name]
    own = beta[interaction] @ np.linalg.solve(
        cov[np.ix_(interaction, interaction)], beta[interaction]
    )
    assert table.loc["age:livch", "chisq"] == pytest.approx(own, rel=1e-6)
    # age after livch and urban, the interaction left out of the quadratic approximation
    information = np.linalg.inv(cov)
    kept = [i for i in range(len(beta)) if i not in interaction]
    reduced = np.linalg.inv(information[np.ix_(kept, kept)])
    shifted = reduced @ (information @ beta)[kept]
    age = kept.index(model.params.index.get_loc("age"))
    after = shifted[age] ** 2 / reduced[age, age]
    assert table.loc["age", "chisq"] == pytest.approx(after, rel=1e-6)
    assert table["df"].tolist() == [1, 3, 1, 3]


def test_rank_deficient_terms():
    rows = oracles.dataset("cake").assign(again=lambda d: d["recipe"].astype(str) + "x")
    model = mm.lmm("angle ~ recipe + again + temp + (1 | recipe:replicate)", rows, reml=True)
    table = model.anova(type=1)
    assert table.to_frame()["numdf"].tolist() == [2, 0, 1]
    assert np.isnan(table.to_frame().loc["again", "F"])
    assert "Rank-deficient" in repr(table)


def test_mistakes(fitted):
    model = fitted(*MODELS["sleep"], reml=True)
    with pytest.raises(mm.OptionError, match="type must be 1, 2 or 3, not 4"):
        model.anova(type=4)
    for type in ({}, [3], True, np.zeros((2, 2))):
        with pytest.raises(mm.OptionError, match="type must be 1, 2 or 3, not "):
            model.anova(type=type)
    for function in (mm.anova, mm.drop1, mm.ranova, mm.r2):
        with pytest.raises(mm.OptionError, match="the model must be one of numbamm, not 'sleep'"):
            function("sleep")
    with pytest.raises(mm.OptionError, match=r"lrtest\(m0, m1\) compares several"):
        mm.anova(model, model)
    with pytest.raises(mm.OptionError, match="no terms to test"):
        fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff").anova()
    with pytest.raises(mm.OptionError, match="no terms to leave out"):
        fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff").drop1()
    with pytest.raises(mm.OptionError, match=r"REML fits with different.*refit\(reml=False\)"):
        model.drop1()
    with pytest.raises(mm.NotFittedError):
        mm.ranova(mm.LinearMixedModel(MODELS["sleep"][0], oracles.dataset("sleepstudy")))


def test_drop1_respects_marginality(fitted):
    found = fitted(CAKE, "cake").drop1().to_frame()
    oracle = oracles.inference("drop1_cake")
    assert found.index.tolist() == oracle.index.tolist()
    np.testing.assert_allclose(found["aic"], oracle["AIC"], atol=1e-5)
    line = oracle.loc["recipe:temperature"]
    assert found["chisq"].iloc[1] == pytest.approx(line["LRT"], abs=1e-5)
    assert found["df"].iloc[1] == line["npar"]
    assert found["pvalue"].iloc[1] == pytest.approx(line["Pr(Chi)"], rel=1e-5)


def test_drop1_codes_the_rest_anew(fitted):
    """Without recipe, `0 + recipe + temperature` is `0 + temperature`: a mean a temperature."""
    model = fitted("angle ~ 0 + recipe + temperature + (1 | recipe:replicate)", "cake")
    smaller = fitted("angle ~ 0 + temperature + (1 | recipe:replicate)", "cake")
    found = model.drop1().to_frame()
    assert found.loc["recipe", "objective"] == pytest.approx(smaller.objective, abs=1e-6)
    assert found.loc["recipe", "npar"] == smaller.n_parameters


def test_drop1_holds_sigma_as_the_fit_did():
    model = mm.lmm("Reaction ~ Days + (1 | Subject)", mm.datasets.load("sleepstudy"), sigma=30)
    expected = model.drop1().to_frame()
    model.optsum.sigma = None  # which is of the next fit
    np.testing.assert_array_equal(model.drop1().to_frame(), expected)


def test_drop1_of_generalized_models():
    rows = oracles.dataset("cbpp")
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    model = mm.glmm(formula, rows, "binomial")
    oracle = oracles.inference("lrt_cbpp_period")
    line = model.drop1().to_frame().loc["period"]
    assert line["chisq"] == pytest.approx(oracle["Chisq"].iloc[1], abs=1e-3)
    assert line["llf"] == pytest.approx(oracle["logLik"].iloc[0], abs=1e-4)


def test_ranova_agrees_with_lmertest(fitted):
    model = fitted(*MODELS["sleep"], reml=True)
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


def test_printed(fitted):
    text = repr(fitted(*MODELS["cake"], reml=True).anova())
    title, _, header, _, recipe, *_ = text.splitlines()
    assert title == "Type III tests of the fixed effects, Satterthwaite"
    assert header.split() == ["Sum", "Sq", "Mean", "Sq", "NumDF", "DenDF", "F", "Pr(>F)"]
    assert recipe.split() == ["recipe", "10.19", "5.093", "2", "42.00", "0.2488", "0.7809"]
    assert (
        "<b>Random effects left out" in fitted(*MODELS["sleep"], reml=True).ranova()._repr_html_()
    )

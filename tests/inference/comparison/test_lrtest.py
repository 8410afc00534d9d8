"""`lrtest` and `information_criteria`: lme4's numbers, the boundary, and what is refused."""

import warnings
from types import SimpleNamespace

import numpy as np
import oracles
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy.stats import chi2

import numbamm as mm

FIXED = "Reaction ~ 1 + Days + "
INTERCEPT, ZEROCORR, FULL = (
    FIXED + term for term in ("(1 | Subject)", "zerocorr(1 + Days | Subject)", "(Days | Subject)")
)


@pytest.mark.parametrize(
    ("name", "models", "reml"),
    [
        ("lrt_sleep_int_zc_full", [INTERCEPT, ZEROCORR, FULL], False),
        ("lrt_sleep_fixed", ["Reaction ~ 1 + (Days | Subject)", FULL], False),
        ("lrt_sleep_reml_norefit", [INTERCEPT, FULL], True),
    ],
)
def test_agrees_with_lme4(fitted, name, models, reml):
    models = [fitted(formula, "sleepstudy", reml=reml) for formula in models]
    check_lines(mm.lrtest(*models[::-1]), oracles.inference(name))


def test_interaction(fitted):
    rest = "temperature + (1 | recipe:replicate)"
    models = [fitted(f"angle ~ recipe {sign} {rest}", "cake") for sign in "+*"]
    check_lines(mm.lrtest(*models), oracles.inference("lrt_cake_interaction"))


def test_generalized_models():
    rows = oracles.dataset("cbpp")
    left = "cbind(incidence, size - incidence) ~"
    models = [mm.glmm(f"{left} {x} + (1 | herd)", rows, "binomial") for x in ("1", "period")]
    check_lines(mm.lrtest(*models), oracles.inference("lrt_cbpp_period"), tolerance=1e-3)


def check_lines(result, oracle, tolerance=1e-5):
    """Compare a result with R's table of the same models."""
    frame = result.to_frame()
    names = {"npar": "npar", "aic": "AIC", "bic": "BIC", "llf": "logLik", "chisq": "Chisq"}
    names |= {"df": "Df", "pvalue_chisq": "Pr(>Chisq)"}
    for ours, theirs in names.items():
        relative = 1e-3 if ours == "pvalue_chisq" else 0
        np.testing.assert_allclose(
            frame[ours], oracle[theirs].astype(float), rtol=relative, atol=tolerance
        )


@pytest.mark.parametrize(("large", "dfs"), [(ZEROCORR, (0, 1)), (FULL, (1, 2))])
def test_one_variance_at_zero_is_a_mixture(fitted, large, dfs):
    line = mm.lrtest(fitted(INTERCEPT, "sleepstudy"), fitted(large, "sleepstudy")).frame.loc["m1"]
    tails = [chi2.sf(line["chisq"], df) if df else 0.0 for df in dfs]
    assert line["pvalue"] == pytest.approx(np.mean(tails), rel=1e-12)
    assert line["pvalue"] < line["pvalue_chisq"]


def test_interior_parameters_are_not_a_mixture(fitted):
    result = mm.lrtest(fitted(ZEROCORR, "sleepstudy"), fitted(FULL, "sleepstudy"))
    assert result.frame.loc["m1", "pvalue"] == result.frame.loc["m1", "pvalue_chisq"]
    assert "variance" not in repr(result)


def test_several_variances_are_said_to_be_conservative(fitted):
    small = fitted("diameter ~ 1 + (1 | plate)", "Penicillin")
    twice = fitted("score ~ 1 + (1 | Worker)", "Machines")
    large = fitted("score ~ 1 + (0 + Machine | Worker)", "Machines")
    result = mm.lrtest(twice, large)
    assert "2 variances are zero" in repr(result)
    assert "2 variances" in result._repr_html_()
    with pytest.raises(mm.DataError, match="different rows: 144 .* 54 "):
        mm.lrtest(small, twice)


def test_a_smaller_model_that_is_singular():
    """No mixture is known for it; fixed effects can be tested all the same."""
    rng = np.random.default_rng(3)
    g, x = np.repeat(np.arange(12), 6), np.tile(np.arange(6.0), 12)
    e = rng.normal(size=(12, 6))
    y = (
        e
        - e.mean(axis=1, keepdims=True)
        + 0.1 * rng.normal(size=12)[:, None] * (np.arange(6) - 2.5)
    )
    data = {"y": y.ravel(), "g": g, "x": x}
    small, large, fixed = (
        mm.lmm(f"y ~ {terms}", data) for terms in ("1 + (1 | g)", "1 + (x || g)", "x + (1 | g)")
    )
    assert small.is_singular()
    with pytest.warns(mm.NumbammWarning, match=r"y ~ 1 \+ \(1 \| g\) is singular"):
        result = mm.lrtest(small, large)
    line = result.frame.loc["m1"]
    assert line["pvalue"] == line["pvalue_chisq"] == pytest.approx(chi2.sf(line["chisq"], 1))
    assert "p, which is of χ²(1), is too large, since the smaller model is singular" in repr(result)
    assert "too large" in repr(large.ranova())
    assert "singular" not in repr(mm.lrtest(small, fixed))


def test_no_difference_at_the_boundary(fitted):
    """Dyestuff2 has no variance between batches: the mixture gives p = 1."""
    line = mm.lrtest(without_batches(), fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff2")).frame
    assert line.loc["m1", "chisq"] == pytest.approx(0, abs=1e-7)
    assert line.loc["m1", "pvalue"] > 0.49


def without_batches():
    """What statsmodels' OLS of Dyestuff2 on a constant looks like."""

    class OLS(SimpleNamespace):
        pass

    y = oracles.dataset("Dyestuff2")["Yield"].to_numpy()
    names = {"exog_names": ["const"], "endog_names": "Yield"}
    llf = -len(y) / 2 * (np.log(2 * np.pi * y.var()) + 1)
    return SimpleNamespace(llf=llf, model=OLS(endog=y, exog=np.ones((len(y), 1)), **names))


def test_statsmodels_fits():
    rows = oracles.dataset("sleepstudy")
    plain = smf.ols("Reaction ~ Days", rows).fit()
    line = mm.lrtest(plain, mm.lmm(INTERCEPT, rows)).frame
    assert line.loc["m0", "aic"] == pytest.approx(plain.aic + 2)  # statsmodels leaves σ out
    assert line.loc["m1", "chisq"] == pytest.approx(2 * (-897.039321502613 - plain.llf))


def test_statsmodels_generalized_fits():
    """Whichever class fits it, a model without random effects is what ranova compares with."""
    rows = oracles.dataset("cbpp").assign(healthy=lambda d: d["size"] - d["incidence"])
    ours = mm.glmm("cbind(incidence, healthy) ~ period + (1 | herd)", rows, "binomial")
    glm = smf.glm("incidence + healthy ~ period", rows, family=sm.families.Binomial()).fit()
    expected = ours.ranova().to_frame()["chisq"].iloc[1]
    assert mm.lrtest(glm, ours).frame["chisq"].iloc[1] == pytest.approx(expected, abs=1e-6)
    counts = mm.glmm("incidence ~ period + (1 | herd)", rows, "poisson", nagq=1)
    expected = counts.ranova().to_frame()["chisq"].iloc[1]
    poisson = [
        smf.poisson("incidence ~ period", rows).fit(disp=False),
        smf.glm("incidence ~ period", rows, family=sm.families.Poisson()).fit(),
    ]
    for plain in poisson:
        assert mm.lrtest(plain, counts).frame["chisq"].iloc[1] == pytest.approx(expected, abs=1e-6)
    probit = sm.families.Binomial(link=sm.families.links.Probit())
    other = smf.glm("incidence + healthy ~ period", rows, family=probit).fit()
    with pytest.raises(
        mm.OptionError, match="family or link: binomial, probit and binomial, logit"
    ):
        mm.lrtest(other, ours)
    mixed = smf.mixedlm("incidence ~ period", rows, groups="herd").fit()
    with pytest.raises(mm.OptionError, match="MixedLM cannot be compared"):
        mm.lrtest(mixed, mm.lmm("incidence ~ period + (1 | herd)", rows))


def of_trials(rows):
    """One binomial model, its trials as counts and as either kind of weights of a proportion."""
    family = sm.families.Binomial()
    yield smf.glm("incidence + healthy ~ period", rows, family=family)
    for kind in ("var_weights", "freq_weights"):
        yield smf.glm("prop ~ period", rows, family=family, **{kind: rows["size"]})


def test_constants_of_statsmodels_fits():
    """Ours at θ = 0, however statsmodels is told of trials, weights, exposures and dispersions."""
    rows = oracles.dataset("cbpp").assign(
        healthy=lambda d: d["size"] - d["incidence"], prop=lambda d: d["incidence"] / d["size"]
    )
    ours = mm.glmm("cbind(incidence, healthy) ~ period + (1 | herd)", rows, "binomial")
    for plain in of_trials(rows):
        line = mm.lrtest(plain.fit(), ours).frame.loc["m0"]
        assert line["objective"] == pytest.approx(ours.objective_at([0.0]), abs=1e-8)
    ours = mm.glmm("incidence ~ period + offset(log(size)) + (1 | herd)", rows, "poisson")
    told = {"exposure": rows["size"]}, {"offset": np.log(rows["size"])}
    for plain in [
        *(smf.poisson("incidence ~ period", rows, **how).fit(disp=False) for how in told),
        *(
            smf.glm("incidence ~ period", rows, family=sm.families.Poisson(), **how).fit()
            for how in told
        ),
    ]:
        line = mm.lrtest(plain, ours).frame.loc["m0"]
        assert line["objective"] == pytest.approx(ours.objective_at([0.0]), abs=1e-6)
    sleep = oracles.dataset("sleepstudy").assign(w=np.linspace(0.5, 2, 180))
    ours = mm.lmm(INTERCEPT, sleep, weights="w")
    for plain in (
        smf.wls("Reaction ~ Days", sleep, weights=sleep["w"]),
        smf.glm("Reaction ~ Days", sleep, var_weights=sleep["w"]),
    ):
        line = mm.lrtest(plain.fit(), ours).frame.loc["m0"]
        assert line["npar"] == 3
        assert line["objective"] == pytest.approx(ours.objective_at([0.0]), abs=1e-8)
    gamma = sm.families.Gamma(sm.families.links.Log())
    ours = mm.glmm(INTERCEPT, sleep, "gamma", "log")
    line = mm.lrtest(smf.glm("Reaction ~ Days", sleep, family=gamma).fit(), ours).frame.loc["m0"]
    assert line["objective"] == pytest.approx(ours.objective_at([0.0]), abs=1e-6)


def test_statsmodels_fits_that_cannot_be_compared():
    sleep = oracles.dataset("sleepstudy").assign(slow=lambda d: (d["Reaction"] > 300).astype(int))
    ours = mm.lmm(INTERCEPT, sleep)
    counted = smf.glm("Reaction ~ Days", sleep, freq_weights=np.full(180, 2)).fit()
    with pytest.raises(mm.OptionError, match="freq_weights count rows"):
        mm.lrtest(counted, ours)
    shrunken = smf.logit("slow ~ Days", sleep).fit_regularized(disp=False)
    with pytest.raises(mm.OptionError, match="regularized fit of statsmodels' Logit"):
        mm.lrtest(shrunken, ours)
    tweedie = smf.glm("Reaction ~ Days", sleep, family=sm.families.Tweedie()).fit()
    with pytest.raises(mm.OptionError, match="InverseGaussian, not Tweedie"):
        mm.lrtest(tweedie, ours)
    held = smf.glm("Reaction ~ Days", sleep).fit_constrained("Days = 10")
    with pytest.raises(mm.OptionError, match="with constraints cannot be compared"):
        mm.lrtest(held, ours)


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ((INTERCEPT, False), (FULL, True), "one model was fitted by REML"),
        (
            ("Reaction ~ 1 + (1 | Subject)", True),
            (INTERCEPT, True),
            "REML fits with different fixed effects",
        ),
        ((INTERCEPT, False), (FIXED + "(0 + Days | Subject)", False), "same number of parameters"),
        (
            ("Reaction ~ 1 + I(Days**2) + (1 | Subject)", False),
            (FULL, False),
            r"do not span 'I\(Days \*\* 2\)'",
        ),
        (
            (FIXED + "(0 + I(Days**2) | Subject)", False),
            (FULL, False),
            r"do not include \(I\(Days \*\* 2\) \| Subject\) as a special case",
        ),
        (
            (FIXED + "(1 + Days | Subject)", False),
            (FIXED + "zerocorr(1 + Days + I(Days**2) | Subject)", False),
            "same number|special case",
        ),
    ],
)
def test_refused(fitted, one, other, message):
    models = [fitted(formula, "sleepstudy", reml=reml) for formula, reml in (one, other)]
    with pytest.raises(mm.OptionError, match=message):
        mm.lrtest(*models)


def test_other_data_are_refused(fitted):
    rows = oracles.dataset("sleepstudy")
    full = fitted(FULL, "sleepstudy")
    with pytest.raises(mm.DataError, match="different rows: 170 .* 180"):
        mm.lrtest(mm.lmm(INTERCEPT, rows[:170]), full)
    with pytest.raises(mm.DataError, match="different responses"):
        mm.lrtest(mm.lmm("log(Reaction) ~ Days + (1 | Subject)", rows), full)
    with pytest.raises(mm.DataError, match="different weights"):
        mm.lrtest(mm.lmm(INTERCEPT, rows, weights=np.arange(1, 181)), full)


def test_unfitted_and_foreign_models_are_refused(fitted):
    full = fitted(FULL, "sleepstudy")
    with pytest.raises(mm.NotFittedError):
        mm.lrtest(full, mm.LinearMixedModel(INTERCEPT, oracles.dataset("sleepstudy")))
    with pytest.raises(mm.OptionError, match="without random effects, not 3"):
        mm.lrtest(full, 3)
    with pytest.raises(mm.OptionError, match="two models"):
        mm.lrtest(full)


def test_generalized_models_of_one_kind():
    rows, formula = oracles.dataset("cbpp"), "incidence / size ~ {} + (1 | herd)"
    options = {"data": rows, "family": "binomial", "weights": "size"}
    small = mm.glmm(formula.format("1"), **options, fast=True)
    large = mm.glmm(formula.format("period"), **options, nagq=3)
    with pytest.raises(mm.OptionError, match="approximated differently"):
        mm.lrtest(small, large)
    linear = mm.lmm(formula.format("period"), rows, weights="size")
    for compare in (mm.lrtest, mm.information_criteria):
        with pytest.raises(mm.OptionError, match="probabilities of counts, and the other of a den"):
            compare(small, linear)


@pytest.mark.parametrize("left", ["0 + Machine", "Machine"])
def test_equal_variances_are_nested_in_any_covariance(fitted, left):
    """Intercepts by worker and by worker and machine: an interior point, and no boundary."""
    small = fitted("score ~ Machine + (1 | Worker) + (1 | Worker:Machine)", "Machines")
    large = fitted(f"score ~ Machine + ({left} | Worker)", "Machines")
    result = mm.lrtest(small, large)
    line = result.frame.loc["m1"]
    assert line["df"] == 4
    assert line["chisq"] == pytest.approx(small.objective - large.objective)
    assert line["pvalue"] == line["pvalue_chisq"]
    assert "zero" not in repr(result)


def test_effects_of_smaller_groups_that_do_not_fit():
    """Groups inside the larger ones that are not told by the columns left of the bar."""
    rows = oracles.dataset("Machines")
    rows = rows.assign(half=np.arange(len(rows)) % 2, x=np.arange(len(rows)) * 5 % 7)
    rows["half"] = rows["half"].astype(str)
    large = mm.lmm("score ~ Machine + (0 + Machine | Worker)", rows)
    for term in ("(1 | Worker:half)", "(0 + x | Worker:Machine)"):
        small = mm.lmm(f"score ~ Machine + (1 | Worker) + {term}", rows)
        with pytest.raises(mm.OptionError, match="special case"):
            mm.lrtest(small, large)


def test_check_can_be_left_to_the_caller(fitted):
    small = fitted(FIXED + "(0 + I(Days**2) | Subject)", "sleepstudy")
    large = fitted(FULL, "sleepstudy")
    with pytest.raises(mm.OptionError, match="check=False"):
        mm.lrtest(small, large)
    line = mm.lrtest(small, large, check=False).frame.loc["m1"]
    assert line["chisq"] == pytest.approx(small.objective - large.objective)


def test_same_model_in_other_columns_is_nested(fitted):
    """Nested means by what columns span, not by their names."""
    small = fitted(FIXED + "(0 + I(Days - 4.5) | Subject)", "sleepstudy")
    assert mm.lrtest(small, fitted(FULL, "sleepstudy")).frame.loc["m1", "df"] == 2


def test_information_criteria(fitted):
    models = [fitted(formula, "sleepstudy") for formula in (INTERCEPT, ZEROCORR, FULL)]
    frame = mm.information_criteria(*models).to_frame()
    assert frame.index.tolist() == ["m1", "m2", "m0"]
    for name, model in zip(["m0", "m1", "m2"], models, strict=True):
        for criterion in ("aic", "aicc", "bic", "llf"):
            assert frame.loc[name, criterion] == pytest.approx(getattr(model, criterion), rel=1e-12)
    assert frame["weight"].sum() == pytest.approx(1)
    ratio = frame.loc["m2", "weight"] / frame.loc["m1", "weight"]
    assert ratio == pytest.approx(np.exp((models[1].aic - models[2].aic) / 2))


@pytest.fixture(scope="module")
def counts():
    """Poisson and negative binomial models of salamanders, and a larger one of these."""
    rows, (small, large) = oracles.dataset("Salamanders"), ("mined", "mined + spp")
    told = {"data": rows, "progress": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mm.OverdispersionWarning)
        poisson = mm.glmm(f"count ~ {small} + (1 | site)", family="poisson", **told)
        lognormal = mm.glmm(
            f"count ~ {small} + (1 | site) + (1 | row)",
            family="poisson",
            **(told | {"data": rows.assign(row=np.arange(len(rows)).astype(str))}),
        )
    nb, more, held = (
        mm.glmm(f"count ~ {x} + (1 | site)", family="negativebinomial", shape=shape, **told)
        for x, shape in ((small, None), (large, None), (small, 2.0))
    )
    return SimpleNamespace(poisson=poisson, nb=nb, more=more, held=held, lognormal=lognormal)


def test_poisson_against_negative_binomial(counts):
    """The shape is infinite under the smaller model: half of the p-value of χ²(1)."""
    result = mm.lrtest(counts.nb, counts.poisson)
    line, chisq = result.frame.loc["m1"], 2 * (counts.nb.llf - counts.poisson.llf)
    assert line["chisq"] == pytest.approx(chisq) and line["df"] == 1
    assert line["pvalue"] == pytest.approx(chi2.sf(chisq, 1) / 2)
    assert "p is of ½χ²(0) + ½χ²(1), since the shape is infinite" in repr(result)
    assert "m0: count ~ mined + (1 | site), poisson, log" in repr(result)
    line = mm.lrtest(counts.poisson, counts.more).frame.loc["m1"]
    assert line["df"] == 7
    expected = (chi2.sf(line["chisq"], 6) + chi2.sf(line["chisq"], 7)) / 2
    assert line["pvalue"] == pytest.approx(expected)


@pytest.mark.slow
def test_size_of_the_test_of_overdispersion():
    """Of Poisson counts, about half of the shapes are infinite, and p-values keep their level."""
    lines = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        g, x = np.repeat(np.arange(15), 12), rng.normal(size=180)
        y = rng.poisson(np.exp(1 + 0.3 * x + 0.5 * rng.normal(size=15)[g]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", mm.NumbammWarning)  # of an infinite shape
            models = [
                mm.glmm("y ~ x + (1 | g)", {"y": y, "x": x, "g": g}, family, progress=False)
                for family in ("poisson", "negativebinomial")
            ]
        lines.append(mm.lrtest(*models).frame.loc["m1", ["chisq", "pvalue"]])
    chisq, pvalue = np.array(lines, dtype=float).T
    assert 0.45 < np.mean(chisq < 1e-4) < 0.68
    for level in (0.05, 0.1, 0.25):  # by three standard errors of the simulation
        assert abs(np.mean(pvalue < level) - level) < 3 * np.sqrt(level * (1 - level) / 300)


def test_shape_and_a_variance_on_the_boundary():
    rows = oracles.dataset("Salamanders").query("mined == 'no'")
    plain = smf.poisson("count ~ cover", rows).fit(disp=False)
    large = mm.glmm("count ~ cover + (1 | site)", rows, "negativebinomial")
    result = mm.lrtest(plain, large)
    line = result.frame.loc["m1"]
    assert line["pvalue"] == line["pvalue_chisq"] == pytest.approx(chi2.sf(line["chisq"], 2))
    assert "a variance is zero and the shape is infinite in the smaller model" in repr(result)
    dispersed = smf.negativebinomial("count ~ cover", rows).fit(disp=False)
    line = mm.lrtest(plain, dispersed).frame.loc["m1"]
    assert line["pvalue"] == pytest.approx(chi2.sf(line["chisq"], 1) / 2)
    line = mm.lrtest(dispersed, large).frame.loc["m1"]
    assert line["chisq"] == 0 and line["pvalue"] == 1  # the variance is zero, but for rounding


def test_shapes_that_are_held(counts):
    with pytest.raises(mm.OptionError, match="not nested .* the latter holds the shape at 2"):
        mm.lrtest(counts.poisson, counts.held, check=False)
    result = mm.lrtest(counts.held, counts.nb)
    line = result.frame.loc["m1"]
    assert line["pvalue"] == line["pvalue_chisq"]  # 2 is inside of the range
    assert "(1 | site), shape held at 2\n" in repr(result)
    with pytest.raises(mm.OptionError, match="not nested .* the latter holds the shape"):
        mm.lrtest(
            mm.glmm("count ~ 1 + (1 | site)", oracles.dataset("Salamanders"), "negativebinomial"),
            mm.glmm(
                "count ~ mined + spp + (1 | site)",
                oracles.dataset("Salamanders"),
                "negativebinomial",
                shape=2.0,
            ),
        )


def test_families_that_are_not_nested(counts):
    with pytest.raises(mm.OptionError, match="family or link: negativebinomial, log and poisson"):
        mm.lrtest(counts.nb, counts.lognormal)
    rows = oracles.dataset("sleepstudy")
    gamma = mm.glmm(INTERCEPT, rows, "gamma", "log")
    for check in (True, False):
        with pytest.raises(mm.OptionError, match="information_criteria compares them"):
            mm.lrtest(gamma, mm.lmm(FULL, rows), check=check)


def test_information_criteria_of_other_families(counts, fitted):
    """Probabilities with probabilities, and densities with densities."""
    models = counts.poisson, counts.nb, counts.lognormal
    frame = mm.information_criteria(*models).to_frame()
    for name, model in zip(["m0", "m1", "m2"], models, strict=True):
        assert frame.loc[name, "aic"] == pytest.approx(model.aic)
        assert frame.loc[name, "bic"] == pytest.approx(model.bic)
    rows = oracles.dataset("sleepstudy")
    models = [fitted(INTERCEPT, "sleepstudy")]
    models += [mm.glmm(INTERCEPT, rows, *kind) for kind in (("gamma", "log"), ("gaussian", "log"))]
    result = mm.information_criteria(*models)
    assert len(result.frame) == 3 and "m1: " in repr(result) and ", gamma, log" in repr(result)
    logs = mm.lmm("log(Reaction) ~ Days + (1 | Subject)", rows)
    with pytest.raises(mm.DataError, match="different responses"):
        mm.information_criteria(logs, models[1])
    with pytest.raises(mm.OptionError, match="REML and another by maximum likelihood"):
        mm.information_criteria(fitted(INTERCEPT, "sleepstudy", reml=True), models[1])
    other = mm.glmm(INTERCEPT, rows, "gamma", "log", information="expected")
    with pytest.raises(mm.OptionError, match="by the expected information and by the observed"):
        mm.information_criteria(*models, other)


def test_the_gaussian_family_is_a_linear_model(fitted):
    rows = oracles.dataset("sleepstudy")
    small = fitted(INTERCEPT, "sleepstudy")
    line = mm.lrtest(small, mm.glmm(FULL, rows, "gaussian")).frame.loc["m1"]
    expected = mm.lrtest(small, fitted(FULL, "sleepstudy")).frame.loc["m1"]
    np.testing.assert_allclose(line, expected, rtol=1e-5)


def test_printed(fitted):
    models = [fitted(formula, "sleepstudy") for formula in (INTERCEPT, ZEROCORR)]
    text = repr(mm.lrtest(*models))
    _, _, header, _, first, second, _, *notes = text.splitlines()
    expected = ["npar", "AIC", "BIC", "logLik", "-2", "logLik", "Chisq", "df", "Pr(>Chisq)"]
    assert header.split() == expected
    assert first.split()[0:2] == ["m0", "4"] and first.split()[-1] == "–"
    assert second.split()[-3:] == ["42.0754", "1", "<1e-10"]
    assert notes[1] == f" m1: {models[1].formula}"
    html = mm.lrtest(*models)._repr_html_()
    assert "<td>42.0754</td>" in html and "½χ²(0) + ½χ²(1)" in html


@pytest.mark.parametrize("reml", [False, True])
def test_no_difference_but_for_rounding(reml):
    """A variance that is zero in both models: χ² is 0 for certain, whatever the searches leave."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        g, k = np.repeat(np.arange(10), 12), np.tile(np.arange(6), 20)
        values = rng.normal(size=120) + rng.normal(size=10)[g]
        values -= np.array([values[k == j].mean() for j in range(6)])[k]  # k explains nothing
        rows = {"y": 1e3 * values, "g": g, "k": k}
        small, large = (
            mm.lmm(f"y ~ 1 + {r}", rows, reml=reml) for r in ("(1 | g)", "(1 | g) + (1 | k)")
        )
        line = mm.lrtest(small, large).frame.loc["m1"]
        assert line["chisq"] == 0 and line["pvalue"] == line["pvalue_chisq"] == 1

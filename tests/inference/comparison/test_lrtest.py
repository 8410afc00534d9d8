"""`lrtest`: the numbers of lme4, and p-values for parameters on the boundary."""

import warnings

import numpy as np
import oracles
import pytest
import statsmodels.formula.api as smf
from scipy.stats import chi2

import numbamm as mm

FIXED = "Reaction ~ 1 + Days + "
INTERCEPT = FIXED + "(1 | Subject)"
ZEROCORR = FIXED + "zerocorr(1 + Days | Subject)"
FULL = FIXED + "(Days | Subject)"


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
    assert "p is from χ²(1) and too large, since the smaller model is itself" in repr(result)
    assert "too large" in repr(large.ranova())
    assert "singular" not in repr(mm.lrtest(small, fixed))


def test_poisson_against_negative_binomial(counts):
    """The shape is infinite under the smaller model: half of the p-value of χ²(1)."""
    result = mm.lrtest(counts.nb, counts.poisson)
    line, chisq = result.frame.loc["m1"], 2 * (counts.nb.llf - counts.poisson.llf)
    assert line["chisq"] == pytest.approx(chisq) and line["df"] == 1
    assert line["pvalue"] == pytest.approx(chi2.sf(chisq, 1) / 2)
    assert "p is from ½χ²(0) + ½χ²(1), since the shape is infinite" in repr(result)
    assert "m0: count ~ mined + (1 | site), Poisson, log" in repr(result)
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
    assert ">42.0754</td>" in html and "½χ²(0) + ½χ²(1)" in html


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


def test_models_have_names(fitted):
    small = fitted("Reaction ~ 1 + Days + (1 | Subject)", "sleepstudy")
    large = fitted("Reaction ~ 1 + Days + (1 + Days | Subject)", "sleepstudy")
    table = mm.lrtest(large, small, names=["slopes", "intercepts"])
    assert [*table.frame.index] == ["intercepts", "slopes"]
    assert table.notes[0] == f"intercepts: {small.formula}"
    assert any(note.startswith("slopes against intercepts: ") for note in table.notes)
    assert table.frame.reset_index(drop=True).equals(
        mm.lrtest(small, large).frame.reset_index(drop=True)
    )
    criteria = mm.information_criteria(small, large, names=["intercepts", "slopes"])
    assert [*criteria.frame.index] == ["slopes", "intercepts"]  # by AIC
    assert f"slopes: {large.formula}" in criteria.notes
    for names in (["one"], ["a", "a"], [1, 2], "ab"):
        for function in (mm.lrtest, mm.information_criteria):
            with pytest.raises(mm.OptionError, match="names must be"):
                function(small, large, names=names)


@pytest.mark.filterwarnings("ignore::numbamm.NumbammWarning")
def test_families_on_one_response():
    data = mm.datasets.load("sleepstudy").assign(k=lambda d: d["Reaction"].round())
    fits = {
        "normal": mm.lmm("k ~ Days + (1 | Subject)", data),
        "gamma": mm.glmm("k ~ Days + (1 | Subject)", data, "gamma", "log"),
        "ig": mm.glmm("k ~ Days + (1 | Subject)", data, "inversegaussian", "log"),
    }
    table = mm.information_criteria(*fits.values(), names=[*fits])
    for name, model in fits.items():
        assert table.frame.loc[name, "aic"] == pytest.approx(model.aic)
    assert any("gamma, log" in note for note in table.notes)
    with pytest.raises(mm.OptionError, match="differ in family.*information_criteria can compare"):
        mm.lrtest(fits["normal"], fits["gamma"])

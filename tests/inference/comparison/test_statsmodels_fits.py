"""Fits of statsmodels beside those of numbamm: constants, families, and what is refused."""

from types import SimpleNamespace

import numpy as np
import oracles
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

import numbamm as mm

INTERCEPT = "Reaction ~ 1 + Days + (1 | Subject)"


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
    with pytest.raises(mm.OptionError, match="inversegaussian, poisson, not Tweedie"):
        mm.lrtest(tweedie, ours)
    held = smf.glm("Reaction ~ Days", sleep).fit_constrained("Days = 10")
    with pytest.raises(mm.OptionError, match="with constraints does not maximise"):
        mm.lrtest(held, ours)


def test_no_difference_at_the_boundary(fitted):
    """Dyestuff2 has no variance between batches: the mixture gives p = 1."""
    line = mm.lrtest(without_batches(), fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff2")).frame
    assert line.loc["m1", "chisq"] == pytest.approx(0, abs=1e-7)
    assert line.loc["m1", "pvalue"] > 0.49

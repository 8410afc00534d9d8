"""Every oracle of further families and parts: fit, standard errors, and the rows' distributions."""

import numpy as np
import pytest
from models.parts.family_oracles import ORACLES, dispersion, fitted
from numpy.testing import assert_allclose

from numbamm.glm.parts import mixture
from numbamm.glm.parts.extended import extended
from numbamm.models.parts.distribution import RowDistribution

#: At the edge of the parameters, where standard errors mean nothing.
EDGE = {name for name, oracle in ORACLES.items() if oracle.get("boundary")}
PLAIN = {"sal_nb2", "sal_nb2_slope_crossed", "grouse_nb2", "cake_gamma", "penicillin_gamma"}
PLAIN |= {"sal_nb2_agq31"}  # models of one predictor, which have no parts

#: Fits of few rows for many effects, and of counts of greater variance, say so.
pytestmark = pytest.mark.filterwarnings("ignore::numbamm.NumbammWarning")

ORACLE = pytest.mark.parametrize("name", ORACLES)


@ORACLE
def test_fits_are_those_of_glmmtmb(name):
    oracle, model = ORACLES[name], fitted(name)
    assert model.objective < oracle["criterion"] + 1e-5
    assert model.converged
    assert model.n_parameters == oracle["npar"]
    se = np.array(oracle["se"])
    if name in EDGE:
        assert_allclose(model.beta, oracle["beta"], atol=np.max(0.02 * se))
        return
    assert (np.abs(model.beta - oracle["beta"]) < 1e-3 * se).all()
    assert_allclose(model.bse, se, rtol=1e-3)


@pytest.mark.parametrize("name", [n for n in ORACLES if n not in PLAIN | EDGE])
def test_coefficients_of_other_parts(name):
    oracle, model = ORACLES[name], fitted(name)
    found = model.parts
    expected = dispersion(oracle)
    if expected is not None:
        part = "dispersion" if "dispersion" in model.parts.part.values else found.part.iloc[0]
        rows = found[found.part == part]
        se = np.array(oracle["dispersion"]["se"])
        assert (np.abs(rows["estimate"] - expected) < 1e-3 * se).all()
        assert_allclose(rows["se"], se, rtol=2e-3)
    if "zi" in oracle:
        rows = found[found.part.isin(["zi", "hurdle"])]
        se = np.array(oracle["zi"]["se"])
        assert (np.abs(rows["estimate"] - oracle["zi"]["beta"]) < 1e-3 * se).all()
        assert_allclose(rows["se"], se, rtol=2e-3)


def distribution(name):
    """The distribution of the rows; of a model of one predictor by the family's log-density."""
    model = fitted(name)
    if model.composition is not None:
        return model.fitted_distribution
    family, w = extended(model.family_record), model.prior_weights
    shape = model.shape if model.has_free_shape else model.sigma**2
    given = {family.parameters[0].name: np.full(model.nobs, shape)}
    mu = np.asarray(model.fittedvalues)
    return RowDistribution(family, mixture.PLAIN, mu, w, given, np.zeros(model.nobs))


def test_no_oracle_is_left_out():
    """Each has moments but for those by quadrature, whose models have others with the same rows."""
    assert len(ORACLES) == 51
    without = {name for name, oracle in ORACLES.items() if "moments3" not in oracle}
    assert without == {name for name, oracle in ORACLES.items() if oracle["kind"] == "quadrature"}


@pytest.mark.parametrize("name", [n for n in ORACLES if "moments3" in ORACLES[n]])
def test_distributions_of_the_first_rows(name):
    oracle, model = ORACLES[name], fitted(name)
    moments, law, y = oracle["moments3"], distribution(name), model.frame.y
    scale = np.ones(3)
    if model.frame.trials is not None:
        scale = model.frame.trials[:3]
    known = {k: np.array(v, dtype=float) for k, v in moments.items() if v is not None}
    assert_allclose(known["mass"], 1, atol=1e-8)
    tolerance = {"rtol": 2e-4, "atol": 1e-6}
    assert_allclose(law.mean()[:3] * scale, known["mean"], **tolerance)
    if np.isfinite(known.get("variance", [np.nan])).all():
        assert_allclose(law.variance()[:3] * scale**2, known["variance"], **tolerance)
    assert_allclose(law.cdf(y)[:3], known["cdf"], **tolerance)
    assert_allclose(law.below(y)[:3], known["cdf_below"], **tolerance)


@pytest.mark.parametrize("name", [n for n in ORACLES if "predictions" in ORACLES[n]])
def test_predictions_of_every_type(name):
    """With random effects in both parts, those of glmmTMB for the population keep modes of the
    zeros' part, found anew: its zprob is not the logistic function of its fixed effects."""
    oracle, model = ORACLES[name], fitted(name)
    joint = len(model.reterms) > 1
    predictions, rows = oracle["predictions"], np.array(oracle["predictions"]["rows"]) - 1
    for random, key in ((True, "given_random_effects"), (False, "population")):
        for kind in ("response", "conditional", "zprob", "link"):
            values = predictions[key][kind]
            found = model.predict(type=kind, random=random).to_numpy()[rows]
            if joint and not random and kind in ("response", "zprob"):
                continue
            if random:
                assert_allclose(found, values, rtol=1e-3, err_msg=kind)
                continue
            assert_allclose(found, values["fit"], rtol=1e-3, err_msg=kind)
            se = model.predict(type=kind, random=False, se=True)["se"].to_numpy()[rows]
            assert_allclose(se, values["se"], rtol=2e-3, err_msg=kind)


def test_population_predictions_set_the_effects_of_every_part_to_zero():
    model = fitted("simzi_zinb2_re")
    zeta = model.frame.parts["zi"][0] @ model.parts.query("part == 'zi'")["estimate"]
    found = model.predict(type="zprob", random=False)
    assert_allclose(found, 1 / (1 + np.exp(-zeta)))
    conditional = model.predict(type="conditional", random=False)
    assert_allclose(model.predict(random=False), (1 - found) * conditional)
    new = model.predict({"mined": ["no"], "x": [0.3], "site": ["new"]}, new_levels="missing")
    assert np.isnan(new).all()


def _one_factor(oracle) -> bool:
    return oracle["kind"] == "laplace" and len(oracle["varcorr"]) == 1


@pytest.mark.parametrize(
    "name",
    [n for n, o in ORACLES.items() if _one_factor(o) and o.get("exact_at_estimates")],
)
def test_quadrature_is_the_integral(name):
    """At the estimates, where the Laplace approximation may be far from it."""
    oracle, model = ORACLES[name], fitted(name)
    if name in EDGE or model.reterms[0].p > 1:
        return
    space = model.space_of(model.parameters(False), 51)
    found = space.objective(space.to_scaled(model.optsum.final))
    assert found == pytest.approx(oracle["exact_at_estimates"], abs=2e-4)

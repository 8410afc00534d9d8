"""Predictions of models whose residuals have a structure: which parts they have, and intervals."""

import numpy as np
import pandas as pd
import pytest
from models.residual_side.dense_prediction import deviations
from models.residual_side.test_new_residuals import FIT, FORMULAS, NEW, at_some_point, sd_of
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import DataError, NumbammWarning


@pytest.fixture(scope="module")
def chain():
    return at_some_point("ar1", FORMULAS["crossed"])


@pytest.mark.parametrize("options", [{"re_form": "none"}, {"re": "zero"}, {"re_form": ["item"]}])
def test_named_effects_have_no_share_in_residuals(chain, options):
    d = NEW.drop(columns=["g", "t"])
    expected = chain.params.iloc[0] + chain.params.iloc[1] * d.x
    if options.get("re_form") == ["item"]:
        expected = expected + chain.ranef()["item"]["Intercept"].loc[d["item"]].to_numpy()
    assert_allclose(chain.predict(d, **options), expected)
    assert_allclose(chain.predict(FIT, re_form=["g", "item"]), chain.fittedvalues)


@pytest.mark.parametrize("side", ["us by", "all", "formula", "rates"])
def test_intervals_without_the_residuals_of_the_fit(side):
    """Each new row has the standard deviation of its own visit, stratum and covariates."""
    m = at_some_point(side, weights="w")
    found = m.predict(NEW, random=False, se=True, interval="prediction")
    own = m.sigma**2 * deviations(m, NEW) ** 2 / NEW.w
    assert_allclose(sd_of(found) ** 2, found["se"] ** 2 + own, rtol=1e-8)
    found = m.predict(se=True, interval="prediction")
    own = m.sigma**2 * deviations(m, FIT) ** 2 / FIT.w
    assert_allclose(sd_of(found) ** 2, found["se"] ** 2 + own, rtol=1e-8)


def test_deviations_by_fitted_means():
    m = mm.lmm("y ~ x + (1 | item)", FIT, residual="homcs(1 | g)", dispersion="power(fitted)")
    means = m.predict(NEW, re_form=["item"])
    power = m.residual_side.parameters(m.residual_side.phi, m.sigma)["power"]
    found = m.predict(NEW, re_form=["item"], se=True, interval="prediction")
    own = m.sigma**2 * np.abs(means) ** (2 * power)
    assert_allclose(sd_of(found) ** 2, found["se"] ** 2 + own, rtol=1e-8)


def test_streams_of_new_rows_and_missing_values(chain):
    some = NEW[NEW.g < 12].astype({"t": float, "g": object})
    expected = chain.predict(some, se=True)
    whole = pd.concat(list(chain.predict([some[:4], some[4:]], se=True)))
    assert_allclose(whole, expected)
    some.loc[some.index[2], "t"] = np.nan
    some.loc[some.index[5], "g"] = None
    found = chain.predict(some, se=True, interval="prediction")
    assert found.isna().all(axis=1).to_numpy().nonzero()[0].tolist() == [2, 5]
    assert_allclose(found[["prediction", "se"]].dropna(), expected.drop(some.index[[2, 5]]))
    assert len(chain.predict(NEW[:0], se=True)) == 0


def test_groups_that_are_new():
    m, row = at_some_point("us"), {"x": [0.1], "t": [2], "g": [99]}
    with pytest.warns(NumbammWarning, match="levels of 'g' that were not in the fit .*: 99"):
        found = m.predict(row)
    assert_allclose(found, m.predict(row, random=False))
    assert m.predict(row, new_levels="missing").isna().all()
    with pytest.raises(DataError, match="'us\\(t | g\\)'.* were not in the fit: 99"):
        m.predict(row, new_levels="error")


def test_weights_that_were_an_array():
    m = at_some_point("ar1", weights=FIT.w.to_numpy())
    with pytest.raises(mm.errors.OptionError, match="give weights="):
        m.predict(NEW)
    same = at_some_point("ar1", weights="w")
    some = NEW[NEW.g < 12]
    assert_allclose(m.predict(some, weights=some.w), same.predict(some))

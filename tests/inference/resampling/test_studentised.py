"""Standard errors of replicates, and studentised intervals."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import OptionError
from numbamm.inference.resampling.bootstrap_fits import SingleFits
from numbamm.inference.resampling.replicates import stream
from numbamm.inference.resampling.resampled_fits import CaseFits
from numbamm.inference.resampling.studentised import limits, names_of_errors, standard_errors

KINDS = {"parametric": SingleFits, "cases": CaseFits}


@pytest.fixture(scope="module")
def small(fitted):
    """A weighted model with few clusters, none of them with the same number of rows."""
    data = mm.datasets.load("sleepstudy").iloc[np.r_[0:37, 41:100]]
    data = data.assign(w=1 + data["Days"] % 3)
    return mm.lmm("Reaction ~ Days + (0 + Days | Subject)", data, weights="w", reml=True)


@pytest.mark.parametrize("kind", KINDS)
def test_compiled_fits_have_the_errors_of_models(small, kind):
    b = small.bootstrap(12, seed=2, kind=kind, errors=True, workers=2)
    task = KINDS[kind](small.twin(), b.names, b.key, *([b._clusters] if kind == "cases" else []))
    rows, failed = task([3, 7])
    assert not failed
    for i in (3, 7):
        estimates, errors = np.split(rows[i], [len(b.names.columns)])
        if kind == "cases":  # a compiled fit adds β to the estimates where it begins
            assert_allclose(b.values[i], estimates, rtol=1e-4)
        assert_allclose(b.errors[i], errors, rtol=2e-4)
    assert b.errors.shape == (12, len(b.names.errors))
    plain = small.bootstrap(12, seed=2, kind=kind)
    assert plain.errors is None
    assert np.array_equal(plain.values, b.values)


def test_errors_of_a_fit(small):
    names, errors = names_of_errors(small), standard_errors(small)
    assert names == ["beta_Intercept", "beta_Days", "sigma", "sd_Days|Subject"]
    assert_allclose(errors[:2], small.bse, rtol=1e-10)
    wald = np.log(small.conf_int(which="random", method="wald"))
    assert_allclose((wald[1] - wald[0]) / (2 * 1.959964), errors[2:], rtol=1e-6)


def test_intervals(small):
    b = small.bootstrap(80, seed=5, errors=True)
    ours, error = b.conf_int(0.1, method="studentised"), standard_errors(small)
    t = (b.frame["beta_Days"] - small.params["Days"]) / b.errors[:, 1]
    wanted = small.params["Days"] - np.quantile(t, [0.95, 0.05]) * error[1]
    assert_allclose(ours.loc["beta_Days"], wanted, rtol=1e-10)
    u = np.log(b.frame["sd_Days|Subject"])
    u0 = np.log(b.estimates["sd_Days|Subject"])
    t = (u - u0) / b.errors[:, 3]
    assert_allclose(
        ours.loc["sd_Days|Subject"],
        np.exp(u0 - np.nanquantile(t, [0.95, 0.05]) * error[3]),
        rtol=1e-10,
    )
    assert ours.loc["theta_Subject.Days"].isna().all()
    assert "studentised" in ours.title
    assert "Without a standard error: theta_Subject.Days." in str(
        b.summary(0.1, method="studentised")
    )
    whole = small.conf_int(0.1, which="all", method="bootstrap", type="studentised", n=80, seed=5)
    assert_allclose(whole.loc["Days"], ours.loc["beta_Days"])


def test_the_same_replicates_in_parts_from_files_and_of_responses(small, tmp_path):
    whole = small.bootstrap(8, seed=3, kind="residual", errors=True)
    parts = small.bootstrap(5, seed=3, kind="residual", errors=True).extend(3, workers=2)
    assert np.array_equal(whole.errors, parts.errors)
    whole.save(tmp_path / "b.parquet")
    again = mm.Bootstrap.load(tmp_path / "b.parquet")
    assert np.array_equal(again.errors, whole.errors)
    with pytest.raises(OptionError, match="files do not have"):
        again.conf_int(method="studentised")
    assert again.extend(2, model=small).errors.shape == (10, 4)


def test_signs_tell_of_coefficients_alone(small):
    b = small.bootstrap(15, seed=3, kind="wild", errors=True)
    for method in ("equal-tailed", "studentised"):
        assert list(b.conf_int(method=method).index) == ["beta_Intercept", "beta_Days"]


def test_generalized_models(counts):
    b = counts.bootstrap(4, seed=1, errors=True)
    own = counts.twin().refit(counts.simulate(stream(b.key, 2)))
    assert_allclose(b.errors[2], standard_errors(own), rtol=1e-3)


def test_a_fit_without_variance_has_no_interval_for_it():
    m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff2"))
    b = m.bootstrap(20, seed=1, errors=True)
    found = b.conf_int(method="studentised")
    assert found.loc["sd_Intercept|Batch"].isna().all()
    assert (found.loc["beta_Intercept"].diff().iloc[1:] > 0).all()
    few = limits(m, b.names.errors, b.frame.iloc[:3], b.errors[:2], 0.05)
    assert np.isnan(list(few.values())).all()


def test_what_is_refused(small):
    with pytest.raises(OptionError, match="errors=True"):
        small.bootstrap(3, seed=1).conf_int(method="studentised")
    with pytest.raises(OptionError, match='type is for method="bootstrap"'):
        small.conf_int(type="bca")
    with pytest.raises(OptionError, match="type must be one of"):
        small.conf_int(method="bootstrap", type="studentized")

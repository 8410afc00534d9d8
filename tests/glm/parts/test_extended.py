"""Families by their log-densities, and what each of them can do."""

import numpy as np
import pytest
from glm.parts.part_families import ALL, parameters, responses, weights

import numbamm as mm
from numbamm.errors import OptionError
from numbamm.glm.family import FAMILIES
from numbamm.glm.parts.extended import extended

N = 20_000


@pytest.mark.parametrize("family", ALL.values(), ids=ALL)
def test_draws_quantiles_and_moments_agree(family):
    p = {name: np.full(N, value) for name, value in parameters(family).items()}
    mu = np.full(N, 0.4 if family.unit else 2.0)
    w = np.full(N, weights(family)[0])
    known = {"mu": mu, "w": w, "shape": p}
    y = family._given(family.draw, rng=np.random.default_rng(3), **known)
    assert family.supports(y).all()
    mean = mu if family.expectation is None else family._given(family.expectation, **known)
    variance = np.broadcast_to(family._given(family.variance, **known), N)
    if np.isfinite(variance[0]):
        assert abs(y.mean() - mean[0]) < 5 * np.sqrt(variance[0] / N)
        assert y.var() == pytest.approx(variance[0], rel=0.15)
    at = np.median(y)
    assert np.mean(y <= at) == pytest.approx(
        family._given(family.cdf, y=np.full(N, at), **known)[0], abs=0.02
    )
    zero = np.broadcast_to(family._given(family.zero, **known), N)[0]
    assert np.mean(y == 0) == pytest.approx(zero, abs=0.02)
    if family.quantile is not None:
        q = np.broadcast_to(family._given(family.quantile, p=np.full(N, 0.8), **known), N)[0]
        assert np.mean(y <= q) >= 0.78 and np.mean(y < q) <= 0.82


def test_every_family_has_a_density_that_its_responses_allow():
    for family in ALL.values():
        assert family.supports(responses(family)).all()
        assert extended(family) is family


def test_names_of_other_packages():
    names = {
        "t": "student",
        "t_family": "student",
        "beta_family": "beta",
        "betar": "beta",
        "tw": "tweedie",
        "nb1": "nbinom1",
        "nbinom2": "negativebinomial",
        "nbinom": "negativebinomial",
        "scat": "student",
        "truncated_nbinom": "truncated_nbinom2",
        "Conway-Maxwell-Poisson": "compois",
        "generalized_poisson": "genpois",
        "orderedbeta": "ordbeta",
    }
    for name, ours in names.items():
        assert FAMILIES[name] is FAMILIES[ours], name


def test_families_of_the_users_have_their_own_parameters():
    import math

    def logpdf(y, mu, spread, tail):
        return -math.log(spread) - (1 + tail) * math.log1p(((y - mu) / spread) ** 2)

    own = mm.Family("heavy", logpdf=logpdf)
    assert own.has_several_parameters
    assert [p.name for p in extended(own).parameters] == ["spread", "tail"]
    assert extended(own) is extended(own)


def test_what_has_no_such_density_is_refused():
    plain = FAMILIES["poisson"]
    from dataclasses import replace

    with pytest.raises(OptionError, match="no predictors besides"):
        extended(replace(plain, name="other"))


def test_a_beta_binomial_near_its_limit():
    """P(0) as a product over the trials, where scipy loses its digits."""
    family, mu, n = FAMILIES["betabinomial"], np.array([0.3, 0.02, 0.6]), np.array([6.0, 40, 300])
    for precision in (10.0, 1e6, 1e9, 1e13, 1e300):
        wanted = [
            np.prod([1 - m / (1 + k / precision) for k in range(int(t))])
            for m, t in zip(mu, n, strict=True)
        ]
        found = family.zero(mu, n, precision)
        np.testing.assert_allclose(found, wanted, rtol=2e-6)
        np.testing.assert_allclose(family.cdf(0 * mu, mu, n, precision), wanted, rtol=2e-6)
        assert (family.quantile(0.5, mu, n, precision) * n >= 0).all()

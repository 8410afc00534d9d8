"""Links, all records of the registry: derivatives against differences, and tails.

A new link is tested by being there.
"""

import pickle

import numpy as np
import pytest
from glm.one_row import BINOMIAL, by_name, deviance, etas
from numpy.testing import assert_allclose
from scipy import stats

from numbamm.glm import row_kernels
from numbamm.glm.link import LINKS

ONTO_UNIT = [link for link in LINKS if link.onto_unit]


@pytest.mark.parametrize("link", by_name(LINKS))
def test_links_and_their_inverses(link):
    eta, h = etas(BINOMIAL, link), 1e-5
    assert_allclose(link.eta(link.mean(eta)), eta, rtol=1e-9)
    assert_allclose(link.slope(eta), (link.mean(eta + h) - link.mean(eta - h)) / (2 * h), rtol=1e-6)
    table, unit, far = np.empty((4, len(eta))), np.empty((6, len(eta))), np.empty((4, 2))
    link.rows(1, eta, table)
    link.unit_rows(1, eta, unit)
    for k in (1, 2):
        above, below = np.empty_like(table), np.empty_like(table)
        link.rows(1, eta + h, above)
        link.rows(1, eta - h, below)
        numeric = (above[k] - below[k]) / (2 * h)
        assert_allclose(table[k + 1], numeric, rtol=1e-5, atol=1e-5)
    mu, d, d2, d3 = table
    assert_allclose(unit, [np.log(mu), np.log1p(-mu), d / mu, d / (1 - mu), d2 / d, d3 / d], 1e-9)
    link.rows(1, np.array([0.5 if link.turns else -2.0, 2.0]), far)
    if link.whole_line:
        assert (far[row_kernels.D] > 0).all()
    if link.onto_unit:
        assert 0 < far[row_kernels.MU, 0] < far[row_kernels.MU, 1] < 1
    if link.positive:
        assert (far[row_kernels.MU] > 0).all()
    if link.symmetric:
        assert_allclose(far[row_kernels.MU].sum(), 1.0)


@pytest.mark.parametrize("eta", [-600.0, -40.0, -15.0, 15.0, 40.0, 600.0])
@pytest.mark.parametrize(
    ("name", "distribution"),
    [
        ("logit", stats.logistic),
        ("probit", stats.norm),
        ("cauchit", stats.cauchy),
        ("loglog", stats.gumbel_r),
        ("cloglog", stats.gumbel_l),
    ],
)
def test_tails_are_exact(name, distribution, eta):
    table = np.empty((6, 1))
    LINKS[name].unit_rows(0, np.array([eta]), table)
    expected = distribution.logcdf(eta), distribution.logsf(eta)
    for found, exact in zip(table[:2, 0], expected, strict=True):
        if -1e300 < exact and exact != 0:  # where scipy has digits, too
            assert found == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("link", by_name(ONTO_UNIT))
@pytest.mark.parametrize("eta", [-1e4, -700.0, 700.0, 1e4])
def test_extremes_do_not_overflow(link, eta):
    for y in (0.0, 1.0):
        assert np.isfinite(deviance(BINOMIAL, link, y, 1.0, eta))


@pytest.mark.parametrize("link", by_name(LINKS))
def test_links_are_found_by_name_and_alias(link):
    assert pickle.loads(pickle.dumps(link)) is link
    for name in (link.name, link.name.replace("-", "_").title(), *link.aliases):
        assert LINKS[name] is link

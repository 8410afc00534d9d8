"""The family of ordered categories."""

import pickle

import numpy as np
import pytest

from numbamm.glm.cumulative.cumulative_family import CONCAVE, ordinal_family
from numbamm.glm.link import LINKS


@pytest.mark.parametrize("name", [*CONCAVE, "cauchit"])
def test_probabilities_add_up_to_one_and_are_differences_of_the_links_mean(name):
    rng = np.random.default_rng(1)
    alpha = np.sort(rng.normal(size=(30, 3)), axis=1)
    eta, log_scale = rng.normal(size=30), 0.3 * rng.normal(size=30)
    link, family = LINKS[name], ordinal_family(4)
    p = family.probabilities(link, alpha, eta, log_scale)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    scores = (alpha - eta[:, None]) / np.exp(log_scale)[:, None]
    cumulative = link.mean(scores.ravel()).reshape(scores.shape)
    np.testing.assert_allclose(np.cumsum(p, axis=1)[:, :-1], cumulative, atol=1e-13)


def test_one_record_for_each_number_of_categories_in_other_processes_too():
    family = ordinal_family(5)
    assert pickle.loads(pickle.dumps(family)) is family
    assert family.bounds == (0.0, 4.0)


def test_links_whose_density_is_log_concave_need_no_other_information():
    assert [ordinal_family(3).is_canonical(LINKS[name]) for name in CONCAVE] == [True] * 4
    assert not ordinal_family(3).is_canonical(LINKS["cauchit"])

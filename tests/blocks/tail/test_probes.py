"""Random probes: reproducible, and the first ones the same however many there are."""

import numpy as np

from numbamm.blocks.tail import probes


def test_they_are_signs():
    Z = probes.draw(101, 6, 3)
    assert Z.shape == (101, 6)
    assert set(np.unique(Z)) == {-1.0, 1.0}
    assert abs(Z.mean()) < 0.2


def test_more_probes_begin_with_the_same():
    np.testing.assert_array_equal(probes.draw(50, 3, 8), probes.draw(50, 11, 8)[:, :3])
    assert (probes.draw(50, 3, 8) != probes.draw(50, 3, 9)).any()


def test_errors_cover_with_few_probes():
    rng = np.random.default_rng(1)
    draws = rng.normal(size=(8, 4000))
    error = probes.standard_error(draws - draws.mean(axis=0))
    covered = (abs(draws.mean(axis=0)) < 1.96 * error).mean()
    assert 0.94 < covered < 0.96


def test_doubt_falls_with_the_probes():
    rng = np.random.default_rng(2)
    for n in (4, 16, 64):
        spread = rng.normal(size=(n, 4000)).std(axis=0, ddof=1)
        assert 0.94 < (spread * probes.doubt(n) > 1).mean() < 0.96
    assert probes.doubt(1000) < 1.05


def test_how_many_are_enough():
    assert probes.enough(8, 0.011) == 16
    assert probes.enough(8, 0.1) > 800
    assert probes.enough(16, 10.0) == probes.MOST
    assert probes.enough(8, 0.03) % 8 == 0

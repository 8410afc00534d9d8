"""`model.plot.path` against the log of the search."""

from numpy.testing import assert_allclose


def test_path(sleep):
    axes = sleep.plot.path()
    log = sleep.optsum.fitlog
    excess = axes[0].get_lines()[0].get_ydata()
    expected = log["objective"] - log["objective"].min()
    assert_allclose(excess[expected > 0], expected[expected > 0])
    for line, name in zip(axes[1].get_lines(), log.columns[1:], strict=True):
        assert_allclose(line.get_ydata(), log[name])

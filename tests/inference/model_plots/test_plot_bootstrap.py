"""`model.plot.bootstrap` draws what the replicates do."""

from drawn import segments
from numpy.testing import assert_allclose


def test_the_model_draws_its_replicates(sleep):
    ours = sleep.plot.bootstrap("sigma", n=50, seed=3, alpha=0.1)
    theirs = sleep.bootstrap(50, seed=3).plot("sigma", alpha=0.1)
    for a, b in zip(ours, theirs, strict=True):
        assert_allclose(segments(a), segments(b))

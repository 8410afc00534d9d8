"""Second derivatives of many fits against `Directions`, which are checked by dense matrices."""

import numpy as np
import pytest
from inference.many.many_designs import DESIGNS, responses, rows
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.inference.fixed.response_covariance import directions_of
from numbamm.inference.many.shared_design import Design

DATA = rows()
Y = responses(DATA)[:, 2]
NAMES = [name for name in DESIGNS if name not in ("homdiag", "dependent columns")]


@pytest.mark.parametrize("name", NAMES)
def test_as_directions(name):
    right, options = DESIGNS[name]
    model = mm.LinearMixedModel(f"y ~ {right}", DATA.assign(y=Y), **options)
    model.optsum.configure()
    fits = Design(model, wanted=True).fit(model.frame.y[None])
    model.estimate_at(fits.theta[0])
    whole = directions_of(model)
    # The directions are multiples of those of the entries of λλ'.
    first, r = int(model.optsum.sigma is not None), 1 + len(model.theta)
    C = whole.combinations
    for mine, known in (
        (fits.ends.traces, whole.traces),
        (fits.ends.expected, whole.expected),
        (fits.ends.squares, whole.squares),
    ):
        own = C.T @ mine.reshape(r, r)[first:, first:] @ C
        assert_allclose(own, known, rtol=1e-7, atol=1e-7 * np.abs(known).max())
    rank = model.feterm.rank
    first_of = fits.ends.first.reshape(r - 1, rank + 1, rank + 1)[:, :rank, :rank]
    root = np.linalg.cholesky(whole.phi)
    directions = np.tensordot(C[1 - first :, 1 - first :].T, first_of, 1)
    known = np.linalg.eigvalsh(root.T @ whole.P[1 - first :] @ root)
    assert_allclose(np.linalg.eigvalsh(directions), known, rtol=1e-6, atol=1e-9)


def test_slopes_are_the_gradient_by_the_covariance_matrix():
    """At a singular optimum, where they are not zero."""
    data = DATA.assign(y=responses(DATA)[:, 0])
    model = mm.LinearMixedModel("y ~ x + (1 + x | g) + (1 | h)", data, reml=True)
    model.optsum.configure()
    fits = Design(model, wanted=True).fit(model.frame.y[None])
    model.estimate_at(fits.theta[0])
    parts = {p * p: slice(a, b) for p, a, b in ((2, 0, 4), (1, 4, 5))}
    for slopes in directions_of(model).slopes:
        own = fits.ends.slopes[0, parts[slopes.size]].reshape(slopes.shape)
        assert_allclose(own, slopes, rtol=1e-6, atol=1e-8)
    assert max(np.abs(s).max() for s in directions_of(model).slopes) > 1e-3

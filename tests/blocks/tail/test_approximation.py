"""`Approximation` against dense matrices, with probes that leave no Monte-Carlo error."""

import numpy as np
import pytest
from blocks.dense import dense_model
from blocks.tail.iterated import (
    STRUCTURES,
    degrees_of,
    each_criterion,
    each_structure,
    exactly,
)

from numbamm.blocks.tail.conjugate_gradients import NoConvergence


def dense(terms, xy, theta, reml, sigma):
    return dense_model(terms, xy, theta, reml=reml, sigma=sigma or None)


@each_structure
@each_criterion
def test_the_criterion(name, reml, sigma):
    terms, xy, theta, _, found = exactly(name)
    expected = dense(terms, xy, theta, reml, sigma).objective
    values = found.objectives(degrees_of(xy, reml), 0.0, sigma)
    np.testing.assert_allclose(values.mean(), expected, rtol=1e-9)


@each_structure
@each_criterion
def test_derivatives_by_covariances(name, reml, sigma):
    terms, xy, theta, tail, found = exactly(name)
    expected = dense(terms, xy, theta, reml, sigma).normal
    entries = tail.joint.entries(theta)
    parts = found.normals(lambda: tail._head_normals(entries), degrees_of(xy, reml), sigma)
    for (N, deviations), given in zip(parts, tail.layout.order, strict=True):
        np.testing.assert_allclose(N, expected[given], rtol=1e-7, atol=1e-8)
        np.testing.assert_allclose(deviations.mean(axis=2), 0.0, atol=1e-7)


@each_structure
def test_derivatives_at_a_singular_covariance(name):
    first = [np.flatnonzero(t.structure.is_scale)[0] for t in STRUCTURES[name]]
    starts = np.cumsum([0, *(t.structure.size for t in STRUCTURES[name])])[:-1]
    terms, xy, theta, tail, found = exactly(name, zero=starts + first)
    expected = dense(terms, xy, theta, False, 0.0).normal
    entries = tail.joint.entries(theta)
    parts = found.normals(lambda: tail._head_normals(entries), degrees_of(xy, False), 0.0)
    for (N, _), given in zip(parts, tail.layout.order, strict=True):
        np.testing.assert_allclose(N, expected[given], rtol=1e-7, atol=1e-8)


@each_structure
@each_criterion
def test_average_information(name, reml, sigma):
    terms, xy, theta, tail, found = exactly(name)
    reference = dense(terms, xy, theta, reml, sigma)
    entries = tail._entries
    value, slope, _ = found.information(entries, degrees_of(xy, reml), sigma, 1e-13)
    whole = np.zeros_like(reference.curvature)
    whole[np.ix_(entries[3], entries[3])] = value
    by_normal = np.zeros_like(whole)
    for s, (k, a, c, i) in enumerate(entries.T):
        for m, b, d, j in entries.T[: s + 1]:
            if k == m and c == d:
                N = reference.normal[tail.layout.order[k]]
                by_normal[i, j] = by_normal[j, i] = 2 * N[a, b]
    np.testing.assert_allclose(whole + by_normal, reference.curvature, rtol=1e-7, atol=1e-7)
    assert np.isfinite(slope).all()


@each_structure
def test_estimates(name):
    terms, xy, theta, tail, found = exactly(name)
    reference = dense(terms, xy, theta, False, 0.0)
    u, b = found.solution()
    nx = xy.shape[1] - 1
    np.testing.assert_allclose(b[-1 - nx : -1], reference.beta, rtol=1e-9, atol=1e-10)
    for vector, expected in ((u, reference.u), (b, reference.b)):
        parts = np.concatenate([part.ravel() for part in tail.layout.by_term(vector)])
        np.testing.assert_allclose(parts, expected, rtol=1e-8, atol=1e-9)


def test_too_many_iterations_are_told():
    _, _, theta, tail, found = exactly(next(iter(STRUCTURES)))
    with pytest.raises(NoConvergence):
        type(found)(tail._design, theta, np.zeros((tail._design.order, 0)), (1e-13, 1e-13), 1)

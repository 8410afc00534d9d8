"""The row kernel of a log-density: the lines of the family that it is the density of."""

import math

import numba
import numpy as np
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import OptionError
from numbamm.glm import row_kernels
from numbamm.glm.family import FAMILIES
from numbamm.glm.link import LINKS
from numbamm.glm.logpdf import parameter_names

Y, W = np.array([0.0, 1.0, 4.0, 9.0, 2.0]), np.array([1.0, 2.0, 0.5, 1.0, 0.0])
ETA, SHAPE = np.array([0.3, -0.2, 1.1, 1.9, 0.4]), 1.7


def counts(y, mu, size):
    return (
        math.lgamma(y + size)
        - math.lgamma(size)
        - math.lgamma(y + 1)
        + size * math.log(size / (size + mu))
        + y * math.log(mu / (size + mu))
    )


@pytest.fixture(scope="module")
def own():
    if numba.config.DISABLE_JIT:
        pytest.skip("Python's functions of math do not know jets")
    return mm.Family("own_counts", logpdf=counts, link="log")


def lines(family, what, shape=SHAPE):
    found = family.evaluate(what, LINKS["log"], shape, Y, W, ETA)
    return found[row_kernels.FIRST : row_kernels.THIRD + 1]


def test_scores_informations_and_their_slopes(own):
    ours = FAMILIES["negativebinomial"]
    score = [
        f.evaluate(row_kernels.WORKING, LINKS["log"], SHAPE, Y, W, ETA)[row_kernels.SCORE]
        for f in (own, ours)
    ]
    assert_allclose(*score, rtol=1e-9, atol=1e-12)
    observed = [lines(f, row_kernels.INFORMATION)[1] for f in (own, ours)]
    assert_allclose(*observed, rtol=1e-9, atol=1e-12)
    slopes = [lines(f, row_kernels.OBSERVED_SLOPE)[0] for f in (own, ours)]
    assert_allclose(*slopes, rtol=1e-8, atol=1e-12)


def test_slopes_in_the_shape(own):
    """Of the whole log-density, whose constant ours has apart."""
    h = 1e-5
    found = lines(own, row_kernels.OBSERVED_SHAPE)
    for line, what, k in ((0, row_kernels.DEVIANCE, 0), (2, row_kernels.INFORMATION, 1)):
        below, above = (lines(own, what, SHAPE * np.exp(s * h))[k] for s in (-1, 1))
        assert_allclose(found[line], (above - below) / (2 * h), rtol=1e-5, atol=1e-8)


def test_rows_without_weight_say_nothing(own):
    assert lines(own, row_kernels.DEVIANCE)[0][-1] == 0
    assert lines(own, row_kernels.INFORMATION)[1][-1] == 0


@pytest.mark.parametrize(
    ("logpdf", "names"),
    [
        (lambda y, mu: 0.0, []),
        (lambda y, eta, w: 0.0, []),
        (lambda y, mu, size: 0.0, ["size"]),
        (lambda y, size, mu, shape: 0.0, ["size", "shape"]),
        (lambda y, mu, w, power=1.5: 0.0, []),
    ],
)
def test_parameters_are_the_arguments_of_other_names(logpdf, names):
    assert parameter_names("own", logpdf) == names


@pytest.mark.parametrize(
    ("logpdf", "message"),
    [
        (3, "must be a function"),
        (lambda mu: 0.0, "function of y and mu"),
        (lambda y, mu, eta: 0.0, "function of y and mu"),
        (lambda y, mu, *more: 0.0, "function of y and mu"),
    ],
)
def test_other_functions_are_refused(logpdf, message):
    with pytest.raises(OptionError, match=message):
        parameter_names("own", logpdf)

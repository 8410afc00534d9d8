"""What families and links give for a single row."""

import numpy as np
import pytest

from numbamm.glm import row_kernels
from numbamm.glm.family import FAMILIES

SHAPE = 1.7
BINOMIAL, POISSON, NEGATIVE_BINOMIAL = (
    FAMILIES[name] for name in ("binomial", "poisson", "negativebinomial")
)


def by_name(records):
    return [pytest.param(record, id=record.name) for record in records]


def contribution(family, link, y, w, eta, shape=SHAPE):
    """w d, the score, and the expected and the observed information of one row."""
    at = np.array([y]), np.array([w]), np.array([eta])
    lines = [family.evaluate(what, link, shape, *at) for what in (0, 1, 2)]
    informations = lines[2][row_kernels.FIRST][0], lines[2][row_kernels.SECOND][0]
    return lines[0][row_kernels.FIRST][0], lines[1][row_kernels.SCORE][0], *informations


def deviance(family, link, y, w, eta, shape=SHAPE):
    at = np.array([y]), np.array([w]), np.array([eta])
    return family.evaluate(row_kernels.DEVIANCE, link, shape, *at)[row_kernels.FIRST][0]


def slopes(family, link, y, w, eta):
    """Derivatives in η of the expected and the observed information of one row."""
    at = np.array([y]), np.array([w]), np.array([eta])
    both = row_kernels.EXPECTED_SLOPE, row_kernels.OBSERVED_SLOPE
    return [family.evaluate(what, link, SHAPE, *at)[row_kernels.FIRST][0] for what in both]


def etas(family, link):
    """Some η that have means of the family."""
    means = [0.09, 0.35, 0.8] if family.proportions else [0.3, 0.7, 2.4]
    eta = link.eta(np.array(means))
    return eta[np.isfinite(eta)]

"""Iterative tails of every kind, and probes that leave no Monte-Carlo error."""

from __future__ import annotations

import numpy as np
import pytest
from blocks.dense import random_theta, rows, structures

from numbamm.blocks.layout import FIRST_DENSE, Pattern
from numbamm.blocks.tail.approximation import Approximation
from numbamm.blocks.tail.iterative_tail import IterativeTail

MOST_DENSE = 8


def has_sparse_terms(terms) -> bool:
    table = Pattern.of(terms, most_dense=MOST_DENSE).table
    return table[0, FIRST_DENSE] > table[0, 1]


STRUCTURES = {name: terms for name, terms in structures().items() if has_sparse_terms(terms)}
each_structure = pytest.mark.parametrize("name", STRUCTURES)
#: Criteria: REML, and σ where it is given.
each_criterion = pytest.mark.parametrize(
    ("reml", "sigma"), [(False, 0.0), (True, 0.0), (False, 1.3)]
)


def built(name, seed=2):
    terms, xy = STRUCTURES[name], rows(seed=seed)
    layout = Pattern.of(terms, most_dense=MOST_DENSE).layout(xy.shape[1] - 1)
    return terms, xy, IterativeTail(terms, xy, layout=layout)


def all_directions(order: int) -> np.ndarray:
    """Probes that are not random: the mean of zz' over them is the identity itself."""
    return np.sqrt(order) * np.eye(order)


def exactly(name, seed=0, zero=()):
    """An approximation without Monte-Carlo error, and what it is of."""
    terms, xy, tail = built(name)
    theta = random_theta(terms, seed)
    theta[list(zero)] = 0.0
    design = tail._design
    entries = tail.joint.entries(theta)
    found = Approximation(design, entries, all_directions(design.order), (1e-13, 1e-13))
    return terms, xy, theta, tail, found


def degrees_of(xy, reml) -> np.ndarray:
    return np.array([len(xy) - (xy.shape[1] - 1 if reml else 0), int(reml)])

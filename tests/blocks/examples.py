"""DenseTail of every kind, built once a test, and their objective."""

import numpy as np
import pytest
from blocks.dense import rows, structures

from numbamm.blocks.tail.dense_tail import DenseTail

STRUCTURES = structures()
GAP = 3
each_structure = pytest.mark.parametrize("name", STRUCTURES)


def built(name, nx=3, seed=2):
    terms = STRUCTURES[name]
    xy = rows(nx=nx, seed=seed)
    return terms, xy, DenseTail(terms, xy, gap=GAP)


def evaluate(blocks, theta, xy, reml=False, sigma=0.0):
    degrees = np.array([len(xy) - (xy.shape[1] - 1 if reml else 0), int(reml)])
    return blocks.objective(theta, degrees, 0.0, sigma)


def evaluate_gradient(blocks, theta, xy, reml=False, sigma=0.0):
    degrees = np.array([len(xy) - (xy.shape[1] - 1 if reml else 0), int(reml)])
    return blocks.objective_gradient(theta, degrees, 0.0, sigma)

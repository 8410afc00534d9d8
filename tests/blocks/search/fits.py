"""Compiled fits of simulated data, and points that look like optima but are none."""

import numpy as np
from blocks.dense import dense_model, rows, term
from scipy.optimize import minimize

from numbamm.blocks.search import evaluation, newton
from numbamm.blocks.tail.dense_tail import DenseTail
from numbamm.structures.diag import Diag
from numbamm.structures.joined import Joined
from numbamm.structures.us import Us


def model_of(blocks, n, reml=False):
    layout = blocks.layout
    degrees = np.array([n - (blocks.nx if reml else 0), int(reml)])
    return evaluation.Model(
        layout.table, layout.index, blocks.A, blocks.work, blocks.adjoint, degrees, 0.0, 0.0
    )


def identity(terms):
    return np.concatenate([np.where(t.structure.is_scale, 1.0, 0.0) for t in terms])


def run(terms, xy, theta=None, many=False, nlog=0, most=1000):
    blocks = DenseTail(terms, xy)
    theta = identity(terms) if theta is None else theta.copy()
    model = model_of(blocks, len(xy))
    f, search = newton.fit(theta, model, 1e-10, 0.0, most, nlog, many)
    return theta, f, search


def simulated(terms, theta, seed=3, sigma=1.0):
    """[1, x | y] with effects drawn from the terms' covariance."""
    rng = np.random.default_rng(seed)
    xy, at = rows(len(terms[0].refs), nx=2), 0
    xy[:, -1] = sigma * rng.normal(size=len(xy))
    for t in terms:
        lam = np.zeros((t.p, t.p))
        lam.ravel()[t.structure.entries] = theta[at : at + t.structure.size]
        at += t.structure.size
        xy[:, -1] += t.toarray() @ (rng.normal(size=(t.nlevels, t.p)) @ lam.T).ravel()
    return xy


PATTERN = Joined((Us(1), Us(2)))
#: Template, and the θ that stay zero at the false point.
FALSE = {
    "full, all of it": (None, [0, 1, 2, 3, 4, 5]),
    "full, rank one": (None, [3, 4, 5]),
    "full, rank two": (None, [5]),
    "diagonal, all of it": (Diag(3), [0, 1, 2]),
    "diagonal, one of three": (Diag(3), [1]),
    "amalgamated, the single column": (PATTERN, [0]),
    "amalgamated, the pair": (PATTERN, [1, 2, 3]),
    "amalgamated, rank one of the pair": (PATTERN, [3]),
}


def false_point(name):
    """Terms, data, and a θ where the gradient vanishes although it is no minimum."""
    structure, zero = FALSE[name]
    rng = np.random.default_rng(11)
    n = 240
    one, x, w = np.ones(n), rng.normal(size=n), rng.normal(size=n)
    terms = [term("a", rng.integers(0, 20, n), one, x, w, structure=structure)]
    truth = identity(terms) + 0.2 * (1 - identity(terms))
    xy = simulated(terms, truth)
    free = np.setdiff1d(np.arange(len(truth)), zero)

    def restricted(values):
        theta = np.zeros(len(truth))
        theta[free] = values
        model = dense_model(terms, xy, theta)
        return model.objective, model.gradient[free]

    theta = np.zeros(len(truth))
    if len(free):
        start = truth[free]
        theta[free] = minimize(restricted, start, jac=True, tol=1e-12, method="BFGS").x
    return terms, xy, theta


def certificate(terms, xy, theta):
    return DenseTail(terms, xy).certify(theta, np.array([len(xy), 0]), 0.0, 0.0)[0]

"""`ScoreSandwich`: the robust covariance CR0 of a generalized model, from the scores of clusters.

With s_j the derivative of the log-likelihood of cluster j by all parameters, and H the Hessian of
the whole, H⁻¹ Σ s_j s_j' H⁻¹ is consistent as the number of clusters increases. The likelihood is a
product over clusters: the score of one is that of all rows minus that without its rows.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.threads import blas_threads
from numbamm.errors import OptionError
from numbamm.inference.fixed.wald import Wald
from numbamm.inference.robust.clusters import Clusters
from numbamm.models.varcorr import SINGULAR_TOLERANCE
from numbamm.optimize.differences import jacobian, slopes

#: Half-widths of differences, in units of a parameter's scale.
STEP = 0.002
#: Second differences take steps wider by this.
WIDER = 5.0


class ScoreSandwich(Wald):
    """The covariance of β by clusters for a generalized model, and Wald tests with it.

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
        After a full fit.
    clusters : Clusters
    kind : {"CR0"}

    References
    ----------
    White, 1982, Econometrica 50, 1; Liang & Zeger, 1986, Biometrika 73, 13.
    """

    def __init__(self, model, clusters: Clusters, kind: str) -> None:
        if kind != "CR0":
            raise OptionError(
                f'robust="{kind}" is for linear models: generalized ones have robust="CR0" alone'
            )
        if model.fit_options["fast"]:
            raise OptionError('robust="CR0" needs a full fit: refit(fast=False)')
        self.clusters, self.beta = clusters, model.estimates.beta
        x = model.optsum.final
        free = np.abs(x) > SINGULAR_TOLERANCE
        free[: len(x) - len(model.theta)] = True
        with blas_threads():
            step = _steps(model, x)
            hessian = jacobian(lambda at: _derivative(model, at, step), x, WIDER * step)
            bread = np.linalg.inv(hessian[np.ix_(free, free)] / 2)
            scores = _scores(model, clusters, x, step)[:, free]
        half = (scores @ bread)[:, : len(self.beta)]
        self.vcov = half.T @ half
        self.notes = [] if free.all() else ["Singular fit: variances of zero count as known."]

    @property
    def title(self) -> str:
        """Which covariance it is."""
        return f"robust (CR0, {self.clusters.count} clusters of {self.clusters.name})"


def _derivative(model, at, step) -> np.ndarray:
    """The gradient of -2 log-likelihood by all parameters; by differences under quadrature."""
    if model.optsum.nagq > 1:
        return slopes(model.objective_at, at, step)
    return model.objective_gradient(at)[1]


def _steps(model, x) -> np.ndarray:
    """Half-widths of differences for each parameter."""
    rank, theta = len(model.estimates.beta), len(model.theta)
    step = np.full(len(x), STEP)
    step[:rank] *= np.sqrt(np.diag(model.beta_covariance))
    step[-theta:] *= np.maximum(np.abs(x[-theta:]), 0.1)
    return step


def _scores(model, clusters: Clusters, x, step) -> np.ndarray:
    """The score of each cluster, shape (clusters, parameters)."""
    whole = _derivative(model, x, step)
    order = np.argsort(clusters.codes, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(clusters.codes))[:-1])
    without = [_derivative(model.without_rows(rows), x, step) for rows in parts]
    return (np.array(without) - whole) / 2

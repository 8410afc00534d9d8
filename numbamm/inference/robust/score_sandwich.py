"""`ScoreSandwich`: the robust covariance CR0 of a generalized model, from the scores of clusters.

With s_j the derivative of the log-likelihood of cluster j by all parameters, and H the Hessian of
the whole, H⁻¹ Σ s_j s_j' H⁻¹ is consistent as the number of clusters increases. The likelihood is a
product over clusters: the score of one is that of all rows minus that without its rows.
"""

from __future__ import annotations

from copy import copy

import numpy as np

from numbamm.blocks.threads import blas_threads
from numbamm.errors import OptionError
from numbamm.inference.fixed.wald import Wald
from numbamm.inference.marginal.all_parameters import derivative, inverse_information, whitened
from numbamm.inference.robust.clusters import Clusters


class ScoreSandwich(Wald):
    """The covariance of β by clusters for a generalized model, and Wald tests with it.

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
        After a full fit.
    clusters : Clusters
    kind : {"CR0"}

    Attributes
    ----------
    whole : tuple of ndarray and list of str
        The robust covariance of all parameters, and what counts as known.

    References
    ----------
    White, 1982, Econometrica 50, 1; Liang & Zeger, 1986, Biometrika 73, 13.
    """

    def __init__(self, model, clusters: Clusters, kind: str) -> None:
        if kind != "CR0":
            raise OptionError(
                f'robust="{kind}" is for linear models: generalized ones have robust="CR0" alone'
            )
        if model.fit_options.get("fast"):
            raise OptionError('robust="CR0" needs a full fit: refit(fast=False)')
        self.clusters, self.beta = clusters, model.estimates.beta
        bread, self.notes = inverse_information(model)
        with blas_threads():
            half = _scores(model, clusters) @ bread
        self.whole = half.T @ half, self.notes
        if model.has_categories:  # the location's, with an intercept for the mean threshold
            size = len(model.coefficients)
            change = model.columns.of_feterm
            self.vcov = change @ self.whole[0][:size, :size] @ change.T
        else:
            self.vcov = self.whole[0][: len(self.beta), : len(self.beta)]
        self.title = f"robust (CR0, {clusters.count} clusters of {clusters.name})"

    def of_parts(self, model) -> ScoreSandwich:
        """The same for the coefficients of all parts of an ordinal model."""
        other, size = copy(self), len(model.coefficients)
        other.beta, other.vcov = model.coefficients, self.whole[0][:size, :size]
        return other


def _scores(model, clusters: Clusters) -> np.ndarray:
    """The score of each cluster, shape (clusters, parameters)."""
    x, root = model.optsum.final, whitened(model).laplace.root
    order = np.argsort(clusters.codes, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(clusters.codes))[:-1])
    without = [derivative(model.without_rows(rows), x, root) for rows in parts]
    return (np.array(without) - derivative(model, x, root)) / 2

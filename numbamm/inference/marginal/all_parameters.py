"""`ParameterCovariance`: all parameters of a fit and their covariance, for the delta method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numbamm.blocks.threads import blas_threads
from numbamm.inference.fixed.backtransform import BackTransform
from numbamm.models.spaces.generalized_space import LOG_SCALE
from numbamm.models.varcorr import SINGULAR_TOLERANCE
from numbamm.optimize.differences import jacobian, slopes

#: Half-widths of differences of the objective, in standard errors or as a share of θ.
STEP = 0.002
#: Differences of the gradient, and of differences, take steps wider by this.
WIDER = 5.0
#: Half-width of differences of the user's θ by scaled ones, as a share of these.
THETA_STEP = 1e-6


@dataclass(frozen=True)
class ParameterCovariance:
    """The parameters x = (β, ..., θ) of a fit, and what is known of their errors.

    Attributes
    ----------
    x : ndarray, shape (parameters,)
        The kept coefficients, then the logarithm of a dispersion or a shape, then θ. Of linear
        models, and of fast fits, the coefficients alone: the others count as known.
    covariance : ndarray, shape (parameters, parameters)
        Zero for those that count as known.
    notes : list of str
        What counts as known.
    """

    x: np.ndarray
    covariance: np.ndarray
    notes: list[str]

    @classmethod
    def of(cls, model, method) -> ParameterCovariance:
        """The parameters of a fitted model.

        Parameters
        ----------
        model : MixedModel
        method : object
            The method of degrees of freedom, with the covariance of β that it uses.
        """
        beta = model.estimates.beta
        if model.is_linear and not BackTransform(model).steps:
            return cls(beta, method.vcov, [])  # means do not depend on variances
        if model.is_linear or model.fit_options["fast"]:
            known = ["Standard errors take the variances of the random effects as known."]
            return cls(beta, method.vcov, known)
        whole = getattr(method, "whole", None)
        if whole is None:
            cache = vars(model.estimates)
            if "_whole" not in cache:
                cache["_whole"] = inverse_information(model)
            whole = cache["_whole"]
        covariance, notes = whole
        return cls(model.optsum.final, covariance, notes)


def inverse_information(model) -> tuple[np.ndarray, list[str]]:
    """The inverse of the observed information about all parameters of a full generalized fit.

    Differences are taken in coordinates in which coefficients are whitened, so that neither the
    units of a column nor its distance from zero matter.

    Returns
    -------
    covariance : ndarray, shape (parameters, parameters)
        Zero for variances that are estimated as zero, and for parameters at an end of their range,
        which count as known. NaN if the information is not positive definite.
    notes : list of str
    """
    x, notes = model.optsum.final, []
    first, rank = len(x) - len(model.theta), len(model.parameters_of(x).beta)
    free = np.ones(len(x), dtype=bool)
    free[first:] = np.abs(x[first:]) > SINGULAR_TOLERANCE
    if not free.all():
        notes.append("Singular fit: variances of zero count as known.")
    free[[rank + place for place in model.flat_places]] = False
    said = dict.fromkeys(flat.words for flat in model.flat_parts)
    notes += [f"{words[0].upper()}{words[1:]}." for words in said]
    covariance, change = np.zeros((len(x), len(x))), None
    with blas_threads():
        space = whitened(model)
        z = space.to_scaled(x)
        step = WIDER * _steps(z, first, rank)
        information = jacobian(lambda at: _slopes(space, at), z, step) / 2
        change = _change(space, z, first)[:, free]
        try:
            half = np.linalg.inv(np.linalg.cholesky(information[np.ix_(free, free)]))
        except np.linalg.LinAlgError:
            unknown = "The Hessian of the objective is not positive definite: no standard errors."
            return np.full_like(covariance, np.nan), [*notes, unknown]
    root = change @ half.T
    return root @ root.T, notes


def whitened(model):
    """The search space of a full fit's parameters, in which coefficients are whitened."""
    root = model.whitened_space()[0].laplace.root
    return model.space_of(model.parameters_of(model.optsum.final), model.optsum.nagq, root=root)


def derivative(model, x, root) -> np.ndarray:
    """The gradient of -2 log-likelihood by all parameters; by differences under quadrature.

    `root` whitens the coefficients, as that of `whitened`.
    """
    with blas_threads():
        space = model.space_of(model.parameters_of(x), model.optsum.nagq, root=root)
        return space.user_gradient(x, _slopes(space, space.to_scaled(x)))


def _slopes(space, z) -> np.ndarray:
    """The gradient in the coordinates of a space."""
    if space.gradient is not None:
        return space.gradient(z)[1]
    rank, theta = len(space.parameters.beta), len(space.parameters.theta)
    return slopes(space.objective, z, _steps(z, len(z) - theta, rank))


def _steps(z, first: int, rank: int) -> np.ndarray:
    """Half-widths of differences for whitened coefficients, and for θ, which begin at `first`."""
    step = np.full(len(z), STEP)
    step[rank:first] *= LOG_SCALE
    step[first:] *= np.maximum(np.abs(z[first:]), 0.1)
    return step


def _change(space, z, first: int) -> np.ndarray:
    """The derivatives of the user's parameters by coordinates of a space."""
    columns = []
    for j in range(len(z)):  # linear but for θ
        step = 1.0 if j < first else THETA_STEP * max(abs(z[j]), 0.1)
        ends = [space.to_user(z + sign * step * (np.arange(len(z)) == j)) for sign in (1, -1)]
        columns.append((ends[0] - ends[1]) / (2 * step))
    return np.array(columns).T

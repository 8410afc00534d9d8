"""Standard errors of replicates, and intervals of studentised estimates (bootstrap-t).

With t* = (u* - û) / se* of the replicates, the interval of u is from û - t*_(1-α/2) se to
û - t*_(α/2) se. Variance parameters are on scales without bounds, with standard errors by the delta
method from the curvature of the criterion.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from numbamm.errors import NumbammError, OptionError
from numbamm.inference.fixed import ddf as degrees
from numbamm.inference.profiling.variance_scales import VarianceScales

#: With fewer replicates that have a standard error there is no interval.
FEWEST = 10


def names_of_errors(model) -> list[str]:
    """The columns of a bootstrap's frame that have standard errors: all but the objective and θ."""
    beta = [f"beta_{name}" for name in model.kept_coefficients]
    parts = [] if model.composition is None else model.part_lines.names
    return [*beta, *parts, *VarianceScales(model).names]


def standard_errors(model) -> np.ndarray:
    """Standard errors of a fit in the order of `names_of_errors`; NaN where there is none."""
    with np.errstate(all="ignore"):
        errors = [np.sqrt(np.diag(degrees.coefficient_method(model, "wald").vcov))]
        if model.composition is not None:
            errors.append(np.sqrt(np.diag(model.part_covariance)[model.feterm.rank :]))
    scales = VarianceScales(model)
    try:
        errors.append(scales.curvature()[1])
    except (NumbammError, ArithmeticError, np.linalg.LinAlgError):
        errors.append(np.full(len(scales.names), np.nan))
    return np.concatenate(errors)


def errors_at_blocks(twin, blocks, theta, objective: float, sigma: float, n: int) -> np.ndarray:
    """`standard_errors` of a linear model from blocks that are factorised at its estimates.

    Parameters
    ----------
    twin : LinearMixedModel
        A twin of the model of all replicates, which is changed.
    blocks
        With the A of a replicate.
    theta : ndarray
    objective, sigma : float
    n : int
        Number of rows of the replicate.
    """
    root = twin.feterm.to_basis @ np.linalg.inv(blocks.x_factor()).T
    estimates = replace(
        twin.estimates, covariance=sigma**2 * root @ root.T, sigma=sigma, objective=objective
    )
    if n != twin.nobs:
        twin.frame = replace(twin.frame, y=np.empty(n))
    twin.blocks = blocks
    twin.set_estimates(theta, estimates)
    return standard_errors(twin)


def limits(model, names: list[str], values, errors, alpha: float) -> dict[str, tuple[float, float]]:
    """The interval of each parameter with standard errors.

    Parameters
    ----------
    model : MixedModel
        The fitted model of the replicates.
    names : list of str
        See `names_of_errors`.
    values : pandas.DataFrame
        The replicates' estimates; those of the fit in the last row.
    errors : ndarray, shape (replicates, number of names)
    alpha : float
        One minus the coverage.
    """
    scales = VarianceScales(model)
    head = len(names) - len(scales.names)
    u = np.array(values[names], dtype=float)
    u[:, head:] = [scales.unbounded(row) for row in u[:, head:]]
    estimate, error = u[-1], standard_errors(model)
    with np.errstate(all="ignore"):
        t = (u[:-1] - estimate) / errors
    ends = np.full((2, len(names)), np.nan)
    for k, column in enumerate(t.T):
        column = column[np.isfinite(column)]
        if len(column) >= FEWEST:
            high, low = np.quantile(column, [1 - alpha / 2, alpha / 2])
            ends[:, k] = estimate[k] - high * error[k], estimate[k] - low * error[k]
    for end in ends:
        end[head:] = scales.bounded(end[head:])
    return dict(zip(names, ends.T, strict=True))


def refuse_without_errors(errors, model) -> None:
    """Refuse replicates that have no standard errors, or whose model is not at hand.

    Raises
    ------
    OptionError
    """
    if errors is None:
        raise OptionError(
            'method="studentised" needs the standard errors of the replicates: '
            "bootstrap(..., errors=True)"
        )
    if model is None:
        raise OptionError('method="studentised" needs the model, which files do not have')

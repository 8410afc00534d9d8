"""`residual_parameters`: estimates of the residuals' covariance, with standard errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtri

from numbamm.blocks.threads import blas_threads
from numbamm.elsewhere import names_arguments
from numbamm.errors import OptionError
from numbamm.inference.random.components import SIGMA
from numbamm.inference.random.residual_parameters import ResidualParameters
from numbamm.options import valid_alpha
from numbamm.report.digits import coverage
from numbamm.report.result import Result


@names_arguments
def residual_parameters(model, *, alpha: float = 0.05) -> Result:
    """Standard deviations, correlations, ranges and so on of residuals with a structure.

    Parameters
    ----------
    model : LinearMixedModel
        A fitted model with ``residual=`` or ``dispersion=``.
    alpha : float
        One minus the coverage of the intervals.

    Returns
    -------
    Result
        A row for each parameter: ``estimate, se, lower, upper``. ``sigma`` is the standard
        deviation of a row whose dispersion is one; with a standard deviation for each visit, the
        first one.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        The residuals have no structure, or `alpha` is not between 0 and 1.

    See Also
    --------
    LinearMixedModel.conf_int : Also by profile likelihood and bootstrap.
    LinearMixedModel.varcorr : With the matrix of the visits.
    profile : The likelihood of one of them.

    Notes
    -----
    Standard errors are from the curvature of the criterion that was minimised, by the delta method.
    Intervals are normal on scales without bounds: the logarithm of standard deviations and ranges,
    the logit between their bounds for correlations. A parameter at its bound has neither, nor has
    one in which the criterion is flat.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> m = mm.lmm("Reaction ~ Days + (1 | Subject)", sleep, residual="ar1(Days | Subject)")
    >>> m.residual_parameters().frame.loc["rho", ["estimate", "se"]].round(3).to_list()
    [0.641, 0.091]
    """
    _, alpha = model.estimates, valid_alpha(alpha)
    side = model.residual_side
    if side is None:
        raise OptionError(
            "the model's residuals have no structure, so that σ is their only parameter: write "
            'residual="ar1(time | subject)" or dispersion="~ x" for the fit'
        )
    from numbamm.inference.profiling.residual_surface import ResidualSurface

    own, z = ResidualParameters(side), ndtri(1 - alpha / 2)
    with blas_threads(), np.errstate(all="ignore"):
        surface = ResidualSurface(model)
        estimate = own.values(side.phi, model.sigma)
        se = surface.standard_errors(surface.residual_values)
        scaled = own.unbounded(estimate)
        half = z * surface.standard_errors(lambda x: own.unbounded(surface.residual_values(x)))
        limits = own.bounded(scaled - half), own.bounded(scaled + half)
    columns = [estimate, se, *limits]
    names = [name.removesuffix("|Residual") for name in own.names]
    if SIGMA in surface.sizes:
        names.insert(0, SIGMA)
        error = float(surface.standard_errors(lambda x: np.log(surface.user_sigma(x))))
        ends = model.sigma * np.exp([0.0, -z * error, z * error])
        first = [model.sigma, model.sigma * error, *ends[1:]]
        columns = [np.insert(column, 0, x) for column, x in zip(columns, first, strict=True)]
    met = own.are_at_bounds(estimate)
    frame = pd.DataFrame(
        dict(zip(("estimate", "se", "lower", "upper"), columns, strict=True)), index=names
    )
    notes = [f"{coverage(alpha)} intervals.", *side.notes]
    at_bounds = [name for name, one in zip(names[len(names) - len(met) :], met, strict=True) if one]
    if at_bounds:
        frame.loc[at_bounds, ["se", "lower", "upper"]] = np.nan
        notes.append(f"At its bound: {', '.join(at_bounds)}.")
    if side.bounds_met():
        frame[["se", "lower", "upper"]] = np.nan
        notes += [f"At its bound: {words}." for words in side.bounds_met()]
    elif unknown := frame.index[frame["se"].isna() & ~frame.index.isin(at_bounds)].tolist():
        notes.append(f"The data hardly determine {', '.join(unknown)}: see profile().")
    return Result(f"Residuals: {side.text}", frame, notes)

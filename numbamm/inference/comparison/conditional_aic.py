"""`conditional_aic`: Akaike's criterion for predictions of the groups that were observed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from numbamm.blocks.threads import blas_threads
from numbamm.elsewhere import names_arguments
from numbamm.errors import DataError, OptionError
from numbamm.inference.comparison.fits import mixed_model
from numbamm.models.varcorr import SINGULAR_TOLERANCE
from numbamm.report.result import Result

#: Half-widths of differences by θ, as a share of it or of a tenth.
STEP = 1e-4


@names_arguments
def conditional_aic(model) -> Result:
    """The conditional AIC of a linear mixed model.

    It is about new responses of the same levels, whose random effects are predicted; `aic` is about
    new levels.

    Parameters
    ----------
    model : LinearMixedModel
        A fitted model, by maximum likelihood or REML.

    Returns
    -------
    Result
        One row: ``llf``, the log-likelihood given the predicted random effects; ``df``, the
        effective degrees of freedom, with one for σ; and ``caic``, -2 llf + 2 df.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        The model is a generalized one, or σ is given, or residuals are correlated.
    DataError
        The rows of the model are not in memory.

    See Also
    --------
    information_criteria : AIC and BIC of the marginal likelihood.
    cross_validate : Predictions of rows that a fit has not seen.

    Notes
    -----
    The degrees of freedom are tr(∂ŷ/∂y) + 1, which counts that θ̂ depends on y: the trace of the hat
    matrix at θ̂, minus tr(H⁻¹ G'F) with F = ∂ŷ/∂θ, H the Hessian of the objective by θ, and G its
    mixed derivatives by θ and y. Variances that are estimated as zero count as known.

    References
    ----------
    Greven & Kneib, 2010, Biometrika 97, 773.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> slopes = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
    >>> means = mm.lmm("Reaction ~ Days + (1 | Subject)", sleep)
    >>> [round(float(mm.conditional_aic(m).frame["caic"].iloc[0])) for m in (slopes, means)]
    [1712, 1767]
    """
    at = mixed_model(model).estimates
    if not model.is_linear:
        raise OptionError("conditional_aic is for linear models; cross_validate() is for all")
    if model.is_streamed:
        raise DataError("the rows of the model have streamed by, and have no fitted values")
    if at.sigma_given or getattr(model, "residual_side", None) is not None:
        raise OptionError("conditional_aic is for independent residuals with an estimated variance")
    w = np.ones(model.nobs) if model.frame.weights is None else model.frame.weights
    hat = float(np.nansum(model.leverage()))
    moved, free = _moved_by_theta(model, w)
    degrees = hat + moved + 1.0
    residual = model.frame.y - at.fitted
    llf = -0.5 * float(np.sum(np.log(2 * np.pi * at.sigma**2 / w) + w * residual**2 / at.sigma**2))
    line = {"llf": llf, "df": degrees, "caic": -2 * llf + 2 * degrees}
    notes = [] if free else ["Singular fit: variances of zero count as known."]
    frame = pd.DataFrame([line], index=["model"])
    return Result(f"Conditional AIC: {model.formula}", frame, notes, headings={"caic": "cAIC"})


def _moved_by_theta(model, w) -> tuple[float, bool]:
    """tr((∂ŷ/∂θ)(∂θ̂/∂y)), and whether no θ is at its bound."""
    theta = model.theta
    unbounded = np.isinf(model.optsum.lowerbd[-len(theta) :])
    free = np.flatnonzero((theta > SINGULAR_TOLERANCE) | unbounded)
    if not len(free):
        return 0.0, False
    H = model.hessian()[np.ix_(free, free)]
    F, G = np.empty((model.nobs, len(free))), np.empty((model.nobs, len(free)))
    twin = model.twin()
    with blas_threads():
        for column, k in enumerate(free):
            step, ends = STEP * max(abs(theta[k]), 0.1), []
            for sign in (1, -1):
                there = theta.copy()
                there[k] += sign * step
                at = twin.estimate_at(there).estimates
                ends.append((at.fitted, 2 * w * (model.frame.y - at.fitted) / at.sigma**2))
            F[:, column] = (ends[0][0] - ends[1][0]) / (2 * step)
            G[:, column] = (ends[0][1] - ends[1][1]) / (2 * step)
    return -float(np.trace(np.linalg.solve(H, G.T @ F))), len(free) == len(theta)

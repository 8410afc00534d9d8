"""`conditional_aic`: Akaike's criterion for predictions of the groups that were observed."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import bernoulli, poisson

from numbamm.blocks.threads import blas_threads
from numbamm.elsewhere import names_arguments
from numbamm.errors import DataError, OptionError
from numbamm.inference.comparison.caic_by_refits import FAMILIES, degrees_by_refits
from numbamm.inference.comparison.fits import mixed_model
from numbamm.models.varcorr import SINGULAR_TOLERANCE
from numbamm.report.result import Result

#: Half-widths of differences by θ, as a share of it or of a tenth.
STEP = 1e-4
SINGULAR = "Singular fit: variances of zero count as known."


@names_arguments
def conditional_aic(model, *, workers=1, progress: bool | None = None) -> Result:
    """The conditional AIC of a linear model, of Poisson counts or of events.

    It is about new responses of the same levels, whose random effects are predicted; `aic` is about
    new levels.

    Parameters
    ----------
    model : MixedModel
        A fitted model: a linear one, by maximum likelihood or REML; or one of the families poisson
        and bernoulli, which takes a fit for each row, but for rows without counts.
    workers, progress
        Of these fits, as for `bootstrap`.

    Returns
    -------
    Result
        One row: ``llf``, the log-likelihood given the predicted random effects; ``df``, the
        effective degrees of freedom, with one for the σ of a linear model; and ``caic``,
        -2 llf + 2 df.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        The model is of another family, or has weights or several parts; σ is given, or residuals
        are correlated.
    FitError
        A fit to a changed response failed.
    DataError
        The rows of the model are not in memory.

    See Also
    --------
    information_criteria : AIC and BIC of the marginal likelihood.
    cross_validate : Predictions of rows that a fit has not seen.

    Notes
    -----
    The degrees of freedom of a linear model are tr(∂ŷ/∂y) + 1, which counts that θ̂ depends on y:
    the trace of the hat matrix at θ̂, minus tr(H⁻¹ G'F) with F = ∂ŷ/∂θ, H the Hessian of the
    objective by θ, and G its mixed derivatives by θ and y. Variances that are estimated as zero
    count as known. Those of counts and events are Σ Cov(θ̂_i, y_i), θ_i the natural parameter of
    the conditional mean, estimated by fits in which one response is changed.

    References
    ----------
    Greven & Kneib, 2010, Biometrika 97, 773; Säfken, Kneib, van Waveren & Greven, 2014, Electron.
    J. Stat. 8, 201; Efron, 2004, J. Am. Stat. Assoc. 99, 619.

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
    if model.is_streamed:
        raise DataError("the rows of the model have streamed by, and have no fitted values")
    if not model.is_linear:
        return _generalized(model, workers, progress)
    if at.sigma_given or getattr(model, "residual_side", None) is not None:
        raise OptionError("conditional_aic is for independent residuals with an estimated variance")
    w = np.ones(model.nobs) if model.frame.weights is None else model.frame.weights
    hat = float(np.nansum(model.leverage()))
    moved, free = _moved_by_theta(model, w)
    degrees = hat + moved + 1.0
    residual = model.frame.y - at.fitted
    llf = -0.5 * float(np.sum(np.log(2 * np.pi * at.sigma**2 / w) + w * residual**2 / at.sigma**2))
    return _table(model, llf, degrees, [] if free else [SINGULAR])


def _generalized(model, workers, progress) -> Result:
    """The conditional AIC of Poisson counts or of events, by refits."""
    family = model.family
    if family not in FAMILIES or model.composition is not None or model.has_categories:
        raise OptionError(
            "conditional_aic is for linear models and the families poisson and bernoulli, without "
            "further parts: of others the degrees of freedom are not known; cross_validate() is "
            "for all"
        )
    if model.frame.weights is not None:
        raise OptionError("conditional_aic is for rows without weights: give each event a row")
    y, mu = model.frame.y, model.estimates.fitted
    llf = float(np.sum(poisson.logpmf(y, mu) if family == "poisson" else bernoulli.logpmf(y, mu)))
    return _table(model, llf, degrees_by_refits(model, workers, progress), [])


def _table(model, llf: float, degrees: float, notes: list[str]) -> Result:
    line = {"llf": llf, "df": degrees, "caic": -2 * llf + 2 * degrees}
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

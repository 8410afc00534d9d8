"""Whether a residual variance can be estimated from the data, and in double precision."""

from __future__ import annotations

import numpy as np

from numbamm.errors import FitError, warn

#: Rounding errors of the objective from which estimates suffer, and from which they mean nothing.
#: Along a flat direction an error e moves an estimate by some √(2e) standard errors.
DOUBTFUL, MEANINGLESS = 1e-5, 1e-2

#: Rounding errors that are larger than in most fits; from here on it is looked whether the residual
#: variance vanishes: whether a third of its root, with the same effects, is as likely.
STEEP, AS_LIKELY = 1e-9, 1e-5

#: Up to so many rows it is looked whether the effects of a model fit any response.
MOST_ROWS = 1000

#: Up to so many rows a warning says that there may be several maxima, where effects of several
#: standard deviations fit any response; or but for so many degrees of freedom, where rounding
#: errors are large as well.
SMALL, FEW = 100, 3


def check_residual_variance(model, variance: float) -> None:
    """Warn, or refuse the fit, where the residual variance drowns in rounding errors.

    r² is what is left of y'y when the blocks of the factor have been subtracted, and is wrong by
    rounding errors of y'y, however small it is itself. That is d ε y'y / r² of the objective.

    Parameters
    ----------
    model : LinearMixedModel
        At its estimates.
    variance : float
        The residual variance in units of the response's, less what X explains.

    Raises
    ------
    FitError
        The rounding errors exceed the differences that the estimates need.

    Warns
    -----
    NumbammWarning
        They can be seen in the estimates, or the likelihood has no maximum, or one only in the
        limit of no residual variance; or it may well have several.
    """
    error = np.inf
    if variance > 0:
        error = model.degrees * np.finfo(float).eps / variance
    if error > DOUBTFUL:
        terms = ", ".join(dict.fromkeys(t.group for t in model.reterms)) or "the fixed effects"
        share = f"{np.sqrt(max(variance, 0.0)):.1g} times"
        reason = (
            f"the residual standard deviation is {share} that of the response, which the levels of "
            f"{terms} explain all but exactly: "
        )
        remedy = "fit the averages of the levels instead, by a model without that term"
        related = [t for t in model.reterms if t.relation is not None]
        if any(t.relation.rank < t.nlevels for t in related) and not model.optsum.reml:
            remedy = (
                "a known covariance is singular, so that with the fixed effects it fits any "
                "response: fit by REML, or add a little to its diagonal"
            )
        if error > MEANINGLESS:
            raise FitError(
                f"{reason}in double precision it cannot be distinguished from zero; {remedy}"
            )
        warn(f"{reason}rounding errors can be seen in variances and standard errors; {remedy}")
    elif error > STEEP and _vanishes(model, error):
        warn(
            "the likelihood is as high with a third of the residual standard deviation: the random "
            "effects explain the response all but exactly, and the residual variance has no "
            "estimate but zero; leave out a term"
        )
    elif is_unbounded(model):
        warn(
            "the fixed and random effects together fit any response exactly, so that the "
            "likelihood grows without limit as the residual variance vanishes, and the estimates "
            "are those of a local maximum at best: leave out a term, or fit by REML"
        )
    elif (left := residual_rank(model)) <= (FEW if error > STEEP else 0):
        plural = "" if left == 1 else "s"
        fitted = f"all but {left} degree{plural} of freedom" if left else "any response"
        warn(
            f"the fixed and random effects together fit {fitted} exactly, so that the likelihood "
            "may have several maxima, of which the highest that was found is kept: compare "
            "searches by allfit(), or leave out a term"
        )


def _vanishes(model, error: float) -> bool:
    """Whether a third of the residual standard deviation is as likely, up to rounding errors."""
    x = model.x.copy()
    x[len(x) - len(model.theta) :] *= 3
    rise = model.objective_at(x) - model.optsum.fmin
    return rise < AS_LIKELY + 2 * 3**2 * error


def is_unbounded(model) -> bool:
    """Whether the likelihood grows without limit as an unknown residual variance vanishes."""
    return not model.optsum.reml and model.optsum.sigma is None and fits_anything(model)


def fits_anything(model) -> bool:
    """Whether [Z X] has the rank of the number of rows, but Z has not, for some of the effects.

    Those of one term or of several, in each term of columns that are correlated or of one.
    """
    if not _has_many_effects(model, MOST_ROWS):
        return False
    return _some_fit_anything(_parts(model), model.feterm.basis)


def residual_rank(model) -> float:
    """Degrees of freedom that all effects together leave in a model of few rows: n - rank [Z X].

    Infinite where there are many, or a single standard deviation besides the residual one, or that
    is known.
    """
    several = sum(term.p for term in model.reterms) > 1 and model.optsum.sigma is None
    several &= all(term.relation is None for term in model.reterms)
    if not several or not _has_many_effects(model, SMALL, FEW):
        return np.inf
    whole = np.hstack([*_parts(model), model.feterm.basis])
    return model.nobs - int(np.linalg.matrix_rank(whole))


def _has_many_effects(model, most: int, left: int = 0) -> bool:
    """Whether the number of effects allows that they leave so few degrees of freedom of the rows.

    Of at most so many rows.
    """
    n, rank = model.nobs, model.feterm.rank
    if model.is_streamed:
        return False
    if n != len(model.feterm.basis):  # a twin without some rows, whose columns are those of all
        return False
    return n - rank - left <= sum(t.p * t.nlevels for t in model.reterms) and n <= most


def _parts(model) -> list[np.ndarray]:
    """Columns of Z, apart for each set of effects that are correlated."""
    return [
        np.hstack([_indicators(term, term.z[j]) for j in block])
        for term in model.scaled.terms
        for block in term.structure.unrestricted
    ]


def _indicators(term, z) -> np.ndarray:
    """A column of z for each level, shape (n, number of levels)."""
    columns = np.zeros((len(z), term.nlevels))
    columns[np.arange(len(z)), term.refs] = z
    return columns if term.relation is None else columns @ term.relation.root


def _some_fit_anything(parts, X) -> bool:
    """Whether [Z X] has full rank, but Z has not, for some of these parts of Z."""
    n = len(X)
    if not parts or sum(part.shape[1] for part in parts) + X.shape[1] < n:
        return False
    Z = np.hstack(parts)
    if np.linalg.matrix_rank(np.hstack([Z, X])) < n:
        return False
    return np.linalg.matrix_rank(Z) < n or any(
        _some_fit_anything(parts[:k] + parts[k + 1 :], X) for k in range(len(parts))
    )

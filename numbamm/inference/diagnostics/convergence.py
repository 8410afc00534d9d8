"""`check_convergence`: whether the search for the estimates ended at a minimum."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from numbamm.blocks.threads import blas_threads
from numbamm.elsewhere import names_arguments
from numbamm.models.fitting.ending import NEGLIGIBLE
from numbamm.models.mixedmodel import SINGULAR_TOLERANCE
from numbamm.optimize.local_minimum import is_minimum
from numbamm.optimize.newton_step import newton_step
from numbamm.optimize.run import CUT_SHORT
from numbamm.report.result import Result

#: Condition numbers above this mean that the data hardly tell some parameters apart.
ILL_CONDITIONED = 1e4
#: Up to this number, singular directions are listed in the notes.
FEW = 2


@dataclass(repr=False)
class Convergence(Result):
    """The shape of the objective at the estimates.

    Attributes
    ----------
    converged : bool
        Whether the estimates are at a local minimum: a further step would not lower the objective
        by more than a negligible amount.
    gradient : pandas.Series
        Derivatives of the objective with respect to the parameters of the fit, ``optsum.names``,
        without those with equal bounds.
    scaled_gradient : float
        The largest derivative along an eigenvector of the Hessian, divided by the square root of
        the eigenvalue.
    gain : float
        By how much a Newton step would lower the objective.
    condition : float
        Ratio of the largest to the smallest eigenvalue of the Hessian, scaled to a diagonal of
        ones; infinite if the Hessian is not positive definite.
    singular : dict of str to list of str
        For each random-effects term the linear combinations of its effects without variance.

    See Also
    --------
    check_convergence : Makes one.
    Result : The table, and what all results have.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> shape = m.check_convergence()
    >>> shape.converged, bool(shape.gain < 1e-6)
    (True, True)
    """

    converged: bool = field(kw_only=True)
    gradient: pd.Series = field(kw_only=True)
    scaled_gradient: float = field(kw_only=True)
    gain: float = field(kw_only=True)
    condition: float = field(kw_only=True)
    singular: dict[str, list[str]] = field(kw_only=True)

    def shown(self) -> pd.DataFrame:
        """The numbers one below the other, with descriptions."""
        [line] = self.frame.itertuples()
        largest = f"{line.largest_gradient:.2g} ({line.largest_at})" if line.largest_at else "none"
        singular = [f"{len(several)} in {term}" for term, several in self.singular.items()]
        known = not np.isinf(line.condition)
        shown = {
            "Optimizer": line.optimizer,
            "Evaluations": f"{line.evaluations}, restarts {line.restarts}",
            "Outcome": line.outcome,
            "Objective": f"{line.objective:.6f}, from {line.initial_objective:.6f}",
            "Largest gradient": largest,
            "Largest scaled gradient": f"{line.scaled_gradient:.2g}",
            "Gain of a Newton step": f"{line.gain:.2g}",
            "Condition of the Hessian": f"{line.condition:.3g}"
            if known
            else "not positive definite",
            "Singular directions": "; ".join(singular) or "none",
        }
        if not np.isnan(line.certificate):
            verdict = "a local minimum" if is_minimum(line.certificate) else "no local minimum"
            shown["Certificate"] = f"{line.certificate:.2g} ({verdict})"
        return pd.DataFrame({"value": shown})


@names_arguments
def check_convergence(model) -> Convergence:
    """Check whether the search for the estimates ended at a minimum, with advice if it did not.

    Parameters
    ----------
    model : MixedModel
        A fitted model; it is not changed.

    Returns
    -------
    Convergence
        The table shows the optimiser, evaluations, restarts and the outcome; the largest element
        of the gradient, unscaled and scaled, and by how much a Newton step would lower the
        objective; the condition of the Hessian; singular directions, and the certificate of a
        singular fit. The frame has the same in one row. Series and lists are attributes.

    Raises
    ------
    NotFittedError
        Before the fit.

    See Also
    --------
    allfit : The same model by several optimisers.
    LinearMixedModel.is_singular : Whether a variance is zero.

    Notes
    -----
    The Hessian is computed by differences of the exact gradient, or of the objective itself with
    quadrature, in scaled coordinates. With gradient g and Hessian H, a Newton step lowers the
    objective by ½ g'H⁻¹g; the square root of this is the distance to the minimum in standard
    errors. At a singular fit the gradient is zero in some directions even if it is no minimum;
    there the certificate decides, see `OptSummary`. Whether there is a lower minimum elsewhere
    cannot be seen from here: `allfit` searches in other ways.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> mm.check_convergence(m).converged
    True
    """
    _ = model.estimates
    optsum = model.optsum
    free = np.flatnonzero(optsum.lowerbd < optsum.upperbd)
    space = model.space
    with blas_threads():
        slopes, curvature = space.derivatives(space.to_scaled(optsum.final))
    user_slopes = space.user_gradient(optsum.final, slopes)
    scaled, gain, condition, falls = newton_step(slopes[free], curvature[np.ix_(free, free)])
    falls = falls or (optsum.certificate is not None and not is_minimum(optsum.certificate))
    result = Convergence(
        f"Convergence: {model.formula}",
        pd.DataFrame(),
        converged=bool(gain <= NEGLIGIBLE and not falls),
        gradient=pd.Series(user_slopes, index=optsum.names).iloc[free],
        scaled_gradient=scaled,
        gain=gain,
        condition=condition,
        singular=_singular_directions(model),
    )
    result.frame = pd.DataFrame([_row(optsum, result)])
    result.notes = _advice(optsum, result, falls)
    return result


def _row(optsum, result: Convergence) -> dict:
    """The row of the frame."""
    slopes, certificate = result.gradient.abs().dropna(), optsum.certificate
    return {
        "optimizer": optsum.used,
        "evaluations": optsum.feval,
        "restarts": optsum.restarts,
        "outcome": optsum.returnvalue,
        "initial_objective": optsum.finitial,
        "objective": optsum.fmin,
        "largest_gradient": slopes.max() if len(slopes) else np.nan,
        "largest_at": slopes.idxmax() if len(slopes) else None,
        "scaled_gradient": result.scaled_gradient,
        "gain": result.gain,
        "condition": result.condition,
        "singular": sum(map(len, result.singular.values())),
        "certificate": np.nan if certificate is None else certificate,
        "converged": result.converged,
    }


def _singular_directions(model) -> dict[str, list[str]]:
    """For each term the linear combinations of its effects without variance, as text."""
    directions: dict[str, list[str]] = {}
    for term in model.reterms:
        size = term.root_mean_squares(model.scaled.root)
        size = np.where(size > 0, size, 1.0)
        vectors, sd, _ = np.linalg.svd(size[:, None] * term.lambda_)
        for vector in vectors.T[sd < SINGULAR_TOLERANCE]:
            weights = vector * size
            weights = weights / weights[np.abs(weights).argmax()]
            parts = [
                f"{w:+.2g} {name}"
                for w, name in zip(weights, term.cnames, strict=True)
                if abs(w) > 0.005
            ]
            text = " ".join(parts).replace("+1 ", "+").removeprefix("+")
            directions.setdefault(_name(term), []).append(text)
    return directions


def _name(term) -> str:
    """A short name of a term, ``(Intercept, Days | Subject)``."""
    names = [*term.cnames[:2], "…", term.cnames[-1]] if term.p > 4 else term.cnames
    return f"({', '.join(names)} | {term.group})"


def _advice(optsum, result: Convergence, falls: bool) -> list[str]:
    """Notes on what the numbers mean and what to do."""
    notes = []
    another = "refit(optimizer=...) with another optimiser, or compare them by allfit()."
    if optsum.returnvalue in CUT_SHORT:
        notes.append(
            "The search was stopped by a limit: raise optsum.maxfeval or maxtime, and refit()."
        )
    elif optsum.returnvalue.startswith("FAILURE"):
        notes.append(
            "The optimiser reported a failure; the point where it ended may still be the minimum."
        )
    if falls:
        notes.append(f"No local minimum: the objective falls in some direction. {another}")
    elif np.isnan(result.gain):
        notes.append(f"The objective does not exist everywhere near the estimates. {another}")
    elif not result.converged:
        distance = np.sqrt(result.gain)
        notes.append(f"Not at the minimum: about {distance:.2g} standard errors away. {another}")
    else:
        notes.append("Converged: a further step would not change the estimates noticeably.")
    if result.singular and not falls:
        notes.append(
            "Singular fit: the data do not support all random effects. pca() shows how many they "
            "support, ranova() tests them."
        )
        if sum(map(len, result.singular.values())) <= FEW:
            for term, directions in result.singular.items():
                notes.append(f"No variance in {term}: {'; '.join(directions)}.")
    if ILL_CONDITIONED < result.condition < np.inf:
        notes.append(
            "The data hardly tell some parameters apart: take their intervals from profile() or "
            "bootstrap()."
        )
    return notes

"""`check_convergence`: whether the search for the estimates ended where it should."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from numbamm import config
from numbamm.blocks.threads import blas_threads
from numbamm.models.curvature import STEP, derivatives, newton_step, theta_sizes
from numbamm.models.ending import NEGLIGIBLE
from numbamm.models.inside import root_mean_squares, slopes_outward
from numbamm.models.linear import LinearMixedModel
from numbamm.models.mixedmodel import SINGULAR_TOLERANCE
from numbamm.models.stages import CUT_SHORT
from numbamm.optimize.differences import jacobian
from numbamm.optimize.optsummary import GENUINE
from numbamm.report.result import Result

#: A condition number above is of parameters that the data hardly tell apart.
ILL_CONDITIONED = 1e4
#: Singular directions are spelled out up to this number.
FEW = 2


@dataclass(repr=False)
class Convergence(Result):
    """What the objective looks like at the estimates.

    Attributes
    ----------
    converged : bool
        Whether nothing worth mentioning is left to gain, and the point is a minimum.
    gradient : pandas.Series
        Derivatives of the objective by the parameters of the fit, ``optsum.names``; without those
        that were held.
    scaled_gradient : float
        The largest derivative along a principal direction of the Hessian, over the square root
        of the curvature there.
    gain : float
        By how much a Newton step would lower the objective.
    condition : float
        Ratio of the Hessian's largest and smallest eigenvalue, scaled to a diagonal of ones;
        infinite where it is not positive definite.
    singular : dict of str to list of str
        For each term of the random effects the combinations that have no variance.
    """

    converged: bool = True
    gradient: pd.Series | None = None
    scaled_gradient: float = 0.0
    gain: float = 0.0
    condition: float = 1.0
    singular: dict[str, list[str]] = field(default_factory=dict)

    def shown(self) -> pd.DataFrame:
        """The frame's line from top to bottom, in words."""
        [line] = self.frame.itertuples()
        largest = f"{line.largest_gradient:.2g} ({line.largest_at})" if line.largest_at else "none"
        singular = [f"{len(some)} in {term}" for term, some in self.singular.items()]
        known = not np.isinf(line.condition)
        words = {
            "Optimizer": line.optimizer,
            "Evaluations": f"{line.evaluations}, restarts {line.restarts}",
            "Outcome": line.outcome,
            "Objective": f"{line.objective:.6f}, from {line.initial_objective:.6f}",
            "Largest gradient": largest,
            "Largest scaled gradient": f"{line.scaled_gradient:.2g}",
            "Left to gain": f"{line.gain:.2g}",
            "Condition of the Hessian": f"{line.condition:.3g}"
            if known
            else "not positive definite",
            "Singular directions": "; ".join(singular) or "none",
        }
        if not np.isnan(line.certificate):
            verdict = "a minimum" if line.certificate >= GENUINE else "no minimum"
            words["Certificate"] = f"{line.certificate:.2g} ({verdict})"
        return pd.DataFrame({"value": words})


def check_convergence(model) -> Convergence:
    """How the search for the estimates ended, what the objective looks like there, what to do.

    Parameters
    ----------
    model : MixedModel
        A fitted model; it is left as it is.

    Returns
    -------
    Convergence
        Its table names the optimiser, evaluations, restarts and the outcome; the gradient, as it
        is and scaled, and what a Newton step would still gain; the Hessian's condition; singular
        directions, and the certificate of a singular fit. Its frame has them in one line, numbers
        as numbers; what is more than one number is among its attributes.

    Raises
    ------
    NotFittedError

    Notes
    -----
    The Hessian is by differences of the exact gradient, or of the objective itself where it is
    integrated by quadrature, in coordinates of ordinary size. With g the gradient and H the
    Hessian, ½ g'H⁻¹g is what is left to gain, and its square root the distance to the minimum
    in standard errors. At a singular fit the gradient vanishes whether it is a minimum or not,
    and the certificate tells; see `OptSummary`.

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
    slopes, curvature = _derivatives(model)
    scaled, gain, condition, falls = newton_step(slopes[free], curvature[np.ix_(free, free)])
    falls = falls or (optsum.certificate is not None and optsum.certificate < GENUINE)
    found = Convergence(
        f"Convergence: {model.formula}",
        pd.DataFrame(),
        converged=bool(gain <= NEGLIGIBLE and not falls),
        gradient=pd.Series(_outward(model, slopes), index=optsum.names).iloc[free],
        scaled_gradient=scaled,
        gain=gain,
        condition=condition,
        singular=_singular_directions(model),
    )
    found.frame = pd.DataFrame([_line(optsum, found)])
    found.notes = _advice(optsum, found, falls)
    return found


def _line(optsum, found: Convergence) -> dict:
    """The numbers of the frame, and what is said in words."""
    slopes, certificate = found.gradient.abs().dropna(), optsum.certificate
    return {
        "optimizer": optsum.used,
        "evaluations": optsum.feval,
        "restarts": optsum.restarts,
        "outcome": optsum.returnvalue,
        "initial_objective": optsum.finitial,
        "objective": optsum.fmin,
        "largest_gradient": slopes.max() if len(slopes) else np.nan,
        "largest_at": slopes.idxmax() if len(slopes) else None,
        "scaled_gradient": found.scaled_gradient,
        "gain": found.gain,
        "condition": found.condition,
        "singular": sum(map(len, found.singular.values())),
        "certificate": np.nan if certificate is None else certificate,
        "converged": found.converged,
    }


def _derivatives(model) -> tuple[np.ndarray, np.ndarray]:
    """Gradient and Hessian at the estimates in the coordinates of the search.

    There columns are of ordinary size, so that the condition is not that of the user's units.
    """
    if not isinstance(model, LinearMixedModel):
        return derivatives(model)
    coordinates = model._coordinates()
    x = model.optsum.final if coordinates is None else coordinates[0](model.optsum.final)
    with blas_threads(config.get("threads")):
        gradient, scale = model._gradient(), 0.1 / theta_sizes(model)
        return gradient(x)[1], jacobian(lambda at: gradient(at)[1], x, STEP * scale)


def _outward(model, slopes) -> np.ndarray:
    """The gradient in the user's parameters, from that in the coordinates of the search."""
    coordinates = model._coordinates()
    if coordinates is None:
        return slopes
    return slopes_outward(coordinates[0], model.optsum.final, slopes)


def _singular_directions(model) -> dict[str, list[str]]:
    """For each term the combinations of its effects that have no variance, in words."""
    found: dict[str, list[str]] = {}
    for term in model.reterms:
        size = root_mean_squares(term, model._root)
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
            said = " ".join(parts).replace("+1 ", "+").removeprefix("+")
            found.setdefault(_name(term), []).append(said)
    return found


def _name(term) -> str:
    """A term in short, ``(Intercept, Days | Subject)``."""
    names = [*term.cnames[:2], "…", term.cnames[-1]] if term.p > 4 else term.cnames
    return f"({', '.join(names)} | {term.group})"


def _advice(optsum, found: Convergence, falls: bool) -> list[str]:
    """What to make of it, and what to do."""
    notes = []
    another = "refit(optimizer=...) with another optimiser, or compare them by allfit()."
    if optsum.returnvalue in CUT_SHORT:
        notes.append("The search was cut short: raise optsum.maxfeval or maxtime, and refit().")
    elif optsum.returnvalue.startswith("FAILURE"):
        notes.append("The optimiser says that it failed; what counts is where it ended.")
    if falls:
        notes.append(f"Not a minimum: the objective falls in some direction. {another}")
    elif np.isnan(found.gain):
        notes.append(f"The objective cannot be computed all around the estimates. {another}")
    elif not found.converged:
        away = np.sqrt(found.gain)
        notes.append(f"Not at the minimum: about {away:.2g} standard errors away. {another}")
    else:
        notes.append("Converged: what is left to gain changes no estimate.")
    if found.singular and not falls:
        notes.append(
            "Singular fit: the data do not support all random effects. pca() shows how many, "
            "ranova() tests them."
        )
        if sum(map(len, found.singular.values())) <= FEW:
            for term, some in found.singular.items():
                notes.append(f"No variance in {term}: {'; '.join(some)}.")
    if ILL_CONDITIONED < found.condition < np.inf:
        notes.append("Some parameters are hardly told apart: profile() or bootstrap() for these.")
    return notes

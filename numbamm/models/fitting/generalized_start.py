"""Where the fit of a generalized model begins, and whether it can."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from numbamm.design.femat import FeMat
from numbamm.errors import DataError, warn
from numbamm.glm.family import FAMILIES
from numbamm.glm.separation import find_separation, is_extreme
from numbamm.glm.start import first_shape, single_mean, without_effects
from numbamm.glm.working_start import fit_working_model
from numbamm.models.fitting.described_rows import FEW, described
from numbamm.shortrepr import ShortRepr

#: θ at which a fit begins is at least this on the diagonals, whatever a linear model finds.
LEAST_START = 0.05
#: Above this in scaled columns, where effects of ordinary size are one, what a linear model finds
#: is of the working response at means that are nowhere near: a fit does not begin there.
LARGEST_START = 100.0

#: From this on, a start of a model of several parts is compared with that without a linear model:
#: rows may tell next to nothing of η where they are, and then working responses are far off.
SUSPECT_START = 3.0

#: A log odds beyond which it is asked whether zeros are separated from other responses.
CERTAIN = 8.0


@dataclass(repr=False)
class Start(ShortRepr):
    """Initial values.

    Attributes
    ----------
    gamma : ndarray, shape (rank,)
        Coefficients of the basis.
    shape : float or tuple of float
        Shape of the negative binomial; 0 for other families. Of a model of several parts, ψ.
    theta : ndarray
        θ of the user's columns.
    others : list of Start
        Other places at which a search may begin, if there may be several minima.
    """

    gamma: np.ndarray
    shape: Any
    theta: np.ndarray
    others: list[Start] = field(default_factory=list)


def find_start(model, theta, init: str) -> Start:
    """Initial values of a generalized model.

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
        With its modes.
    theta : ndarray
        θ of the user's columns at which λ is the identity in scaled columns.
    init : {"glm", "lmm"}
        Whether θ stays, or comes with γ from the linear mixed model of the working response.

    Raises
    ------
    DataError
        If the fixed effects separate the responses completely, or have no estimates.

    Warns
    -----
    NumbammWarning
        If they separate some of the responses.
    """
    if model.composition is not None:
        from numbamm.models.parts.parts_start import starts_of_parts

        (gamma, psi), *others = starts_of_parts(model)
        _check_above_hurdle(model)
        _check_hurdle(model, psi)
        start = Start(gamma, tuple(psi.tolist()), theta)
        start.others = [Start(g, tuple(p.tolist()), theta) for g, p in others]
        return by_linear_model(model, model._modes.replaced(), start) if init == "lmm" else start
    shape = model.given_shape or 0.0
    if model.has_free_shape:
        shape = first_shape(model._modes)
    gamma = without_effects(model._modes, shape)
    _check_separation(model, gamma)
    gamma = single_mean(model._modes) if gamma is None else gamma
    if gamma is None:
        _refuse_no_density(model, shape)
        raise DataError(
            f"the {model.family_record} model without random effects has no estimates to start "
            f"from: the link {model.link} may not suit the response"
        )
    start = Start(gamma, shape, theta)
    return by_linear_model(model, model._modes.replaced(), start) if init == "lmm" else start


def _refuse_no_density(model, shape: float) -> None:
    """Tell where a log-density of the user's is no number, at a mean that most families know."""
    family, link, y = model.family_record, model.link_record, model.frame.y
    mean = np.average(y, weights=model.prior_weights)
    at = np.full_like(y, link.eta([mean])[0])
    rows = model.frame.rows[~np.isfinite(family.deviances(link, shape, y, at))]
    if family.by_density and len(rows):
        shown = ", ".join(map(str, rows[:FEW])) + (" ..." if len(rows) > FEW else "")
        raise DataError(
            f"the log-density of the family {family} is not finite at a mean of {mean:.4g} in rows "
            f"{shown}: is it right there, and does the link {link} suit it?"
        )


def _check_separation(model, gamma) -> None:
    frame, family = model.frame, model.family_record
    if gamma is not None:
        mu = model.mean(model._offset + model._basis @ gamma)
        if not is_extreme(family, model.link_record, mu):
            return
    kept = model.feterm.kept
    separation = find_separation(family, frame.X[:, kept], frame.y)
    if separation is not None:
        columns = [model.feterm.cnames[kept[c]] for c in separation.columns]
        named = ", ".join(c for c in columns if c != "Intercept") or columns[0]
        if separation.complete:
            raise DataError(
                "the fixed effects separate the responses completely, so that their coefficients "
                f"have no finite estimates: {named}"
            )
        warn(
            "the fixed effects separate some of the responses from the others"
            f"{described(frame, separation.rows)}: coefficients of {named} grow without limit, "
            "and their standard errors mean nothing"
        )


def _check_above_hurdle(model) -> None:
    """Name columns of the mean that responses above a hurdle tell nothing of."""
    if model.composition.zero_part != "hurdle":
        return
    above, kept = model.frame.y != 0, model.feterm.kept
    if not above.any() or above.all():
        return
    names = [model.feterm.cnames[c] for c in kept]
    known = FeMat.from_columns(model.frame.X[above][:, kept], names)
    if known.rank < len(kept):
        named = ", ".join(name for name in names if name not in known.kept_names)
        warn(
            f"the responses that are not zero have no estimates of {named}: there are none in its "
            "cells, or its columns are linearly dependent in their rows. Its standard errors mean "
            "nothing"
        )


def _check_hurdle(model, psi) -> None:
    """Name columns of a hurdle that tell some zeros from other responses without error."""
    line = model.part_lines.lines[-1] if model.part_lines.lines else None
    if line is None or line.name != "hurdle" or not line.rank:
        return
    if not (np.abs(model.part_lines.values(psi)[-1]) > CERTAIN).any():
        return
    kept, y = line.feterm.kept, model.frame.y
    X, zero = line.feterm.x[:, kept], np.where(y == 0, 1.0, 0.0)
    if 0 < zero.sum() < len(y):
        separation = find_separation(FAMILIES["bernoulli"], X, zero)
        if separation is None:
            return
        names = [line.feterm.cnames[kept[c]] for c in separation.columns]
        named = ", ".join(name for name in names if name != "Intercept") or names[0]
        cause = (
            f"the columns of hurdle separate zeros from other responses: coefficients of {named}"
        )
    else:
        named = ", ".join(line.feterm.kept_names)
        which = "all" if zero.all() else "none"
        cause = f"{which} of the responses are zero: the hurdle's coefficients ({named})"
    warn(f"{cause} grow without limit, and their standard errors mean nothing")


def by_linear_model(model, modes: Any, start: Start) -> Start:
    """γ and θ of the linear mixed model of the working response; `start` if there is none.

    Twice, with the random effects of the first in the second's η. `modes` is left at the mode
    there, from which PIRLS goes on more surely than from 0.
    """
    theta, gamma = model.scaled.to_scaled(start.theta), start.gamma
    sigma = 0.0 if model._likelihood.dispersed else 1.0
    for _ in range(2):
        arguments = theta, gamma, start.shape, sigma
        if modes.is_iterative:
            found = modes.fit_working_model(*arguments)
        else:
            found = fit_working_model(modes, *arguments)
        if found is None or np.abs(found[0]).max(initial=0.0) > LARGEST_START:
            modes.u = np.zeros(modes.q)
            return start
        theta, gamma = found
    floor = np.where(model.scaled.structure.lowerbd == 0, LEAST_START, -np.inf)
    theta = np.maximum(model.scaled.structure.rectified(theta), floor)
    mode = modes(theta, gamma, vary=True, shape=start.shape)
    if not mode.found:
        return start
    suspect = model.composition is not None and np.abs(theta).max(initial=0.0) > SUSPECT_START
    if suspect and _is_better(model, modes, start, mode):
        return start
    return replace(start, gamma=gamma, theta=model.scaled.to_user(theta))


def _is_better(model, modes, start: Start, mode) -> bool:
    """Whether a start has a lower objective than this mode; `modes` are left at the lower one."""
    usual, theta = modes.replaced(), model.scaled.to_scaled(start.theta)
    there = usual(theta, start.gamma.copy(), vary=True, shape=start.shape)
    laplace = model._likelihood.laplace
    better = laplace(there, start.shape, 1.0) < laplace(mode, start.shape, 1.0)
    if better:
        modes.u = usual.u
    return better

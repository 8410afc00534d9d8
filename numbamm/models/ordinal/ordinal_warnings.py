"""What the user of a cumulative link mixed model is told once it has been fitted."""

from __future__ import annotations

import numpy as np

from numbamm.errors import DataError, warn
from numbamm.models.fitting.ending import Ending
from numbamm.models.fitting.laplace_check import FAR, change_by_quadrature
from numbamm.models.fitting.runaway import runaway_terms

#: A combination of coefficients whose standard error without random effects, for columns of mean
#: square one and in units of the link, is more than this has no finite estimate.
UNKNOWN = 50.0
#: Coefficients are named if they have this share, at least, of that combination's largest.
SHARE = 0.3
#: -2 log-likelihood a row below which all categories are reproduced.
PERFECT = 1e-6


def warn_of_start(model, alone) -> list[str]:
    """Tell of coefficients that have no finite estimates, since they separate the categories.

    Returns
    -------
    list of str
        Their names.

    Raises
    ------
    DataError
        If they separate all of them.
    """
    columns, modes = model.columns, model._modes
    values, vectors = np.linalg.eigh(alone.curvature)
    if not is_flat(model, values[:1]).any():
        return []
    weights = modes.held.rows.weights
    flat = np.abs(columns.to_user @ vectors[:, 0]) * columns.sizes
    chosen = np.flatnonzero(flat > SHARE * flat.max())
    unbounded = [columns.names[j] for j in chosen]
    named = ", ".join(unbounded)
    if alone.value < PERFECT * weights.sum():
        raise DataError(
            "the fixed effects separate the categories completely, so that their coefficients "
            f"have no finite estimates: {named}"
        )
    warn(
        "the fixed effects separate some of the categories from others: "
        f"{named} grow without limit, and their standard errors mean nothing"
    )
    return unbounded


def is_flat(model, values) -> np.ndarray:
    """Whether eigenvalues of the coefficients' information say that there is no finite estimate."""
    unit = model.link_record.unit or 1.0
    return values * (UNKNOWN * unit) ** 2 < np.median(model._modes.held.rows.weights)


def warn_of_fit(model, end: Ending) -> None:
    """Warn of an end that is no minimum, and of what the estimates show."""
    if not end.is_minimum:
        warn(
            "the search ended at a point that is no minimum of the objective: the estimates are "
            f"not to be relied on; {model._remedy}"
        )
    runaways = runaway_terms(model)
    model.estimates.likelihood_holds = not runaways
    for term, sd, alike in runaways:
        warn(
            f"the standard deviation of the random effects of {term.group} is as large as {sd:.3g} "
            f"on the scale of the {model.link}: in {alike} of {term.nlevels} levels all responses "
            "are in the lowest or in the highest category. The approximation of the likelihood "
            "does not hold there, and neither estimates nor standard errors are to be relied on; "
            "leave the term out, or take larger groups"
        )
    if not runaways and model._tells_of_laplace:
        _warn_of_laplace(model)


def _warn_of_laplace(model) -> None:
    """Tell where quadrature with a few nodes gives another likelihood at the estimates."""
    nodes, change = change_by_quadrature(model)
    if abs(change) > FAR:
        warn(
            "the Laplace approximation is not accurate here: at the estimates, quadrature with "
            f"{nodes} nodes a dimension changes -2 log-likelihood by {change:+.2f}; "
            f"fit with nagq={nodes} or more"
        )

"""`log_density`: the log-densities of rows at given predictors of all parts."""

from __future__ import annotations

import numpy as np

from numbamm.glm.parts.density_rows import NU
from numbamm.glm.parts.family_rows import FamilyRows
from numbamm.glm.row_kernels import DEVIANCE, FIRST, LINES, evaluate_rows


def log_density(model, y, w, eta, nu) -> np.ndarray:
    """The log-density of each row, times its weight if weights are numbers of rows, shape (n,).

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
        A model of several parts, whose kernel of rows is called.
    y, w, eta : ndarray, shape (n,)
        Responses, prior weights, and predictors of the mean.
    nu : ndarray, shape (number of lines, n)
        Predictors of the other parts.
    """
    y, w, eta = (np.ascontiguousarray(a, dtype=np.float64) for a in (y, w, eta))
    parts, link = model.composition, model.link_record
    rows = FamilyRows(parts.family)
    table, out = np.empty((NU + len(nu), len(y))), np.zeros((LINES, len(y)))
    table[NU:] = nu
    number, least, entropy = float(parts.mixture), 0.0, np.zeros(len(y))
    evaluate_rows(
        DEVIANCE, *rows.addresses(link), y, w, entropy, number, least, eta, table,
        rows.barrier(link), out,
    )  # fmt: skip
    return -0.5 * out[FIRST]

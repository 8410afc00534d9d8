"""`structured_predictions`: rows that a fit of residuals with a structure leaves out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from numbamm.inference.prediction.model_rows import ModelRows
from numbamm.inference.prediction.residual_share import ResidualShare
from numbamm.models.residual_side.new_residuals import NewColumns, NewResiduals
from numbamm.models.residual_side.texts import DISPERSION
from numbamm.optimize.run import uninterrupted


def structured_predictions(model, rows) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard deviations of rows, given a fit to all others.

    As `predict` has them, with a share in the residuals of other rows of the group.

    Parameters
    ----------
    model : LinearMixedModel
        With a residual side.
    rows : ndarray of int
        Rows that are left out, among those used.

    Returns
    -------
    mean, sd : ndarray, shape (rows,)
    """
    frame = model.frame
    kept = np.delete(np.arange(frame.nobs), rows)
    twin = model.of_other_frame(_rows_of(frame, kept))
    uninterrupted(twin.fit(progress=False))
    left_out = _rows_of(frame, rows)
    terms = [(term.refs, term.z) for term in left_out.reterms]
    of_parts = {name: columns for name, (columns, _) in left_out.parts.items()}
    names = frame.parts[DISPERSION][1] if DISPERSION in frame.parts else []
    w = np.ones(len(rows)) if left_out.weights is None else left_out.weights
    side, every = twin.residual_side, np.arange(len(rows))
    new = NewColumns(of_parts, names, left_out.part_columns)
    X, offset = left_out.X[:, twin.feterm.kept], left_out.offset
    none, unseen = left_out.weights, [[] for _ in terms]
    at = ModelRows(X, offset, terms, unseen, none, None, twin.aligned, of_parts)
    at.residuals = NewResiduals(side, every, new, w)
    mean = at.linear_predictor(twin.estimates.beta, twin.b)
    share = ResidualShare(twin, at, mean, borrows=side.texts.residual is not None)
    variances = share.error_variances(terms) + share.open_variances()
    return mean + (share.means() if share.borrows else 0.0), np.sqrt(np.maximum(variances, 0.0))


def _rows_of(frame, rows):
    """A frame of some rows, with all levels of the random effects."""
    terms = [
        replace(
            term,
            refs=np.ascontiguousarray(term.refs[rows]),
            z=np.asfortranarray(term.z[:, rows]),
            theta=None,
        )
        for term in frame.reterms
    ]
    return replace(
        frame,
        y=frame.y[rows],
        X=frame.X[rows],
        reterms=terms,
        weights=None if frame.weights is None else frame.weights[rows],
        offset=None if frame.offset is None else frame.offset[rows],
        rows=frame.rows[rows],
        columns={name: column.iloc[rows] for name, column in frame.columns.items()},
        parts={name: (X[rows], names) for name, (X, names) in frame.parts.items()},
        part_columns={name: column.iloc[rows] for name, column in frame.part_columns.items()},
    )

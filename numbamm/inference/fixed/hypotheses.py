"""`hypotheses`: the combinations of β that types I, II and III test for each term."""

from __future__ import annotations

import numpy as np

from numbamm.inference.fixed.estimable import Indicators, independent, lengths
from numbamm.inference.fixed.terms import fixed_terms

#: Entries below this share of the largest are rounding errors: exact ones are ratios of small
#: integers.
ROUNDING = 1e-10
#: A column is used to normalise rows if this share of it is independent of those before it.
PIVOT = 1e-8


def hypotheses(model, type: int) -> dict[str, np.ndarray]:
    """For each term of the fixed effects, the rows L of its hypothesis Lβ = 0.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    type : {1, 2, 3}
        1: each term after those before it. 2: each term after all that do not contain it.
        3: each factor's means over the cells of the others are equal, whatever the numbers of
        rows in the cells.

    Returns
    -------
    dict of str to ndarray, shape (rows, rank)
        A column for each kept column of X. Terms without estimable functions have no rows.

    Notes
    -----
    A term contains another if it is the other one within the levels of further factors. "After"
    other terms means orthogonal to them. For linear models the inner product is X'X, as in SAS and
    lmerTest, so that the hypothesis does not depend on the estimated variances; for generalized
    ones it is the information about β. Type III uses the functions of `Indicators.about`, as SAS
    does. They are the same for all codings and orders of levels, with empty cells and without an
    intercept.

    For a term that no other contains, types II and III test the same hypothesis. Satterthwaite's
    degrees of freedom of several rows depend on the choice of rows. For type III they are the
    coefficients of treatment contrasts; for type II the model's coefficients or, if other terms
    contain the term, each column after those before it.
    """
    if not fixed_terms(model.frame):
        return {}
    design = Indicators.of(model)
    metric = None if type == 3 else _root_of_metric(model, design)
    by_term = {}
    for i, term in enumerate(design.terms):
        contained = any(other.contains(term) for other in design.terms)
        if type == 3:
            rows = _in_treatment_coding(design, i)
        elif type == 2 and not contained:
            rows = _in_own_coding(design, i, model.feterm)
        else:
            rows = _sequential(design, i, type, metric)
        by_term[term.name] = _without_rounding(rows, model.feterm)
    return by_term


def _root_of_metric(model, design: Indicators) -> np.ndarray:
    """K of the inner product K'K in which terms are made orthogonal, in the basis of the fit."""
    if model.is_linear:
        if model.sqrt_weights is None:
            return np.eye(model.feterm.rank)
        return np.linalg.qr(model.feterm.basis / model.sqrt_weights[:, None], mode="r")
    covariance = design.from_beta @ model.beta_covariance @ design.from_beta.T
    if not np.isfinite(covariance).all():  # no statistic, but degrees of freedom
        return np.eye(len(covariance))
    values, vectors = np.linalg.eigh(covariance)
    # The variance along separated cells is huge: others may be lost in rounding errors.
    values = np.maximum(values, np.finfo(float).eps * values[-1])
    return vectors.T / np.sqrt(values)[:, None]


def _in_treatment_coding(design: Indicators, i: int) -> np.ndarray:
    """Rows of type III that equal the coefficients of the term's treatment contrasts."""
    functions, (columns, scale) = design.about(i).T, design.treatments[i]
    return _normalised(functions @ columns, scale, functions) @ design.from_beta


def _in_own_coding(design: Indicators, i: int, feterm) -> np.ndarray:
    """Estimable functions of a term that no other contains, as its own coefficients."""
    rows, size = design.about(i).T @ design.from_beta, _size(feterm)
    order = np.argsort(~np.isin(feterm.kept, design.terms[i].columns), kind="stable")
    return _normalised((rows / size)[:, order], size[order], rows)


def _sequential(design: Indicators, i: int, type: int, root) -> np.ndarray:
    """Each column of a term after the terms before it and after the columns before itself."""
    terms = design.terms
    before = [
        j
        for j, other in enumerate(terms)
        if (j < i if type == 1 else j != i and not other.contains(terms[i]))
    ]
    span = design.span(design.of_terms([-1, *before]))
    columns = root @ design.new(span, i)
    q = np.linalg.qr(np.hstack([root @ span, columns]))[0][:, span.shape[1] :]
    return q.T @ root @ design.from_beta / np.einsum("ij,ij->j", q, columns)[:, None]


def _normalised(coefficients, scale, rows) -> np.ndarray:
    """Combinations of rows that have an identity matrix in their first independent columns.

    Parameters
    ----------
    coefficients : ndarray, shape (d, q)
        Coefficients of the rows for q columns, d of them independent.
    scale : ndarray, shape (q,)
        Scales of the columns: the identity is in the coefficients times these.
    rows : ndarray, shape (d, rank)
    """
    noise = PIVOT * lengths(coefficients).max(initial=0.0)
    chosen = independent(coefficients, np.empty((len(rows), 0)), PIVOT, noise)
    if len(chosen) < len(rows):  # nearly dependent: leave them as they are
        return rows
    return np.linalg.solve(coefficients[:, chosen] * scale[chosen], rows)


def _without_rounding(rows, feterm) -> np.ndarray:
    """Rows with zeros instead of rounding errors; entries are compared on their columns' scales."""
    share = np.abs(rows) / _size(feterm)
    return np.where(share <= ROUNDING * share.max(axis=1, keepdims=True, initial=0.0), 0.0, rows)


def _size(feterm) -> np.ndarray:
    """Root mean squares of the kept columns."""
    return np.sqrt(np.mean(feterm.x[:, feterm.kept] ** 2, axis=0))

"""Which linear combinations of β are zero when a term has no effect: types I, II and III."""

from __future__ import annotations

import numpy as np

from numbamm.inference.fixed.estimable import Indicators, independent, lengths
from numbamm.inference.fixed.terms import fixed_terms

#: Entries below this are rounding: differences of codings are ratios of small integers.
ROUNDING = 1e-10
#: Coefficients by which rows are written differ by this share at least from those before them.
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
        rows in these.

    Returns
    -------
    dict of str to ndarray, shape (rows, rank)
        With a column for each kept column of X. Terms of which nothing can be estimated have no
        rows.

    Notes
    -----
    A term contains another if it is that one within the levels of further factors. "After" is
    in the inner product of X'X for linear models, as in SAS and lmerTest, so that the hypothesis
    does not depend on the estimated variances, and in that of the information about β for
    generalized ones. Type III takes the functions of `Indicators.about`, as SAS does, which are
    the same for all codings and orders of levels, with empty cells and without an intercept.

    Of a term that none contains all types but the first test the same. Satterthwaite's degrees
    of freedom of several rows depend on how these are written: by the coefficients of treatment
    contrasts for type III, by the model's own for type II, each after those before it where
    other terms follow.
    """
    if not fixed_terms(model.frame):
        return {}
    design = Indicators.of(model)
    metric = None if type == 3 else _root_of_metric(model, design)
    found = {}
    for i, term in enumerate(design.terms):
        contained = any(other.contains(term) for other in design.terms)
        if type == 3:
            rows = _by_treatments(design, i)
        elif type == 2 and not contained:
            rows = _by_coefficients(design, i, model.feterm)
        else:
            rows = _one_by_one(design, i, type, metric)
        found[term.name] = _without_rounding(rows, model.feterm)
    return found


def _root_of_metric(model, design: Indicators) -> np.ndarray:
    """K of the inner product K'K, in the basis of the fit, in which terms follow each other."""
    from numbamm.models.linear import LinearMixedModel

    if isinstance(model, LinearMixedModel):
        if model._sqrtw is None:
            return np.eye(model.feterm.rank)
        return np.linalg.qr(model.feterm.basis / model._sqrtw[:, None], mode="r")
    covariance = design.from_beta @ model._cov @ design.from_beta.T
    if not np.isfinite(covariance).all():  # there will be no statistic, but degrees of freedom
        return np.eye(len(covariance))
    values, vectors = np.linalg.eigh(covariance)
    # Along separated cells the variance is without bound: it may swamp the others by rounding.
    values = np.maximum(values, np.finfo(float).eps * values[-1])
    return vectors.T / np.sqrt(values)[:, None]


def _by_treatments(design: Indicators, i: int) -> np.ndarray:
    """Type III, written by the coefficients of the term's treatment contrasts."""
    functions, (columns, scale) = design.about(i).T, design.treatments[i]
    return _written(functions @ columns, scale, functions) @ design.from_beta


def _by_coefficients(design: Indicators, i: int, feterm) -> np.ndarray:
    """What can be estimated of a term that none contains, by its own coefficients."""
    rows, size = design.about(i).T @ design.from_beta, _size(feterm)
    order = np.argsort(~np.isin(feterm.kept, design.terms[i].columns), kind="stable")
    return _written((rows / size)[:, order], size[order], rows)


def _one_by_one(design: Indicators, i: int, type: int, root) -> np.ndarray:
    """Each column of a term after the terms that are before it, and after those before itself."""
    terms = design.terms
    before = [
        j
        for j, other in enumerate(terms)
        if (j < i if type == 1 else j != i and not other.contains(terms[i]))
    ]
    span = design.span(design.of_terms([-1, *before]))
    own = root @ design.new(span, i)
    q = np.linalg.qr(np.hstack([root @ span, own]))[0][:, span.shape[1] :]
    return q.T @ root @ design.from_beta / np.einsum("ij,ij->j", q, own)[:, None]


def _written(coefficients, scale, rows) -> np.ndarray:
    """Rows turned until the first of their coefficients that can be are 0 or 1.

    Parameters
    ----------
    coefficients : ndarray, shape (d, q)
        What each row gives some columns, of which d are independent.
    scale : ndarray, shape (q,)
        Of the columns, by which the coefficients are multiplied to be those meant.
    rows : ndarray, shape (d, rank)
    """
    noise = PIVOT * lengths(coefficients).max(initial=0.0)
    chosen = independent(coefficients, np.empty((len(rows), 0)), PIVOT, noise)
    if len(chosen) < len(rows):  # nearly dependent: they stay as they are
        return rows
    return np.linalg.solve(coefficients[:, chosen] * scale[chosen], rows)


def _without_rounding(rows, feterm) -> np.ndarray:
    """Rows with zeros for what is nothing beside the other entries, each on its column's scale."""
    share = np.abs(rows) / _size(feterm)
    return np.where(share <= ROUNDING * share.max(axis=1, keepdims=True, initial=0.0), 0.0, rows)


def _size(feterm) -> np.ndarray:
    """Root mean squares of the kept columns."""
    return np.sqrt(np.mean(feterm.x[:, feterm.kept] ** 2, axis=0))

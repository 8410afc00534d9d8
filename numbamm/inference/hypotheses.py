"""Which linear combinations of β are zero when a term has no effect: types I, II and III."""

from __future__ import annotations

import numpy as np
from formulaic.transforms import contrasts as fc

from numbamm.inference.terms import FixedTerm, fixed_terms, recoded

#: Entries below this are rounding: differences of codings are ratios of small integers.
ROUNDING = 1e-10


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
        With a column for each kept column of X. Terms of which nothing is left have no rows.

    Notes
    -----
    "After" is in the inner product of X'X for linear models, as in SAS and lmerTest, so that
    the hypothesis does not depend on the estimated variances, and in that of the information
    about β for generalized ones. A term contains another if it is that one within the levels
    of further factors. Rows begin with 1 in their own column, and those of a term that none
    contains are its coefficients: the degrees of freedom by Satterthwaite's method for several
    rows depend on how these are written.
    """
    terms = fixed_terms(model.frame)
    if type == 3:
        return _type3(model, terms)
    metric, of_column = _metric(model), _term_of_column(model.feterm, terms)
    found = {}
    for i, term in enumerate(terms):
        later = [j for j, t in enumerate(terms) if (j > i if type == 1 else t.contains(term))]
        if type == 2 and not later:  # after all others: the coefficients themselves
            found[term.name] = np.eye(model.feterm.rank)[of_column == i]
            continue
        order = np.argsort(np.isin(of_column, later) * 2 + (of_column == i), kind="stable")
        rows = _sequential(metric, order)[of_column[order] == i]
        found[term.name] = _in_place(rows, order)
    return found


def _metric(model) -> np.ndarray:
    """The inner product of coefficients in which terms follow each other."""
    from numbamm.models.linear import LinearMixedModel

    if isinstance(model, LinearMixedModel):
        x = model.feterm.x[:, model.feterm.kept]
        return x.T @ x
    return np.linalg.inv(model._cov)


def _term_of_column(feterm, terms: list[FixedTerm]) -> np.ndarray:
    """Position of the term of each kept column; -1 for the intercept."""
    of_column = np.full(len(feterm.cnames), -1)
    for i, term in enumerate(terms):
        of_column[term.columns] = i
    return of_column[feterm.kept]


def _sequential(metric, order) -> np.ndarray:
    """Rows of L, one a column in this order: its effect after all columns before it."""
    size = np.sqrt(np.diag(metric))[order]
    upper = np.linalg.cholesky(metric[np.ix_(order, order)] / np.outer(size, size)).T
    rows = upper / np.diag(upper)[:, None]
    return rows * size / size[:, None]


def _in_place(rows, order) -> np.ndarray:
    """Rows over the columns in this order, put over the columns as they stand."""
    out = np.empty_like(rows)
    out[:, order] = rows
    return out


def _type3(model, terms: list[FixedTerm]) -> dict[str, np.ndarray]:
    """The coefficients of effects that sum to zero, as combinations of our own.

    They are written by the treatment contrasts of the term itself, plus what the terms that
    contain it have to add.
    """
    feterm, frame = model.feterm, model.frame
    if not frame.design.coding.chosen:  # no factor is coded: each column stands for itself
        of_column = _term_of_column(feterm, terms)
        return {t.name: np.eye(feterm.rank)[of_column == i] for i, t in enumerate(terms)}
    x = feterm.x[:, feterm.kept]
    balanced = recoded(frame, fc.SumContrasts())
    treatment = recoded(frame, fc.TreatmentContrasts())
    to_balanced = _change(balanced, x)
    to_treatment = _change(treatment, x)
    from_treatment = np.linalg.pinv(to_treatment)
    found = {}
    for term in terms:
        rows = to_balanced[term.columns]
        own = (rows @ from_treatment)[:, term.columns]
        rows = np.linalg.pinv(own) @ rows
        rows = np.where(np.abs(rows) < ROUNDING * np.abs(rows).max(initial=0.0), 0.0, rows)
        found[term.name] = _independent(rows)
    return found


def _change(columns, x) -> np.ndarray:
    """The coefficients of other columns of the same span, as combinations of those of x."""
    size = np.sqrt(np.mean(columns**2, axis=0))
    size = np.where(size > 0, size, 1.0)
    q, r = np.linalg.qr(x)
    inside = np.linalg.lstsq(q.T @ (columns / size), r, rcond=ROUNDING)[0]
    return inside / size[:, None]


def _independent(rows) -> np.ndarray:
    """As many rows as are independent, the first ones."""
    chosen: list[int] = []
    for i in range(len(rows)):
        if np.linalg.matrix_rank(rows[[*chosen, i]], tol=1e-8) > len(chosen):
            chosen.append(i)
    return rows[chosen]

"""Estimable functions of the fixed effects' terms, by indicators of all factor levels.

The columns of X are one possible coding of the factors. Hypotheses in terms of indicators of all
levels depend neither on the coding nor on the order of levels. A linear combination of the
indicators' coefficients is *estimable* if it equals a combination of the fitted coefficients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numbamm.inference.fixed.terms import FixedTerm, fixed_terms

#: Parts of a column shorter than this share of its length are rounding errors; see
#: `femat.RANK_TOLERANCE`.
INDEPENDENT = 1e-11


@dataclass
class Indicators:
    """The fixed effects with an indicator for each level and each existing combination of levels.

    Columns are given in the coordinates of the fit's basis U, with X[:, kept] = U `from_beta`: a
    column x = Uc in the span of X is the vector c. A linear combination t'γ of the coefficients
    of U has the coefficient c't for that column.

    Attributes
    ----------
    terms : list of FixedTerm
    columns : ndarray, shape (rank, q)
        The indicators, multiplied by covariates of mean square one.
    term : ndarray of int64, shape (q,)
        Position of each column's term; -1 for the intercept.
    treatments : list of (ndarray, shape (rank, k), and ndarray, shape (k,))
        For each term its columns in treatment coding, divided by a scale, and the scale.
    coded : ndarray, shape (rank, p)
        The columns of X.
    from_beta : ndarray, shape (rank, rank)
        The matrix in γ = `from_beta` β.
    """

    terms: list[FixedTerm]
    columns: np.ndarray
    term: np.ndarray
    treatments: list[tuple[np.ndarray, np.ndarray]]
    coded: np.ndarray
    from_beta: np.ndarray

    @classmethod
    def of(cls, model) -> Indicators:
        """The indicators of a model with terms of fixed effects."""
        terms, feterm = fixed_terms(model.frame), model.feterm
        from_beta = np.linalg.inv(feterm.to_basis)
        weighted = (
            feterm.basis
            if model.sqrt_weights is None
            else feterm.basis * model.sqrt_weights[:, None]
        )
        coded = np.empty((feterm.rank, len(feterm.cnames)))
        coded[:, feterm.kept] = from_beta
        dropped = np.setdiff1d(np.arange(len(feterm.cnames)), feterm.kept)
        coded[:, dropped] = weighted.T @ feterm.x[:, dropped] / len(weighted)
        columns, term, treatments = _columns(model.frame, terms, weighted)
        return cls(terms, columns, term, treatments, coded, from_beta)

    def of_terms(self, positions) -> np.ndarray:
        """Whether each column belongs to one of these terms, bool, shape (q,)."""
        return np.isin(self.term, positions)

    def span(self, chosen) -> np.ndarray:
        """An orthonormal basis of the span of chosen columns, shape (rank, dimension)."""
        return _split(self._centred(chosen))[0]

    def about(self, i: int) -> np.ndarray:
        """The estimable functions of type III for term i.

        Among the functions that involve only term i and the terms that contain it, these are the
        ones orthogonal to all functions that do not involve term i. Orthogonality is that of the
        coefficients of the indicators.

        Returns
        -------
        ndarray, shape (rank, degrees of freedom)
        """
        above = [j for j, t in enumerate(self.terms) if t.contains(self.terms[i])]
        involved = self.of_terms([i, *above])
        allowed = _split(self._centred(~involved))[1]
        others = _split(self._centred(~self.of_terms(above)))[1]
        coefficients = self.columns[:, involved].T
        q = np.linalg.qr(coefficients @ others)[0]
        dimension = allowed.shape[1] - others.shape[1]
        rows = np.linalg.svd(q.T @ coefficients @ allowed)[2]
        return allowed @ rows[len(rows) - dimension :].T

    def new(self, span, i: int) -> np.ndarray:
        """The columns of X of term i outside a span and outside that of the term's earlier columns.

        Parameters
        ----------
        span : ndarray, shape (rank, dimension)
            Orthonormal, including the intercept if there is one.

        Returns
        -------
        ndarray, shape (rank, number of such columns)
        """
        columns = self.coded[:, self.terms[i].columns]
        noise = 64 * np.finfo(float).eps * lengths(columns)
        return columns[:, independent(self._about_mean(columns), span, INDEPENDENT, noise)]

    def _centred(self, chosen) -> np.ndarray:
        """The intercept, then chosen columns made orthogonal to it and of length one."""
        columns = self._about_mean(self.columns[:, chosen & (self.term != -1)])
        length = lengths(columns)
        nonzero = length > 10 * np.finfo(float).eps
        return np.hstack([self._intercept, columns[:, nonzero] / length[nonzero]])

    def _about_mean(self, columns) -> np.ndarray:
        """Columns made orthogonal to the intercept, from which far-off covariates hardly differ."""
        return columns - self._intercept @ (self._intercept.T @ columns)

    @property
    def _intercept(self) -> np.ndarray:
        """The intercept scaled to length one, shape (rank, 1); (rank, 0) if there is none."""
        column = self.columns[:, self.term == -1]
        return column / lengths(column)


def _columns(frame, terms: list[FixedTerm], weighted):
    """The indicators, their terms, and each term's columns in treatment coding."""
    design = frame.design
    spec = design.specs["fixed"]
    data = design.materializer(frame.columns, frame.rows)
    names = [t.name for t in terms]
    intercept = any(str(part.term) not in names for part in spec.structure)
    columns, term, treatments = [], [], []
    for part in spec.structure:
        i = names.index(str(part.term)) if str(part.term) in names else -1
        factors = {f.expr: data.factor(f, spec) for f in part.term.factors}
        narrow = {f: m for f in factors if (m := _narrow(design.coding, f)) is not None}
        scopes = [{f.factor.expr: f.reduced for f in s.factors} for s in part.scoped_terms]
        pieces = []
        for scope in scopes:  # contrasts that span less than all levels are used as they are
            chosen = {f: factors[f] for f in scope}
            chosen |= {f: (None, narrow[f][factors[f][1]]) for f in narrow if scope.get(f)}
            pieces.append(_product(chosen, weighted, intercept and i >= 0))
        whole = pieces
        if not narrow and list(map(set, scopes)) != [set(factors)]:
            whole = [_product(factors, weighted, intercept and i >= 0)]
        columns += [piece.columns for piece in whole]
        term += [i] * sum(piece.columns.shape[1] for piece in whole)
        if i >= 0:
            reduced = [piece.reduced(scope) for piece, scope in zip(pieces, scopes, strict=True)]
            reduced = reduced or [
                (weighted[:0].T, np.empty(0))
            ]  # earlier terms have the same columns
            treatments.append(tuple(np.concatenate(t, axis=-1) for t in zip(*reduced, strict=True)))
    return np.hstack(columns), np.array(term), treatments


@dataclass
class _Product:
    """Indicators of the existing combinations of factor levels, multiplied by covariates.

    Attributes
    ----------
    columns : ndarray, shape (rank, k)
    scale : ndarray, shape (k,)
        Root mean squares of the covariates, by which the columns are divided.
    levels : dict of str to ndarray of int64, shape (k,)
        The level of each factor that a column is an indicator of.
    """

    columns: np.ndarray
    scale: np.ndarray
    levels: dict[str, np.ndarray]

    def reduced(self, scope: dict[str, bool]) -> tuple[np.ndarray, np.ndarray]:
        """Columns and scales in treatment coding, without the first level of coded factors."""
        kept = np.ones(len(self.scale), dtype=bool)
        for factor, level in self.levels.items():
            kept &= (level > 0) | (not scope[factor])
        return self.columns[:, kept], self.scale[kept]


def _product(factors: dict, weighted, centred: bool) -> _Product:
    """The product of factors and covariates, as `Materializer.factor` gives them."""
    from scipy.sparse import csr_array

    n = len(weighted)
    cells, levels, numbers = np.zeros(n, dtype=np.int64), {}, np.ones((n, 1))
    for name, (labels, values) in factors.items():
        if labels is None:
            numbers = (numbers[:, None, :] * values[:, :, None]).reshape(n, -1)
            continue
        distinct, cells = np.unique(cells + values * (cells.max() + 1), return_inverse=True)
        before = 1 if not levels else len(next(iter(levels.values())))
        levels = {f: level[distinct % before] for f, level in levels.items()}
        levels[name] = distinct // before
    scale = np.sqrt(np.mean(numbers**2, axis=0))
    scale[scale == 0] = 1.0
    if centred and not levels:  # the intercept belongs to every span with these columns
        numbers = numbers - numbers.mean(axis=0)
    count, positions = cells.max() + 1, (cells, np.arange(n))
    columns = [
        (csr_array((x, positions), shape=(count, n)) @ weighted).T / n for x in (numbers / scale).T
    ]
    m = len(columns)
    levels = {f: np.tile(level, m) for f, level in levels.items()}
    return _Product(np.hstack(columns), np.repeat(scale, count), levels)


def _narrow(coding, expression: str) -> np.ndarray | None:
    """The contrasts of a factor, shape (levels, columns), if they span less than all its levels."""
    contrasts = coding.chosen.get(expression)
    if contrasts is None:
        return None
    levels = list(coding.levels[expression])
    matrix = np.asarray(contrasts.get_coding_matrix(levels, reduced_rank=True), dtype=float)
    return matrix if matrix.shape[1] < len(levels) - 1 else None


def lengths(columns) -> np.ndarray:
    """Length of each column."""
    return np.linalg.norm(columns, axis=0)


def independent(columns, span, least: float, noise=0.0) -> list[int]:
    """Positions of columns outside an orthonormal span and outside that of columns chosen before.

    Parameters
    ----------
    columns, span : ndarray, shape (rank, any number)
    least : float
        The smallest share of a column's length that must be outside.
    noise : float or ndarray, shape (number of columns,)
        Lengths that count as rounding errors.
    """
    chosen = []
    needed = np.maximum(least * lengths(columns), noise)
    for j, column in enumerate(columns.T):
        if span.shape[1] == len(span):
            break
        outside = column - span @ (span.T @ column)
        outside -= span @ (span.T @ outside)  # again, for the rounding errors of the first time
        length = np.linalg.norm(outside)
        if length > needed[j]:
            chosen.append(j)
            span = np.column_stack([span, outside / length])
    return chosen


def _split(columns) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal bases of the span of columns of length one and of its orthogonal complement."""
    if columns.shape[1] > len(columns):  # fewer columns with the same span
        columns = np.linalg.qr(columns.T, mode="r").T
    u, s, _ = np.linalg.svd(columns, full_matrices=True)
    rank = int((s > INDEPENDENT * s[:1]).sum())
    return u[:, :rank], u[:, rank:]

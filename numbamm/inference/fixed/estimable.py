"""Which functions of the cells' means are about a term alone: what can be estimated, and of what.

Indicators of all levels, of which the columns of X are one choice, make hypotheses that depend
neither on how factors are coded nor on the order of their levels. A linear combination of the
coefficients of the indicators is *estimable* if it is one of the coefficients that were fitted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numbamm.inference.fixed.terms import FixedTerm, fixed_terms

#: A direction whose share of a column's length is less is rounding: see `femat.RANK_TOLERANCE`.
INDEPENDENT = 1e-11


@dataclass
class Indicators:
    """The fixed effects with an indicator for each level, and each combination that exists.

    All is in the coordinates of the basis U of the fit, X[:, kept] = U `from_beta`: there a
    column of the span is a vector c, x = Uc, and a combination t'γ of its coefficients gives
    the column the coefficient c't.

    Attributes
    ----------
    terms : list of FixedTerm
    columns : ndarray, shape (rank, q)
        The indicators, times covariates of mean square one.
    term : ndarray of int64, shape (q,)
        Position of each column's term; -1 for the intercept.
    treatments : list of (ndarray, shape (rank, k), and ndarray, shape (k,))
        For each term its columns by treatment contrasts, divided by a scale, and the scale.
    coded : ndarray, shape (rank, p)
        The columns of X.
    from_beta : ndarray, shape (rank, rank)
        γ = `from_beta` β.
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
        weighted = feterm.basis if model._sqrtw is None else feterm.basis * model._sqrtw[:, None]
        coded = np.empty((feterm.rank, len(feterm.cnames)))
        coded[:, feterm.kept] = from_beta
        dropped = np.setdiff1d(np.arange(len(feterm.cnames)), feterm.kept)
        coded[:, dropped] = weighted.T @ feterm.x[:, dropped] / len(weighted)
        columns, term, treatments = _columns(model.frame, terms, weighted)
        return cls(terms, columns, term, treatments, coded, from_beta)

    def of_terms(self, positions) -> np.ndarray:
        """Which columns belong to these terms, bool, shape (q,)."""
        return np.isin(self.term, positions)

    def span(self, which) -> np.ndarray:
        """An orthonormal basis of the span of these columns, shape (rank, dimension)."""
        return _split(self._centred(which))[0]

    def about(self, i: int) -> np.ndarray:
        """What can be estimated of term i, apart from the terms that contain it.

        Of the combinations that involve no other terms than these, those which are orthogonal
        to all that do not involve term i, in the coefficients of the indicators: the estimable
        functions of type III.

        Returns
        -------
        ndarray, shape (rank, degrees of freedom)
        """
        above = [j for j, t in enumerate(self.terms) if t.contains(self.terms[i])]
        involved = self.of_terms([i, *above])
        either = _split(self._centred(~involved))[1]
        others = _split(self._centred(~self.of_terms(above)))[1]
        coefficients = self.columns[:, involved].T
        q = np.linalg.qr(coefficients @ others)[0]
        size = either.shape[1] - others.shape[1]
        turned = np.linalg.svd(q.T @ coefficients @ either)[2]
        return either @ turned[len(turned) - size :].T

    def new(self, span, i: int) -> np.ndarray:
        """The columns of X of term i that lie outside a span and of those before them.

        Parameters
        ----------
        span : ndarray, shape (rank, dimension)
            Orthonormal, with the intercept, if there is one.

        Returns
        -------
        ndarray, shape (rank, number of such columns)
        """
        columns = self.coded[:, self.terms[i].columns]
        noise = 64 * np.finfo(float).eps * lengths(columns)
        return columns[:, independent(self._about_mean(columns), span, INDEPENDENT, noise)]

    def _centred(self, which) -> np.ndarray:
        """Columns of length one, without their share of the intercept, which stands first."""
        columns = self._about_mean(self.columns[:, which & (self.term != -1)])
        length = lengths(columns)
        seen = length > 10 * np.finfo(float).eps
        return np.hstack([self._intercept, columns[:, seen] / length[seen]])

    def _about_mean(self, columns) -> np.ndarray:
        """Columns without their share of the intercept, beside which covariates may be lost."""
        return columns - self._intercept @ (self._intercept.T @ columns)

    @property
    def _intercept(self) -> np.ndarray:
        """The intercept, of length one, shape (rank, 1); (rank, 0) where there is none."""
        column = self.columns[:, self.term == -1]
        return column / lengths(column)


def _columns(frame, terms: list[FixedTerm], weighted):
    """The columns of all levels, their terms, and each term's columns by treatment contrasts."""
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
        for scope in scopes:  # contrasts that span less than all levels stand for themselves
            taken = {f: factors[f] for f in scope}
            taken |= {f: (None, narrow[f][factors[f][1]]) for f in narrow if scope.get(f)}
            pieces.append(_product(taken, weighted, intercept and i >= 0))
        whole = pieces
        if not narrow and list(map(set, scopes)) != [set(factors)]:
            whole = [_product(factors, weighted, intercept and i >= 0)]
        columns += [piece.columns for piece in whole]
        term += [i] * sum(piece.columns.shape[1] for piece in whole)
        if i >= 0:
            reduced = [piece.reduced(scope) for piece, scope in zip(pieces, scopes, strict=True)]
            reduced = reduced or [(weighted[:0].T, np.empty(0))]  # all is in the terms before
            treatments.append(tuple(np.concatenate(t, axis=-1) for t in zip(*reduced, strict=True)))
    return np.hstack(columns), np.array(term), treatments


@dataclass
class _Product:
    """Indicators of the combinations of factors that exist, times covariates.

    Attributes
    ----------
    columns : ndarray, shape (rank, k)
    scale : ndarray, shape (k,)
        Root mean squares of the covariates, by which the columns are divided.
    levels : dict of str to ndarray of int64, shape (k,)
        Which level of each factor a column is about.
    """

    columns: np.ndarray
    scale: np.ndarray
    levels: dict[str, np.ndarray]

    def reduced(self, scope: dict[str, bool]) -> tuple[np.ndarray, np.ndarray]:
        """The columns, and their scale, without the first levels of factors by contrasts."""
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
        some, cells = np.unique(cells + values * (cells.max() + 1), return_inverse=True)
        before = 1 if not levels else len(next(iter(levels.values())))
        levels = {f: level[some % before] for f, level in levels.items()}
        levels[name] = some // before
    scale = np.sqrt(np.mean(numbers**2, axis=0))
    scale[scale == 0] = 1.0
    if centred and not levels:  # the intercept is in every span that they are in
        numbers = numbers - numbers.mean(axis=0)
    count, where = cells.max() + 1, (cells, np.arange(n))
    columns = [
        (csr_array((x, where), shape=(count, n)) @ weighted).T / n for x in (numbers / scale).T
    ]
    m = len(columns)
    levels = {f: np.tile(level, m) for f, level in levels.items()}
    return _Product(np.hstack(columns), np.repeat(scale, count), levels)


def _narrow(coding, expression: str) -> np.ndarray | None:
    """The contrasts of a factor, shape (levels, columns), if they span less than its levels."""
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
    """Which columns lie outside an orthonormal span and that of the chosen ones before them.

    Parameters
    ----------
    columns, span : ndarray, shape (rank, any number)
    least : float
        The share of a column that has to be new.
    noise : float or ndarray, shape (number of columns,)
        Lengths that are rounding.
    """
    chosen = []
    needed = np.maximum(least * lengths(columns), noise)
    for j, column in enumerate(columns.T):
        if span.shape[1] == len(span):
            break
        rest = column - span @ (span.T @ column)
        rest -= span @ (span.T @ rest)  # what rounding left of the first difference
        length = np.linalg.norm(rest)
        if length > needed[j]:
            chosen.append(j)
            span = np.column_stack([span, rest / length])
    return chosen


def _split(columns) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal bases of the span of columns of length one, and of what is orthogonal to it."""
    if columns.shape[1] > len(columns):  # the same spans, of fewer columns
        columns = np.linalg.qr(columns.T, mode="r").T
    u, s, _ = np.linalg.svd(columns, full_matrices=True)
    rank = int((s > INDEPENDENT * s[:1]).sum())
    return u[:, :rank], u[:, rank:]

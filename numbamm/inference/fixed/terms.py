"""The terms of the fixed effects: which columns each has, and which contain which."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from numbamm.formula.materializer import without_fulldummy


@dataclass(frozen=True)
class FixedTerm:
    """One term of the formula, such as ``recipe:temperature``.

    Attributes
    ----------
    name : str
    variables : frozenset of str
        Its factors and covariates, as expressions.
    numeric : frozenset of str
        Those that are covariates.
    columns : ndarray of int64
        Positions of its columns in X.
    """

    name: str
    variables: frozenset[str]
    numeric: frozenset[str]
    columns: np.ndarray

    def contains(self, other: FixedTerm) -> bool:
        """Whether this term is the other one within the levels of further factors."""
        return other.variables < self.variables and other.numeric == self.numeric


def fixed_terms(frame) -> list[FixedTerm]:
    """The terms of a model frame's fixed effects but for the intercept, in order."""
    return _terms_of(frame.design.specs["fixed"], frame.design.coding)


def _terms_of(spec, coding) -> list[FixedTerm]:
    terms = []
    for term, columns in spec.term_slices.items():
        factors = {factor.expr for factor in term.factors} - {"1"}
        if factors:
            numeric = {f for f in factors if without_fulldummy(f) not in coding.levels}
            terms.append(
                FixedTerm(str(term), frozenset(factors), frozenset(numeric), np.r_[columns])
            )
    return terms


def without(frame, term: FixedTerm) -> tuple[np.ndarray, list[str]]:
    """X and its names when a term is left out of the formula.

    The rest is coded anew, since the term may have been what an indicator of a level was
    redundant with.
    """
    design = copy(frame.design)
    design.coding = replace(design.coding)
    formula = design.specs["fixed"].formula
    rest = type(formula)([t for t in formula if str(t) != term.name])
    matrix = design.materializer(frame.columns, frame.rows).matrix(rest)
    return np.asarray(matrix.__wrapped__), list(matrix.model_spec.column_names)

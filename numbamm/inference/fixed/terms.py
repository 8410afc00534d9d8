"""The terms of the fixed effects: their columns, and which terms contain others."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from numbamm.formula.materializer import without_fulldummy
from numbamm.formula.names import quoted


@dataclass(frozen=True)
class FixedTerm:
    """One term of the formula, such as ``recipe:temperature``.

    Attributes
    ----------
    name : str
    text : str
        As a formula writes it, with odd names in back-quotes.
    variables : frozenset of str
        Expressions of its factors and covariates.
    numeric : frozenset of str
        Expressions of its covariates.
    columns : ndarray of int64
        Positions of its columns in X.
    """

    name: str
    text: str
    variables: frozenset[str]
    numeric: frozenset[str]
    columns: np.ndarray

    def contains(self, other: FixedTerm) -> bool:
        """Whether this term is the other one, within the levels of further factors."""
        return other.variables < self.variables and other.numeric == self.numeric


def fixed_terms(frame) -> list[FixedTerm]:
    """The terms of a model frame's fixed effects in order, without the intercept."""
    spec, coding = frame.design.specs["fixed"], frame.design.coding
    terms = []
    for term, columns in spec.term_slices.items():
        factors = {factor.expr for factor in term.factors} - {"1"}
        if factors:
            numeric = {f for f in factors if without_fulldummy(f) not in coding.levels}
            names, written = (frozenset(factors), frozenset(numeric)), map(_written, term.factors)
            terms.append(FixedTerm(str(term), ":".join(written), *names, np.r_[columns]))
    return terms


def _written(factor) -> str:
    """A factor as formulas write it: names of columns in back-quotes, if they need them."""
    return quoted(factor.expr) if factor.eval_method.value == "lookup" else factor.expr


def without(frame, term: FixedTerm) -> tuple[np.ndarray, list[str]]:
    """X and its names when a term is dropped from the formula.

    The remaining terms are coded again: an indicator may have been left out because it was
    redundant with the dropped term.
    """
    design = copy(frame.design)
    design.coding = replace(design.coding)
    formula = design.specs["fixed"].formula
    remaining = type(formula)([t for t in formula if str(t) != term.name])
    matrix = design.materializer(frame.columns, frame.rows).matrix(remaining)
    return np.asarray(matrix.__wrapped__), list(matrix.model_spec.column_names)

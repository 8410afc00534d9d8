"""One-sided formulas of further parts of a model, ``nominal="~ x"``, and their columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from numbamm.errors import FormulaError
from numbamm.formula.tokens import Token, render, tokenise
from numbamm.shortrepr import ShortRepr


@dataclass(repr=False)
class PartColumns(ShortRepr):
    """The columns of one part of a model.

    Attributes
    ----------
    text : str
        The effects, without the tilde.
    X : ndarray of float64, shape (n, p)
        In the retained rows; with a constant column, unless the formula removes it.
    names : list of str
    """

    text: str
    X: np.ndarray
    names: list[str]


def one_sided(part: str, formula: str) -> str:
    """The effects of a part's formula, which has a tilde and nothing left of it.

    Raises
    ------
    FormulaError
        It is no such formula, or has random effects or offsets.
    """
    example = f'{part}="~ x"'
    if not isinstance(formula, str):
        raise FormulaError(f"{part} must be a one-sided formula such as {example}, not {formula!r}")
    tokens = tokenise(formula)
    if not tokens or tokens[0].text != "~":
        raise FormulaError(f"{part}={formula!r} is no one-sided formula: write {example}")
    effects = tokens[1:]
    if not effects:
        raise FormulaError(f"{part}={formula!r} has no effects: write {example}")
    for token in effects:
        _refuse(part, formula, token)
    return render(effects)


def _refuse(part: str, formula: str, token: Token) -> None:
    """Refuse what a formula of fixed effects cannot have."""
    if token.python:
        return
    if token.text in ("|", "||"):
        raise FormulaError(f"{part}={formula!r} has random effects: this part has none")
    if token.text == "~":
        raise FormulaError(f"{part}={formula!r} has two tildes: write {part}='~ x'")
    if token.text == "offset":
        raise FormulaError(f"{part}={formula!r} has an offset: this part has none")


def texts(parts: Mapping[str, str | None] | None) -> dict[str, str]:
    """The effects of each part that has a formula."""
    return {name: one_sided(name, text) for name, text in (parts or {}).items() if text is not None}

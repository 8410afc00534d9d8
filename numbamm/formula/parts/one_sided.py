"""`one_sided`: the formula of a part of a model, ``"~ x + z"``, of which a design makes columns."""

from __future__ import annotations

from formulaic.formula import SimpleFormula

from numbamm.errors import FormulaError
from numbamm.formula.effects import parse_effects
from numbamm.formula.scan import RandomTerm, scan
from numbamm.formula.tokens import brief, tokenise

#: Parts that may have random effects.
WITH_EFFECTS = ("zi", "hurdle")


def one_sided(name: str, text) -> SimpleFormula:
    """The effects of a one-sided formula.

    Parameters
    ----------
    name : str
        The part, for messages: ``"dispersion"``.
    text : str
        ``"~ x + z"``.

    Raises
    ------
    FormulaError
        It does not begin with ``~``, has nothing behind it, or has random effects.
    """
    if not isinstance(text, str):
        raise FormulaError(f'{name} must be a string such as "~ x", not {type(text).__name__}')
    sign, _, effects = text.strip().partition("~")
    if sign or "~" not in text:
        raise FormulaError(f"{name}: {brief(text)!r} is no one-sided formula: write '~ x + z'")
    if not effects.strip():
        raise FormulaError(f"{name}: nothing stands after '~': write '~ 1' for a constant")
    if any(token.text in ("|", "||") and not token.python for token in tokenise(effects)):
        raise FormulaError(
            f"{name}: {brief(text)!r} has a bar; its effects are fixed ones: leave the term out"
        )
    return parse_effects(effects.strip(), text)


def with_bars(name: str, text) -> tuple[str, tuple[RandomTerm, ...]]:
    """The fixed effects of a part, as a one-sided formula, and its random-effects terms.

    Raises
    ------
    FormulaError
        A term cannot be read.
    """
    if name not in WITH_EFFECTS or not isinstance(text, str) or "|" not in text:
        return text, ()
    sign, _, effects = text.strip().partition("~")
    if sign or not effects.strip():
        return text, ()
    read = scan(f"{name} ~ {effects}", needs_terms=False)
    return f"~ {read.fixed}", read.terms

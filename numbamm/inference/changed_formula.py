"""`updated`: a formula from an old one and a change to it, such as ``~ . - x``."""

from __future__ import annotations

from numbamm.errors import FormulaError
from numbamm.formula.effects import parse_effects
from numbamm.formula.grouping import grouping_factors
from numbamm.formula.names import quoted
from numbamm.formula.scan import Token, scan, tokenise

#: A term with its sign, ``"+"`` or ``"-"``.
Signed = tuple[str, str]


def updated(old: str, change: str) -> str:
    """The formula that a change makes of an old one, as `update` in R does.

    Parameters
    ----------
    old : str
        The formula of a model.
    change : str
        A formula in which a dot stands for the same side of the old one: ``~ . - x``,
        ``. ~ . + (1 | g)``, ``log(.) ~ .``. Nothing left of ``~`` keeps the response.

    Raises
    ------
    FormulaError
        The change cannot be read, or leaves out a term that the old formula has not.
    """
    if not isinstance(change, str):
        raise FormulaError(f"a formula must be a string, not {type(change).__name__}")
    (old_left, old_right), (left, right) = _sides(old), _sides(change)
    response = "".join(
        _spaced(t, old_left if t.text == "." else t.text) for t in tokenise(left)
    ).strip()
    terms: list[Signed] = []
    for sign, text in _summands(right):
        if text == ".":
            if sign == "-":
                raise FormulaError(f"'{change}' leaves out all of '{old_right}': write the new one")
            terms += _summands(old_right)
        elif any(t.text == "." for t in tokenise(text)):
            raise FormulaError(
                f"in '{change}' the dot stands for the whole right-hand side, {old_right}: write "
                "it alone, as in ~ . + x"
            )
        elif sign == "+" or _bare(text) in ("0", "1"):
            terms.append((sign, text))
        else:
            terms = _without(terms, text, old)
    return f"{response or old_left} ~ {_joined(terms)}"


def _sides(formula: str) -> tuple[str, str]:
    """The texts left and right of ``~``."""
    tildes = [t.start for t in tokenise(formula) if t.text == "~" and not t.level]
    if len(tildes) != 1:
        raise FormulaError(f"'{formula}' needs one '~', as in ~ . + x")
    return formula[: tildes[0]].strip(), formula[tildes[0] + 1 :].strip()


def _summands(side: str) -> list[Signed]:
    """The terms of a right-hand side, split at ``+`` and ``-`` outside of brackets."""
    found: list[Signed] = []
    sign, begin = "+", 0
    for token in tokenise(side):
        if token.level == 0 and token.text in ("+", "-"):
            found.append((sign, side[begin : token.start].strip()))
            sign, begin = token.text, token.start + 1
    found.append((sign, side[begin:].strip()))
    return [(sign, text) for sign, text in found if text]


def _without(terms: list[Signed], text: str, old: str) -> list[Signed]:
    """The terms without one of them.

    Raises
    ------
    FormulaError
        It is none of them, nor a part of one, as ``a:b`` of ``a * b``.
    """
    left = [term for term in terms if term[0] == "-" or _bare(term[1]) != _bare(text)]
    if len(left) < len(terms):
        return left
    if _is_special(text):
        unwanted = {_bare(part) for part in _parts(text)}
        if unwanted <= {_bare(part) for _, term in terms for part in _parts(term)}:
            return [term for old in terms for term in _remaining(old, unwanted)]
    else:
        fixed = _joined([term for term in terms if not _is_special(term[1])])
        before, after = (_effects(f) for f in (fixed, f"{fixed} - {text}"))
        if after != before:
            return [*terms, ("-", text)]
    listed = ", ".join(other for sign, other in terms if sign == "+")
    raise FormulaError(f"'{old}' has no term '{text}' to leave out: there are {listed}")


def _remaining(term: Signed, unwanted: set[str]) -> list[Signed]:
    """What remains of a term; it stays as it is written, if that is all of it."""
    sign, parts = term[0], _parts(term[1])
    left = [(sign, part) for part in parts if _bare(part) not in unwanted]
    return [term] if len(left) == len(parts) else left


def _parts(text: str) -> list[str]:
    """A term of nested factors, ``(x | a/b)``, as a term for each factor; others as they are."""
    if not _is_special(text) or not (terms := scan(f"y ~ {text} + (1 | g)").terms[:-1]):
        return [text]
    [term] = terms
    factors = [":".join(map(quoted, names)) for names in grouping_factors(term)]
    if len(factors) == 1:
        return [text]
    called, bar = ("", term.kind) if "|" in term.kind else (term.kind, "|")
    return [f"{called}({term.lhs} {bar} {factor})" for factor in factors]


def _effects(text: str) -> set[str]:
    return {str(term) for term in parse_effects(text)}


def _is_special(text: str) -> bool:
    """Whether a term is one of random effects, or an offset: formulaic does not know these."""
    if text.replace(" ", "").startswith("offset("):
        return True
    try:
        return bool(scan(f"y ~ {text}").terms)
    except FormulaError:
        return False


def _joined(terms: list[Signed]) -> str:
    """The terms as one text; 1, if there are none."""
    text = " ".join(f"{sign} {term}" for sign, term in terms)
    return text.removeprefix("+ ") or "1"


def _bare(text: str) -> str:
    """A term's text without spaces, as it is compared."""
    return "".join(t.text for t in tokenise(text))


def _spaced(token: Token, text: str) -> str:
    return f" {text}" if token.after_space else text

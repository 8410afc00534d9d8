"""`ResidualText`: the pieces of ``residual="ar1(day | subject)"``."""

from __future__ import annotations

from dataclasses import dataclass

from numbamm.errors import FormulaError, did_you_mean
from numbamm.formula.grouping import grouping_factors
from numbamm.formula.names import unquoted
from numbamm.formula.scan import RandomTerm
from numbamm.formula.tokens import Token, brief, closing, render, tokenise
from numbamm.structures.registry import by_name

#: Values of options that are flags.
FLAGS = {"True": True, "False": False}


@dataclass(frozen=True)
class ResidualText:
    """A residual structure as the user wrote it.

    Attributes
    ----------
    text : str
    structure : str
        Its name.
    positions : tuple of str
        Columns of visits, times or coordinates; none for exchangeable rows, written as 1.
    group : tuple of str
        The columns whose interaction is a group; none for one group of all rows.
    by : str or None
        The column of strata that have matrices of their own.
    nugget : bool
    """

    text: str
    structure: str
    positions: tuple[str, ...]
    group: tuple[str, ...]
    by: str | None = None
    nugget: bool = False

    @property
    def columns(self) -> set[str]:
        """All columns that it uses."""
        return {*self.positions, *self.group, *([self.by] if self.by else [])}


def names_of_residuals() -> list[str]:
    """Names of the structures that residuals may have."""
    return sorted(name for name, kind in by_name().items() if kind.reading)


def residual_text(text) -> ResidualText:
    """Take a residual structure apart.

    Raises
    ------
    FormulaError
        It cannot be read; the message says how such a text looks.
    """
    if not isinstance(text, str):
        raise FormulaError(
            f'residual must be a string such as "ar1(time | subject)", not {type(text).__name__}'
        )
    tokens = tokenise(text)
    called = len(tokens) > 2 and tokens[0].kind == "name" and tokens[1].text == "("
    if not called or closing(tokens, 1) != len(tokens) - 1:
        raise _unreadable(text, "it is no structure with a bar in parentheses")
    name, inside = tokens[0].text, tokens[2:-1]
    if name not in names_of_residuals():
        raise FormulaError(_unknown(name))
    bars = [i for i, token in enumerate(inside) if token.text in ("|", "||")]
    if len(bars) != 1 or inside[bars[0]].text == "||":
        raise _unreadable(text, "it needs one bar")
    left, (right, *given) = _parts(inside[: bars[0]]), _parts(inside[bars[0] + 1 :])
    if not right:
        raise _unreadable(text, "nothing stands behind the bar")
    positions = _positions(text, left)
    options = _options(text, given)
    written = render(tokens)
    if render(right) == "1":
        group: tuple[str, ...] = ()
    else:
        term = RandomTerm("1", render(right), "|", written)
        group, *others = grouping_factors(term)
        if others:
            raise _unreadable(text, "nesting a/b is two factors: write a:b for the groups")
    return ResidualText(written, name, positions, group, **options)


def _unknown(name: str) -> str:
    known = names_of_residuals()
    near = did_you_mean(name, known) or f"; there are {', '.join(known)}"
    if name in ("diag", "zerocorr"):
        near = ": a standard deviation for each visit alone is dispersion='~ visit'"
    elif name == "homdiag":
        near = ": residuals are independent without one"
    return f"residual: there is no residual structure '{name}'{near}"


def _unreadable(text: str, why: str) -> FormulaError:
    return FormulaError(
        f"residual={brief(text)!r} cannot be read, since {why}: write 'ar1(time | subject)', "
        "'us(visit | subject)', 'exp(east, north | plot, nugget=True)' or 'homcs(1 | plot)'"
    )


def _parts(tokens: list[Token]) -> list[list[Token]]:
    """The tokens between commas."""
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if token.text == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _positions(text: str, parts: list[list[Token]]) -> tuple[str, ...]:
    found = []
    for part in parts:
        if [t.text for t in part[:2]] == ["0", "+"]:  # as in a random-effects term
            part = part[2:]
        if len(part) == 4 and part[0].text in ("C", "factor") and part[1].text == "(":
            part = part[2:3]
        if len(part) == 1 and part[0].text == "1" and len(parts) == 1:
            return ()
        if len(part) != 1 or not (part[0].kind == "name" or part[0].text.startswith("`")):
            raise _unreadable(text, "columns stand before the bar: make one of an expression first")
        found.append(unquoted(part[0].text))
    return tuple(found)


def _options(text: str, given: list[list[Token]]) -> dict:
    options: dict = {}
    for part in given:
        texts = [token.text for token in part]
        if len(texts) != 3 or texts[1] != "=" or texts[0] not in ("by", "nugget"):
            raise _unreadable(text, "its options are by=column and nugget=True")
        if texts[0] == "by":
            options["by"] = unquoted(texts[2])
        elif texts[2] in FLAGS:
            options["nugget"] = FLAGS[texts[2]]
        else:
            raise _unreadable(text, "nugget is True or False")
    return options

"""`DispersionText`: the pieces of ``dispersion="~ x + z"`` or ``"power(x, by=f)"``."""

from __future__ import annotations

from dataclasses import dataclass

from numbamm.errors import FormulaError, did_you_mean
from numbamm.formula.names import unquoted
from numbamm.formula.tokens import brief, closing, render, tokenise

#: Functions of a covariate, and whether they may have strata.
FUNCTIONS = {"power": True, "exp": True, "constpower": False, "fixed": False}
#: Stands for the fitted means, as a covariate.
FITTED = "fitted"


@dataclass(frozen=True)
class DispersionText:
    """A model of the standard deviation of rows as the user wrote it.

    Attributes
    ----------
    text : str
    function : str or None
        None for a formula.
    covariate : str
        A column, or `FITTED`.
    by : str or None
        The column of strata that have parameters of their own.
    """

    text: str
    function: str | None = None
    covariate: str = ""
    by: str | None = None

    @property
    def columns(self) -> set[str]:
        """The columns that a function uses."""
        return {c for c in (self.covariate, self.by) if c and c != FITTED}


def dispersion_texts(given) -> list[DispersionText]:
    """Take a dispersion, or several whose standard deviations multiply, apart.

    Raises
    ------
    FormulaError
        One cannot be read; the message says how such a text looks.
    """
    texts = list(given) if isinstance(given, list | tuple) else [given]
    if sum(isinstance(text, str) and text.strip().startswith("~") for text in texts) > 1:
        raise FormulaError("dispersion has two formulas: write one, '~ x + z'")
    return [_one(text) for text in texts]


def _one(text) -> DispersionText:
    if not isinstance(text, str):
        raise FormulaError(f'dispersion must be a string such as "~ x", not {type(text).__name__}')
    if text.strip().startswith("~"):
        return DispersionText(text.strip())
    tokens = tokenise(text)
    called = len(tokens) > 3 and tokens[0].kind == "name" and tokens[1].text == "("
    if not called or closing(tokens, 1) != len(tokens) - 1:
        raise _unreadable(text, "it is neither a formula nor a function of a column")
    name, inside = tokens[0].text, tokens[2:-1]
    if name not in FUNCTIONS:
        near = did_you_mean(name, FUNCTIONS) or f"; there are {', '.join(sorted(FUNCTIONS))}"
        raise FormulaError(f"dispersion: there is no function '{name}' of the deviation{near}")
    texts = [token.text for token in inside]
    is_name = inside[0].kind == "name" or texts[0].startswith("`")
    if not is_name or len(texts) not in (1, 5) or texts[1:2] not in ([], [","]):
        raise _unreadable(text, f"{name}() takes a column: make one of an expression first")
    by = None
    if len(texts) == 5:
        if texts[2:4] != ["by", "="] or not FUNCTIONS[name]:
            raise _unreadable(text, f"{name}() takes no such option")
        by = unquoted(texts[4])
    return DispersionText(render(tokens), name, unquoted(texts[0]), by)


def _unreadable(text: str, why: str) -> FormulaError:
    return FormulaError(
        f"dispersion={brief(text)!r} cannot be read, since {why}: write '~ x + f', 'power(x)', "
        "'power(x, by=f)', 'exp(x)', 'constpower(x)', 'fixed(x)' or 'power(fitted)'"
    )

"""Text of effects → formulaic's terms.

formulaic expands sums, products and powers. It gets a placeholder for each column and each call;
their texts are read by numbamm.
"""

from __future__ import annotations

import ast
import functools
import re

from formulaic import Formula
from formulaic.errors import FormulaParsingError
from formulaic.formula import SimpleFormula
from formulaic.parser.types import Factor, Term

from numbamm.errors import FormulaError
from numbamm.formula.expressions import code_of, normalised
from numbamm.formula.names import in_back_quotes, unquoted
from numbamm.formula.tokens import Token, brief, closing, show, tokenise

#: Limits: effects of one formula, products that their expansion visits, and factors of one product.
MOST, MOST_PRODUCTS, MOST_FACTORS = 10_000, 100_000, 100


@functools.lru_cache(maxsize=256)  # programs fit the same formula again and again
def parse_effects(text: str, where: str | None = None) -> SimpleFormula:
    """The terms of a sum of effects.

    Parameters
    ----------
    text
        The sum, without random-effects terms.
    where
        The text to quote in messages.

    Raises
    ------
    FormulaError
        If formulaic cannot read the text, or if its expansion exceeds the limits.
    """
    tokens, placeholders = _with_placeholders(tokenise(text), text)
    _Count(tokens, text).sum()
    try:
        formula = Formula(" ".join(token.text for token in tokens))
    except Exception as error:  # formulaic's errors, or Python's where formulaic fails
        reason = str(error).splitlines()[0] if isinstance(error, FormulaParsingError) else "syntax"
        reason = re.sub(r"_\d+_", lambda m: placeholders[m.group()].expr, reason)
        raise FormulaError(f"'{brief(where or text)}' cannot be read: {reason}") from error
    return SimpleFormula([Term([placeholders.get(f.expr, f) for f in t.factors]) for t in formula])


def _with_placeholders(tokens: list[Token], text: str) -> tuple[list[Token], dict[str, Factor]]:
    """The tokens with a placeholder for each column and call, and the factor behind each."""
    out: list[Token] = []
    placeholders: dict[str, Factor] = {}
    of_text: dict[str, str] = {}
    i = 0
    while i < len(tokens):
        token, end = tokens[i], _end_of_atom(tokens, i)
        if token.kind == "string":
            raise show(
                text,
                "a string is not an effect: write a column's name plainly or in back-quotes",
                token.start,
            )
        if end == i:
            out.append(token)
        else:
            factor = _factor(tokens[i:end])
            name = of_text.setdefault(factor.expr, f"_{len(placeholders)}_")
            placeholders[name] = factor
            out.append(Token("name", name, token.start, token.level, False, True))
        i = max(end, i + 1)
    return out, placeholders


def _end_of_atom(tokens: list[Token], i: int) -> int:
    """The end of the column or call that begins at `i`; `i` itself if none begins there."""
    if tokens[i].text == "{":
        return closing(tokens, i) + 1
    if tokens[i].kind != "name":
        return i
    end = i + 1
    while end < len(tokens):
        following = tokens[end]
        if following.text in ("(", "["):
            end = closing(tokens, end) + 1
        elif following.text.startswith(".") and not following.after_space:
            end += 1
        else:
            break
    return end


def _factor(tokens: list[Token]) -> Factor:
    if len(tokens) > 1:
        inside = tokens[1:-1] if tokens[0].text == "{" else tokens
        return Factor(normalised(code_of(inside)), eval_method=Factor.EvalMethod.PYTHON)
    name = unquoted(tokens[0].text)
    shown = in_back_quotes(name) if _reads_as_python(name) else name
    return Factor(shown, eval_method=Factor.EvalMethod.LOOKUP)


def _reads_as_python(name: str) -> bool:
    """Whether the name of a column could be taken for an expression, as ``log(x)``."""
    if name.startswith("`"):
        return True
    if not name.endswith(")") and " " not in name:
        return False
    try:
        return not isinstance(ast.parse(name, mode="eval").body, ast.Name)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False


class _Count:
    """Counts the products that formulaic's expansion would visit, by recursive descent."""

    def __init__(self, tokens: list[Token], text: str) -> None:
        self.tokens, self.text, self.at = tokens, text, 0

    def sum(self) -> int:
        total = self.product()
        while self.next_is("+", "-"):
            total = self.limited(total + self.product())
        return total

    def product(self) -> int:
        total, factors = self.interaction(), 1
        while operator := self.next_is("*", "/"):
            other, factors = self.interaction(), factors + 1
            self.few(factors)
            total = self.limited(total + other + (total * other if operator == "*" else 0))
        return total

    def interaction(self) -> int:
        total, factors = self.power(), 1
        while self.next_is(":"):
            total, factors = self.limited(total * self.power()), factors + 1
            self.few(factors)
        return total

    def power(self) -> int:
        total = self.atom()
        while self.next_is("**", "^"):
            text = self.tokens[self.at].text if self.at < len(self.tokens) else ""
            # formulaic refuses other exponents; above 20 any sum exceeds the limits
            exponent = int(text[:9]) if text.isdecimal() else 1
            products = exponent if total < 2 else total ** min(exponent, 20)
            self.limited(products, MOST_PRODUCTS)
            total = self.limited(min(products, 2**total))
            self.at += 1
        return total

    def atom(self) -> int:
        while self.next_is("+", "-"):
            pass
        if self.next_is("("):
            total = self.sum()
            self.next_is(")")
            return total
        self.at += 1
        return 1

    def next_is(self, *texts: str) -> str:
        """Skip the next token if it is one of these, and return its text; else return ''."""
        if self.at < len(self.tokens) and self.tokens[self.at].text in texts:
            self.at += 1
            return self.tokens[self.at - 1].text
        return ""

    def limited(self, number: int, most: int = MOST) -> int:
        if number > most:
            raise self.error(
                f"the effects up to here multiply out to more than {most}: leave some out"
            )
        return number

    def few(self, factors: int) -> None:
        if factors > MOST_FACTORS:
            raise self.error(
                f"more than {MOST_FACTORS} effects are crossed up to here: leave some out"
            )

    def error(self, message: str) -> FormulaError:
        return show(self.text, message, self.tokens[min(self.at, len(self.tokens)) - 1].start)

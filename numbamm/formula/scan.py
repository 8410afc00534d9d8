"""Formula text → its pieces: response, fixed part, random-effects terms and offsets.

formulaic reads neither ``(x | g)`` nor ``offset(x)``. So a scan by balanced brackets takes these
out of the right-hand side before formulaic gets the text. Strings, names in back-quotes, and the
arguments of calls, which follow Python's grammar, are left unchanged.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from itertools import pairwise

from numbamm.errors import FormulaError
from numbamm.formula.tokens import XOR, Token, brief, closing, opens_call, render, show, tokenise
from numbamm.structures.registry import by_name, others

#: Most random-effects terms and offsets of a formula, well above any sensible use.
MOST_TERMS = 1_000

_POWERS = ("^", "**")
_COMPARISONS = {"==", "!=", "<", "<=", ">", ">="}
_LOGICAL = {"&", "|"}
_OF_CONDITIONS = {"I", "ifelse"}  # functions whose argument may be the condition a | b
# As R and MixedModels.jl write an interaction, and as formulaic does.
_INTERACTION = {"&": ":", "%in%": ":"}


@dataclass(frozen=True)
class RandomTerm:
    """A term ``(lhs | group)`` as it stands in the formula.

    Attributes
    ----------
    lhs : str
        Left of the bar, for formulaic.
    group : str
        Right of the bar.
    kind : str
        ``"|"``, ``"||"``, or the name of a covariance structure, ``"zerocorr"``.
    text : str
        The whole term, as messages print it.
    options : tuple of (str, int)
        Options of the structure, such as the rank of ``rr(0 + x | g, d=2)``.
    """

    lhs: str
    group: str
    kind: str
    text: str
    options: tuple[tuple[str, int], ...] = ()

    @property
    def structure(self) -> str:
        """Name of its covariance structure; ``"us"`` for a bar, and for each column of ``||``."""
        return "us" if self.kind in ("|", "||") else self.kind


@dataclass(frozen=True)
class FormulaText:
    """The pieces of a formula.

    Attributes
    ----------
    text : str
        The whole formula with normalised spaces, as tables print it.
    response : str
        Left of ``~``: a Python expression.
    counts : tuple of str
        The two expressions of a response ``cbind(successes, failures)``; else empty.
    fixed : str
        The fixed-effects part, for formulaic.
    terms : tuple of RandomTerm
    offsets : tuple of str
        The Python expressions inside ``offset()``.
    """

    text: str
    response: str
    counts: tuple[str, ...]
    fixed: str
    terms: tuple[RandomTerm, ...]
    offsets: tuple[str, ...]


@functools.lru_cache(maxsize=256)  # programs fit the same formula again and again
def _scan(formula: str, needs_terms: bool) -> FormulaText:
    return _Scanner(formula).scan(needs_terms)


def scan(formula: str, needs_terms: bool = True) -> FormulaText:
    """Take a formula apart.

    Parameters
    ----------
    formula : str
    needs_terms : bool
        Whether there must be a random-effects term.

    Raises
    ------
    FormulaError
        If the text is not a mixed-model formula; a caret shows the place.
    """
    if not isinstance(formula, str):
        raise FormulaError(f"a formula must be a string, not {type(formula).__name__}")
    return _scan(formula, needs_terms)


class _Scanner:
    def __init__(self, formula: str) -> None:
        self.source = formula
        self.fixed: list[str] = []
        self.terms: list[RandomTerm] = []
        self.offsets: list[str] = []

    def error(self, message: str, at: int) -> FormulaError:
        return show(self.source, message, at)

    def scan(self, needs_terms: bool) -> FormulaText:
        tokens = tokenise(self.source)
        left, right = self.sides(tokens)
        right = self.with_comparisons(right)
        self.refuse_mixed_operators(left, python=True)
        self.refuse_mixed_operators(right)
        self.additive(right)
        if not self.terms:
            self.refuse_unknown_structure(right)
        if needs_terms and not self.terms:
            raise FormulaError(
                f"'{brief(render(tokens))}' has no random-effects term; add one, "
                "for example + (1 | group), or use a package for models without them"
            )
        return FormulaText(
            text=render(tokens),
            response=render(left),
            counts=self.counts(left),
            fixed=" ".join(self.fixed).removeprefix("+ ") or "1",
            terms=tuple(self.terms),
            offsets=tuple(self.offsets),
        )

    def refuse_unknown_structure(self, tokens: list[Token]) -> None:
        """Refuse a call with a bar, in a formula without terms, as an unknown structure."""
        for i, (token, following) in enumerate(pairwise(tokens)):
            called = token.kind == "name" and following.text == "(" and not token.python
            if called and token.text not in _OF_CONDITIONS:
                inner = tokens[i + 1 : closing(tokens, i + 1)]
                if any(t.text in ("|", "||") and t.level == following.level + 1 for t in inner):
                    known = f"there is no covariance structure '{token.text}'{others(token.text)}"
                    raise self.error(known, token.start)

    def sides(self, tokens: list[Token]) -> tuple[list[Token], list[Token]]:
        tildes = [i for i, t in enumerate(tokens) if t.text == "~" and not t.python]
        if not tildes:
            raise self.error(
                "a formula needs a '~' between response and effects, as in y ~ x + (1 | g)", 0
            )
        if len(tildes) > 1:
            raise self.error(
                "a second '~' has no meaning here: leave one out", tokens[tildes[1]].start
            )
        if tokens[tildes[0]].level:
            raise self.error(
                "'~' must stand outside of parentheses: leave these out", tokens[tildes[0]].start
            )
        left, right = tokens[: tildes[0]], tokens[tildes[0] + 1 :]
        if not left:
            raise self.error("the response is missing before '~'", tokens[0].start)
        if not right:
            raise self.error("nothing stands after '~'", tokens[tildes[0]].start)
        for token in left:
            if token.text == "^":
                raise self.error(XOR, token.start)
        return left, right

    def with_comparisons(self, tokens: list[Token]) -> list[Token]:
        """The tokens with ``I(x > 2)`` in place of ``(x > 2)``, since R evaluates comparisons."""
        opened: list[int] = []
        compared: dict[int, Token] = {}  # by position of the innermost bracket around
        barred: set[int] = set()
        for i, token in enumerate(tokens):
            if token.kind == "open":
                opened.append(i)
            elif token.kind == "close":
                opened.pop()
            elif _is_bar(token) and opened:
                barred.add(opened[-1])
            elif token.text in _COMPARISONS and not token.python:
                compared.setdefault(opened[-1] if opened else -1, token)
        for i, token in compared.items():
            if i == -1 or i in barred or (i and opens_call(tokens[i - 1], tokens[i])):
                message = "a comparison among effects needs a call around it: write I(x > 2)"
                raise self.error(message, token.start)
        out, end = [], -1
        for i, token in enumerate(tokens):
            inside = i < end
            if i in compared and not inside:
                out.append(replace(token, kind="name", text="I"))
                end = closing(tokens, i)
            out.append(replace(token, python=True) if inside else token)
            if inside and token.text == "^":
                raise self.error(XOR, token.start)
        return out

    def refuse_mixed_operators(self, tokens: list[Token], python: bool = False) -> None:
        """Refuse ``a == 1 & b``: Python reads ``a == (1 & b)``, and R ``(a == 1) & b``."""
        seen: dict[int, set[str]] = {}  # by level: operators in the innermost brackets so far
        for token in tokens:
            if token.kind == "open":
                seen[token.level + 1] = set()
            elif token.text == ",":
                seen[token.level] = set()
            elif (python or token.python) and token.text in _COMPARISONS | _LOGICAL:
                operators = seen.setdefault(token.level, set())
                operators.add(token.text)
                if operators & _COMPARISONS and operators & _LOGICAL:
                    raise self.error(
                        "& and | bind tighter than a comparison in Python: "
                        "write (a == 1) & (b == 2)",
                        token.start,
                    )

    def counts(self, left: list[Token]) -> tuple[str, ...]:
        if not _is_call(left, "cbind"):
            return ()
        inside = left[2:-1]
        commas = [i for i, t in enumerate(inside) if t.text == "," and t.level == 1]
        if len(commas) != 1 or not inside[: commas[0]] or not inside[commas[0] + 1 :]:
            raise self.error(
                "cbind() takes two arguments: write cbind(successes, failures)", left[0].start
            )
        return render(inside[: commas[0]]), render(inside[commas[0] + 1 :])

    def additive(self, tokens: list[Token]) -> None:
        """Sort the summands of `tokens` into fixed part, random-effects terms and offsets."""
        for sign, summand in self.summands(tokens):
            inside = _unwrapped(summand)
            if not inside:
                raise self.error(
                    "nothing stands in these parentheses: leave them out", summand[0].start
                )
            if (term := self.random_term(inside)) is not None:
                self.refuse_minus(sign, summand)
                self.terms.append(term)
            elif _is_call(inside, "offset"):
                self.refuse_minus(sign, summand)
                self.offsets.append(render(inside[2:-1]))
            elif inside is not summand and (sign == "+" or _special(inside)):
                self.refuse_minus(sign, summand)
                self.additive(inside)
            else:
                self.refuse_special(summand)
                self.fixed.append(f"{sign} {self.effects(summand)}")
            if len(self.terms) + len(self.offsets) > MOST_TERMS:
                message = f"there are more than {MOST_TERMS} random-effects terms and offsets"
                raise self.error(message, summand[0].start)

    def summands(self, tokens: list[Token]) -> list[tuple[str, list[Token]]]:
        """The parts of a sum with their signs."""
        level = min(t.level for t in tokens)
        parts: list[tuple[str, list[Token]]] = []
        sign, part, at = "+", [], tokens[0].start
        for token in tokens:
            if token.level == level and token.text in "+-" and not token.python:
                if part:
                    parts.append((sign, part))
                    sign, part = "+", []
                sign = sign if token.text == "+" else "-+"["+-".index(sign)]
                at = token.start
            else:
                part.append(token)
        if not part:
            raise self.error("nothing follows this sign: leave it out", at)
        return [*parts, (sign, part)]

    def random_term(self, inside: list[Token]) -> RandomTerm | None:
        """The random-effects term in these tokens, without parentheses; None if they are none."""
        text = f"({render(inside)})"
        structure = inside[0].text if _is_structure(inside) else None
        if structure:
            text = render(inside)
            inside = _unwrapped(inside[1:])
        level = min((t.level for t in inside), default=0)
        bars = [i for i, t in enumerate(inside) if _is_bar(t) and t.level == level]
        if not bars:
            if structure:
                raise FormulaError(f"{text} needs a bar: {structure}(x | group)")
            return None
        bar = inside[bars[0]]
        if level == 0:
            raise self.error(f"a random-effects term needs parentheses: write {text}", bar.start)
        if len(bars) > 1:
            raise self.error(
                "a second bar in one term has no meaning: write a term for each, (x | a) + (x | b)",
                inside[bars[1]].start,
            )
        lhs, group = _unwrapped(inside[: bars[0]]), inside[bars[0] + 1 :]
        if not lhs or not group:
            side = "left" if not lhs else "right"
            raise self.error(
                f"nothing stands on the {side} of this bar: write (x | group)", bar.start
            )
        for token in lhs + group:
            if _is_bar(token):
                raise self.error(
                    "a bar inside a random-effects term has no meaning: write two terms",
                    token.start,
                )
        if structure and bar.text == "||":
            raise self.error(
                f"{structure}() takes a single bar: write {structure}(x | group)", bar.start
            )
        options = ()
        if structure:
            group, options = self.options(structure, group)
            if by_name()[structure].over_positions:
                return RandomTerm(self.coordinates(lhs), render(group), structure, text, options)
        return RandomTerm(self.effects(lhs), render(group), structure or bar.text, text, options)

    def coordinates(self, tokens: list[Token]) -> str:
        """The coordinates of a term over positions, ``east, north``, as effects for formulaic."""
        parts = _between_commas(tokens)
        for part in parts:
            level = min((t.level for t in part), default=0)
            if not part or any(t.text in ("+", "-", "*", ":") and t.level == level for t in part):
                raise self.error(
                    "coordinates are numbers, separated by commas: exp(east, north | group)",
                    (part or tokens)[0].start,
                )
        return "0 + " + " + ".join(self.effects(part) for part in parts)

    def options(self, structure: str, tokens: list[Token]):
        """The tokens of the grouping factor, and the options after it: ``g, d=2``."""
        group, *given = _between_commas(tokens)
        known, found = by_name()[structure].options, {}
        for part in given:
            texts = [token.text for token in part]
            if len(texts) != 3 or texts[1] != "=" or texts[0] not in known:
                takes = ", ".join(f"{name}={value}" for name, value in known.items())
                raise self.error(
                    f"{structure}() takes {f'the option {takes}' if takes else 'no options'} "
                    "after its grouping factor",
                    (part or tokens)[0].start,
                )
            if not texts[2].isdecimal() or int(texts[2]) < 1:
                raise self.error(f"{texts[0]} must be a whole number from 1 on", part[2].start)
            found[texts[0]] = int(texts[2])
        if not group:
            raise self.error("nothing stands between the bar and the comma", tokens[0].start)
        return group, tuple(sorted(found.items()))

    def effects(self, tokens: list[Token]) -> str:
        """The text of effects that formulaic gets."""
        out = ""
        for before, token in zip([None, *tokens], tokens, strict=False):
            out += " " if token.after_space and not opens_call(before, token) else ""
            out += token.text if token.python else _INTERACTION.get(token.text, token.text)
        self.refuse_arithmetic(tokens)
        return out.strip()

    def refuse_arithmetic(self, tokens: list[Token]) -> None:
        """Refuse arithmetic outside of calls, where its signs are operators on effects.

        ``(a + b)^2`` crosses a and b as intended, but ``x^2`` would mean x, and ``1/x`` 1 + x.
        """
        top = min(token.level for token in tokens)
        texts = ["", *(token.text for token in tokens), ""]
        for i, token in enumerate(tokens):
            before, after = texts[i], texts[i + 2]
            if token.python:
                continue
            if token.text in _POWERS and not _ends_in_sum(tokens, i):
                message = "a power outside of a call crosses effects: write I(x**2)"
                raise self.error(message, token.start)
            intercept = token.text in ("0", "1") and before in "+-(" and after in "+-)"
            if token.kind == "number" and not intercept and before not in _POWERS:
                message = "a number outside of a call is the intercept, 1 or 0: write I(x / 2)"
                raise self.error(message, token.start)
            if intercept and token.level > top and (token.text == "0" or before == "-"):
                message = "the intercept can only be left out of the whole sum: move this out"
                raise self.error(message, token.start)
            if token.text == "`1`":
                message = "a column '1' has the name of the intercept: rename the column"
                raise self.error(message, token.start)

    def refuse_minus(self, sign: str, summand: list[Token]) -> None:
        if sign == "-":
            raise self.error(
                "a random-effects term or an offset can be added, not subtracted: write +",
                summand[0].start,
            )

    def refuse_special(self, summand: list[Token]) -> None:
        for token in _special(summand):
            raise self.error(
                "a random-effects term (x | group) or an offset() is a separate part of the sum: "
                "it can only be added with '+'",
                token.start,
            )
        for token in summand:
            if token.text == ".":
                raise self.error("'.' has no meaning here: name the columns", token.start)


def _is_structure(tokens: list[Token]) -> bool:
    """Whether these tokens are the call of a covariance structure, as ``zerocorr(x | g)``."""
    return (
        bool(tokens)
        and tokens[0].text in by_name()
        and _is_call(tokens, tokens[0].text)
        and (not tokens[2].python)
    )


def _between_commas(tokens: list[Token]) -> list[list[Token]]:
    """The tokens between commas that stand in no brackets of their own."""
    level, parts = min(token.level for token in tokens), [[]]
    for token in tokens:
        if token.text == "," and token.level == level:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _is_bar(token: Token) -> bool:
    return token.text in ("|", "||") and not token.python


def _is_call(tokens: list[Token], name: str) -> bool:
    return (
        len(tokens) > 2
        and tokens[0].text == name
        and tokens[1].text == "("
        and closing(tokens, 1) == len(tokens) - 1
    )


def _ends_in_sum(tokens: list[Token], end: int) -> bool:
    """Whether the tokens before `end` end in parentheses around several effects."""
    closer = tokens[end - 1]
    if end == 0 or closer.text != ")":
        return False
    opener = next(i for i in range(end - 2, -1, -1) if tokens[i].level == closer.level)
    called = opener > 0 and opens_call(tokens[opener - 1], tokens[opener])
    return not called and any(
        t.text in ("+", "-", "*", "/") and not t.python for t in tokens[opener:end]
    )


def _unwrapped(tokens: list[Token]) -> list[Token]:
    """The tokens without the redundant parentheses around all of them."""
    while tokens and tokens[0].text == "(" and closing(tokens, 0) == len(tokens) - 1:
        tokens = tokens[1:-1]
    return tokens


def _special(tokens: list[Token]) -> list[Token]:
    """The tokens that occur only in a random-effects term or an offset."""
    calls = [
        t
        for t, following, inner in zip(tokens, tokens[1:], tokens[2:], strict=False)
        if (t.text == "offset" or (t.text in by_name() and not inner.python))
        and following.text == "("
        and not t.python
    ]
    return [t for t in tokens if _is_bar(t)] + calls

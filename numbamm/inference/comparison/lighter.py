"""`lighter`: the formulas with one random effect, or all correlations of a term, less."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from numbamm.formula.effects import parse_effects
from numbamm.formula.grouping import grouping_factors
from numbamm.formula.names import quoted
from numbamm.formula.scan import RandomTerm, scan

#: Kinds of terms whose effects can be left out one by one.
PLAIN = ("|", "||", "zerocorr", "diag")


@dataclass(frozen=True)
class Lighter:
    """A formula with less random effects.

    Attributes
    ----------
    name : str
        What is left out: ``"Days in (1 + Days | Subject)"``, or ``"correlations in ..."``.
    term : str
        The term that it was a part of, as a text.
    effect : str or None
        The effect that is left out; None for correlations.
    formula : str
    """

    name: str
    term: str
    effect: str | None
    formula: str


def lighter(formula: str, *, correlations: bool = False) -> Iterator[Lighter]:
    """The formulas with one random effect less.

    Parameters
    ----------
    formula : str
    correlations : bool
        Whether to give the formulas with independent effects in place of correlated ones, too.
        They come first.

    Yields
    ------
    Lighter
        An effect that is part of another one, as x of x:y, stays; and of a single effect the whole
        term is left out, unless it is the last one.
    """
    pieces = scan(formula, needs_terms=False)
    terms = [text for term in pieces.terms for text in _by_factor(term)]
    left, _, _ = formula.partition("~")
    fixed = _fixed_part(formula, pieces.terms)
    for i, (text, term, factor) in enumerate(terms):
        others = [other for other, *_ in (*terms[:i], *terms[i + 1 :])]

        def made(new, others=others, i=i):
            parts = [*others[:i], *([new] if new else []), *others[i:]]
            return f"{left.strip()} ~ {' + '.join([fixed, *parts])}"

        effects = [str(e) for e in parse_effects(term.lhs)]
        if term.kind not in PLAIN:
            if others:
                yield Lighter(text, text, text, made(None))
            continue
        if correlations and term.kind == "|" and len(effects) > 1:
            yield Lighter(
                f"correlations in {text}", text, None, made(f"zerocorr({term.lhs} | {factor})")
            )
        variables = {e: set(e.split(":")) - {"1"} for e in effects}
        free = [
            e
            for e, own in variables.items()
            if own and not any(own < other for other in variables.values())
        ]
        if len(effects) == 1 or not free:
            if others:
                yield Lighter(text, text, effects[0], made(None))
            continue
        for effect in free:
            rest = [e for e in effects if e != effect]
            lhs = " + ".join(rest if "1" in rest else ["0", *rest])
            called = term.kind if term.kind in ("zerocorr", "diag") else ""
            bar = term.kind if term.kind in ("|", "||") else "|"
            yield Lighter(
                f"{effect} in {text}", text, effect, made(f"{called}({lhs} {bar} {factor})")
            )


def _by_factor(term: RandomTerm) -> list[tuple[str, RandomTerm, str]]:
    """A term of nested factors as a term for each: its text, the term, and the factor."""
    factors = [":".join(map(quoted, names)) for names in grouping_factors(term)]
    if len(factors) == 1:
        return [(term.text, term, factors[0])]
    called, bar = ("", term.kind) if "|" in term.kind else (term.kind, "|")
    return [(f"{called}({term.lhs} {bar} {factor})", term, factor) for factor in factors]


def _fixed_part(formula: str, terms) -> str:
    """The text right of ``~`` without the random-effects terms."""
    right = formula.partition("~")[2]
    for term in terms:
        right = right.replace(term.text, "", 1)
    parts, level, current = [], 0, ""
    for character in right:
        level += (character in "([{") - (character in ")]}")
        if character == "+" and level == 0:
            parts.append(current)
            current = ""
        else:
            current += character
    kept = [part.strip() for part in [*parts, current] if part.strip()]
    return " + ".join(kept) or "1"

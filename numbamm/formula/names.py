"""Names of columns as formulas write them: plainly, or in back-quotes."""

from __future__ import annotations

import keyword

from numbamm.formula.tokens import Token, tokenise

#: Names that are Python's keywords in an expression, unless they stand in back-quotes.
PYTHON_WORDS = frozenset("and or not in is if else for True False None".split())


def unquoted(text: str) -> str:
    """The name without its back-quotes: ``a b`` for ```a b```."""
    return text[1:-1].replace("``", "`") if text.startswith("`") else text


def quoted(name: str) -> str:
    """A name as expressions print it: in back-quotes unless Python could read it."""
    plain = name.isascii() and name.isidentifier() and not keyword.iskeyword(name)
    return name if plain else in_back_quotes(name)


def in_back_quotes(name: str) -> str:
    """A name in back-quotes, with back-quotes inside it doubled."""
    return f"`{name.replace('`', '``')}`"


def joined(names: tuple[str, ...] | list[str]) -> str:
    """Names or labels joined by colons; one that contains a colon stands in back-quotes.

    >>> joined(["1:2", "3"]), joined(["1", "2:3"])
    ('`1:2`:3', '1:`2:3`')
    """
    if len(names) == 1:
        return names[0]
    return ":".join(map(as_part, names))


def as_part(name: str) -> str:
    """A name or label as `joined` writes it among others."""
    return in_back_quotes(name) if ":" in name or "`" in name else name


def split(text: str) -> list[str]:
    """The names that `joined` put together."""
    parts, quote = [""], False
    for char in text:
        quote ^= char == "`"
        if char == ":" and not quote:
            parts.append("")
        else:
            parts[-1] += char
    return [unquoted(part.strip()) for part in parts]


def column_of(call: str) -> str:
    """``f`` for ``f``, ``C(f)`` and ``factor(f, ...)``; any other text unchanged."""
    if not call.endswith(")") and not call.startswith("`"):
        return call
    tokens: list[Token] = tokenise(call)
    texts = [token.text for token in tokens]
    if len(texts) == 1:
        return unquoted(call)
    marked = texts[0] in ("C", "factor") and texts[1] == "(" and texts[3:4] in ([","], [")"])
    return unquoted(texts[2]) if marked and tokens[2].kind == "name" else call

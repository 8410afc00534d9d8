"""Newick text, ``((a:1,b:1):2,c:3);``, as a list of nodes."""

from __future__ import annotations

import re
from typing import NamedTuple

from numbamm.errors import DataError, shown

_TOKEN = re.compile(r"'(?:[^']|'')*'|\[[^\]]*\]|[(),:;]|[^\s(),:;'\[\]]+")


class Node(NamedTuple):
    """A node of a tree.

    Attributes
    ----------
    label : str
        Empty if it has none.
    parent : int
        Position of its parent in the list, -1 for the root.
    length : float or None
        Of the branch above it.
    is_tip : bool
    """

    label: str
    parent: int
    length: float | None
    is_tip: bool


def read_newick(text: str) -> list[Node]:
    """The nodes of a tree, parents before their children.

    Comments in brackets are left out; labels may be in single quotes.

    Raises
    ------
    DataError
        The text is no tree; the message says where it fails.
    """
    tokens = _tokens(text)
    labels, parents, lengths, tips = [""], [-1], [None], [True]
    at, position = 0, 0  # the node that is read, and the token

    def add(parent: int) -> int:
        labels.append("")
        parents.append(parent)
        lengths.append(None)
        tips.append(True)
        return len(labels) - 1

    while position < len(tokens):
        token, place = tokens[position]
        position += 1
        if token == "(":
            if not tips[at] or labels[at] or lengths[at] is not None:
                raise _error(text, place, "a comma is missing before '('")
            tips[at] = False
            at = add(at)
        elif token == ",":
            if parents[at] < 0:
                raise _error(text, place, "a comma stands outside of all parentheses")
            at = add(parents[at])
        elif token == ")":
            if parents[at] < 0:
                raise _error(text, place, "a parenthesis is closed that was not opened")
            at = parents[at]
        elif token == ":":
            if lengths[at] is not None or position == len(tokens):
                raise _error(text, place, "a branch length is missing, or stands twice")
            lengths[at] = _length(text, *tokens[position])
            position += 1
        elif token == ";":
            if position < len(tokens):
                raise _error(text, tokens[position][1], "only one tree is possible")
        elif labels[at] or lengths[at] is not None:
            raise _error(text, place, "a comma or a parenthesis is missing")
        else:
            labels[at] = token[1:-1].replace("''", "'") if token.startswith("'") else token
    if parents[at] >= 0:
        raise DataError("the tree ends before all of its parentheses are closed")
    return [Node(*parts) for parts in zip(labels, parents, lengths, tips, strict=True)]


def _tokens(text: str) -> list[tuple[str, int]]:
    if not isinstance(text, str) or "(" not in text:
        raise DataError(
            f"a tree must be text in Newick form, '((a:1,b:1):2,c:3);', not {shown(text)}; read "
            "a file by Path(name).read_text()"
        )
    found, end = [], 0
    for match in _TOKEN.finditer(text):
        if text[end : match.start()].strip():
            raise _error(text, end, "a quote or a bracket is not closed")
        end = match.end()
        if not match.group().startswith("["):
            found.append((match.group(), match.start()))
    if text[end:].strip():
        raise _error(text, end, "a quote or a bracket is not closed")
    return found


def _length(text: str, token: str, place: int) -> float:
    try:
        value = float(token)
    except ValueError:
        raise _error(text, place, f"the branch length {token!r} is no number") from None
    if not 0 <= value < float("inf"):
        raise _error(text, place, f"the branch length {token} is negative or infinite")
    return value


def _error(text: str, place: int, problem: str) -> DataError:
    near = text[max(0, place - 15) : place + 15].replace("\n", " ")
    return DataError(f"the tree cannot be read at position {place} (near {near!r}): {problem}")

"""Which names an expression uses, and what to say when one of them is unknown."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from difflib import get_close_matches

from formulaic.utils.code import sanitize_variable_names

from numbamm.errors import FormulaError


def python_names(expression: str) -> tuple[set[str], set[str]]:
    """Names in a Python expression.

    Parameters
    ----------
    expression
        Python, in which names that are none in Python stand in back-quotes.

    Returns
    -------
    values, functions : set of str
        Names that are read, and names that are called (``log`` in ``log(x)``; the ``np`` of
        ``np.log(x)`` is read).

    Raises
    ------
    FormulaError
        If the text is not a Python expression.
    """
    aliases: dict[str, str] = {}
    try:
        tree = ast.parse(sanitize_variable_names(expression, {}, aliases), mode="eval")
    except SyntaxError as error:
        raise FormulaError(
            f"'{expression}' is not a Python expression: {error.msg}; "
            "a name that is none in Python stands in back-quotes"
        ) from None
    nodes = list(ast.walk(tree))
    functions = [n.func for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    called = {id(node) for node in functions}
    own = {n.arg for n in nodes if isinstance(n, ast.arg)}  # a lambda's or a comprehension's
    own |= {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    read = {n.id for n in nodes if isinstance(n, ast.Name) and id(n) not in called} - own
    return {aliases.get(name, name) for name in read}, {node.id for node in functions} - own


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"``, or nothing where no known name is near."""
    known = [k for k in known if isinstance(k, str)]
    lower = {k.lower(): k for k in known}
    near = get_close_matches(name, known, n=1) or get_close_matches(name.lower(), lower, n=1)
    return f"; did you mean '{lower.get(near[0], near[0])}'?" if near else ""

"""Which names a Python expression uses, and how it spells those that are none in Python."""

from __future__ import annotations

import ast
import functools

from numbamm.errors import FormulaError
from numbamm.formula.scan import tokenise


@functools.lru_cache(maxsize=256)  # programs fit the same formula again and again
def python_names(expression: str) -> tuple[frozenset[str], frozenset[str]]:
    """Names in a Python expression.

    Parameters
    ----------
    expression
        Python, in which names that are none in Python stand in back-quotes.

    Returns
    -------
    values, functions : frozenset of str
        Names that are read, and names that are called (``log`` in ``log(x)``; the ``np`` of
        ``np.log(x)`` is read).

    Raises
    ------
    FormulaError
        If the text is not a Python expression.
    """
    code, quoted = unquote(expression)
    try:
        tree = ast.parse(code, mode="eval")
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
    functions_called = {node.id for node in functions} - own
    return tuple(frozenset(quoted.get(n, n) for n in names) for names in (read, functions_called))


def unquote(expression: str) -> tuple[str, dict[str, str]]:
    """An expression with a Python name in place of each back-quoted one.

    The stand-in depends on the name alone, since what a transform remembers of the data of the
    fit is filed under the text of its call.

    Returns
    -------
    code : str
    quoted : dict
        Stand-in → the name in back-quotes.
    """
    code, end, quoted = "", 0, {}
    for token in tokenise(expression):
        if token.text.startswith("`"):
            name = token.text.strip("`")
            stand_in = f"quoted_{name.encode().hex()}"
            quoted[stand_in] = name
            code += expression[end : token.start] + stand_in
            end = token.start + len(token.text)
    return code + expression[end:], quoted

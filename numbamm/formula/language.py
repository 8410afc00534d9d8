"""What a Python expression may be inside a formula, unless the configuration restores Python.

An expression language over columns: arithmetic, comparisons, literals, lists, and calls of known
functions by name. It has no way to an object's attributes, and so none out of the formula.
"""

from __future__ import annotations

import ast
from collections.abc import Container

from numbamm.errors import did_you_mean
from numbamm.formula.arithmetic import OPERATORS, Unfit, of_numbers
from numbamm.formula.functions import (
    CONTRASTS,
    FUNCTIONS,
    LOOKING_UP,
    NUMPY,
    REMEMBERED,
    refuse_arguments,
)

#: Beyond this an expression is nested too deeply to be evaluated.
DEEPEST = 200

_BITWISE = (ast.BitAnd, ast.BitOr)
_UNARY = (ast.UAdd, ast.USub, ast.Invert)
_COMPARISONS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)

_COLUMN_BEFORE = "make it a column of the data before the fit"
_BY_NUMPY = {"abs", "round", "clip", "isin", "where", "pow", "astype"}
_OF_OTHER_ROWS = set(
    "rank shift diff cumsum cumprod cummax cummin cumulative_sum sort argsort sort_values rolling "
    "expanding ewm groupby transform pct_change sample roll gradient convolve unique flip "
    "permutation shuffle lag interpolate ffill bfill lexsort argmax argmin".split()
)
_INSTEAD: dict[type, str] = {
    ast.BoolOp: "'and' and 'or' are not row by row: write (a > 1) & (b > 1), or |",
    ast.IfExp: "'if' is not row by row: write ifelse(condition, a, b)",
    ast.Subscript: f"an index has no place in a formula: {_COLUMN_BEFORE}",
    ast.Slice: f"an index has no place in a formula: {_COLUMN_BEFORE}",
    ast.Lambda: "lambda has no place in a formula: define the function before, and call it by name",
    ast.NamedExpr: "':=' has no place in a formula: name the value before the fit",
    ast.JoinedStr: "a formatted text has no place in a formula: write the text itself",
    ast.Starred: "'*' before an argument has no place in a formula: write the arguments out",
    ast.Set: "a set has no order: write a list, [a, b]",
}
#: Calls that mark a column's values as levels, and where such a column may go.
_MARKS = {"C", "factor", "fulldummy", "hashed"}
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Refusal(Exception):
    """What an expression may not have: the node, and the alternative in words."""

    def __init__(self, node: ast.AST, message: str) -> None:
        super().__init__(message)
        self.node = node


def check(tree: ast.Expression, columns: Container[str]) -> None:
    """Raise the `Refusal` of the first thing that is not in the language.

    Parameters
    ----------
    tree
        What Python makes of the text, with a stand-in for each column.
    columns
        The stand-ins.
    """
    if isinstance(tree.body, ast.Tuple | ast.List | ast.Dict):
        raise Refusal(tree.body, "one expression stands here, which has a value for each row")
    waiting: list[tuple[ast.AST, int]] = [(tree.body, 0)]
    while waiting:
        node, depth = waiting.pop()
        if depth > DEEPEST:
            raise Refusal(node, "this is nested too deeply")
        parts = _parts(node, columns)
        if not _keeps_levels(node):
            for part in filter(_marks, parts):
                message = f"{_called(part)}() marks levels: it has no place in a computation"
                raise Refusal(part, message)
        waiting += [(part, depth + 1) for part in reversed(parts)]


def numpy_name(node: ast.AST) -> str | None:
    """``np.log`` for the node of ``np.log`` or ``numpy.log``, and ``contr.sum``, if it is known."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        if node.value.id in ("np", "numpy") and node.attr in NUMPY:
            return f"np.{node.attr}"
        if node.value.id == "contr" and node.attr in CONTRASTS:
            return f"contr.{node.attr}"
    return None


def instead_of_function(name: str) -> str:
    """What to write for a function that formulas do not know; the end of a message."""
    if name in NUMPY:
        return f": write np.{name}(...)"
    if name in _OF_OTHER_ROWS:
        return f", which would look at other rows: {_COLUMN_BEFORE}"
    if name == "Q":
        return ": a column's name stands in back-quotes"
    return did_you_mean(name, FUNCTIONS)


def _marks(node: ast.AST) -> bool:
    """Whether a node is a column whose values are marked as levels."""
    name = _called(node)
    return name in _MARKS or (name == "I" and any(map(_marks, node.args)))


def _keeps_levels(node: ast.AST) -> bool:
    return _called(node) in _MARKS | {"I"}


def _called(node: ast.AST) -> str | None:
    return getattr(node.func, "id", None) if isinstance(node, ast.Call) else None


def _parts(node: ast.AST, columns: Container[str]) -> list[ast.AST]:
    """The parts of a node that is in the language."""
    if isinstance(node, ast.Name):
        if node.id.startswith("__") and node.id not in columns:
            raise Refusal(node, f"'{node.id}' is Python's own and has no place in a formula")
        return []
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bool | int | float | str | None):
            return []
        raise Refusal(node, "a constant in a formula is a number, a text, True, False or None")
    if isinstance(node, ast.Call):
        return _parts_of_call(node, columns)
    if isinstance(node, ast.BinOp):
        return _parts_of_arithmetic(node)
    if isinstance(node, ast.UnaryOp):
        if isinstance(node.op, _UNARY):
            return [node.operand]
        raise Refusal(node, "'not' is not row by row: write ~(a > 1)")
    if isinstance(node, ast.Compare):
        return _parts_of_comparison(node)
    if isinstance(node, ast.List | ast.Tuple):
        return list(node.elts)
    if isinstance(node, ast.Dict) and None not in node.keys:
        return [*node.keys, *node.values]
    if isinstance(node, ast.Attribute):
        if numpy_name(node) and node.value.id not in columns:
            return []
        raise Refusal(node, _instead_of_attribute(node, columns))
    if isinstance(node, _COMPREHENSIONS):
        message = "a comprehension has no place in a formula: write the list out, or name it before"
        raise Refusal(node, message)
    message = _INSTEAD.get(type(node), "this has no place in a formula: name the value before")
    raise Refusal(node, message)


def _parts_of_call(node: ast.Call, columns: Container[str]) -> list[ast.AST]:
    if isinstance(node.func, ast.Name) and node.func.id in columns:
        raise Refusal(node.func, "a column is no function: * multiplies")
    if not isinstance(node.func, ast.Name | ast.Attribute):
        raise Refusal(node.func, "a function is called by its name")
    for keyword in node.keywords:
        if keyword.arg is None:
            raise Refusal(keyword.value, "'**' has no place in a formula: write the arguments out")
        if keyword.arg.startswith("_") or keyword.arg == "out":
            raise Refusal(keyword.value, f"'{keyword.arg}' is no argument for formulas")
    name = (numpy_name(node.func) or "").removeprefix("np.")
    if name in NUMPY:
        _refuse_arguments(node, name)
    if name in LOOKING_UP:
        for k, argument in enumerate([*node.args, *(keyword.value for keyword in node.keywords)]):
            if k != LOOKING_UP[name] and _has_rows(argument, columns):
                raise Refusal(
                    argument, f"np.{name} would look at all rows of this: {_COLUMN_BEFORE}"
                )
    return [node.func, *node.args, *(keyword.value for keyword in node.keywords)]


def _refuse_arguments(node: ast.Call, name: str) -> None:
    """Refuse arguments that numpy's function has not in formulas."""
    if any(isinstance(argument, ast.Starred) for argument in node.args):
        return  # which is refused as such
    try:
        refuse_arguments(NUMPY[name], node.args, {k.arg: k.value for k in node.keywords})
    except Unfit as why:
        raise Refusal(node, f"np.{name}() {why}") from None


def _has_rows(node: ast.AST, columns: Container[str]) -> bool:
    """Whether a value has an entry for each row, unlike a statistic of the fit."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name) and node.id in columns:
            return True
        called = numpy_name(node.func) if isinstance(node, ast.Call) else None
        if called is None or called.removeprefix("np.") not in REMEMBERED:
            waiting += ast.iter_child_nodes(node)
    return False


def _parts_of_arithmetic(node: ast.BinOp) -> list[ast.AST]:
    if isinstance(node.op, ast.MatMult):
        raise Refusal(node, f"'@' sums over rows: {_COLUMN_BEFORE}")
    if not (isinstance(node.op, _BITWISE) or type(node.op).__name__ in OPERATORS):
        raise Refusal(node, "'<<', '>>' and '^' work on bits: write 2**k for a power")
    for side in (node.left, node.right):
        if isinstance(side, ast.List | ast.Tuple | ast.Dict | ast.JoinedStr) or isinstance(
            getattr(side, "value", None) if isinstance(side, ast.Constant) else None, str
        ):
            raise Refusal(side, "arithmetic is for numbers and columns")
    _constant(node)
    return [node.left, node.right]


def _parts_of_comparison(node: ast.Compare) -> list[ast.AST]:
    for op in node.ops:
        if not isinstance(op, _COMPARISONS):
            raise Refusal(node, "'in' and 'is' are not row by row: write np.isin(f, ['a', 'b'])")
    if len(node.ops) > 1:
        raise Refusal(node, "a chain of comparisons is not row by row: write (0 < x) & (x < 1)")
    return [node.left, *node.comparators]


def _constant(node: ast.AST) -> int | float | None:
    """Value of an expression of numbers alone; None for any other.

    It is found before the evaluation, which would say the same, so that no data are looked at.
    """
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _constant(node.operand)
        return value if value is None or isinstance(node.op, ast.UAdd) else -value
    if not isinstance(node, ast.BinOp) or type(node.op).__name__ not in OPERATORS:
        return None
    left, right = _constant(node.left), _constant(node.right)
    if left is None or right is None:
        return None
    try:
        return of_numbers(type(node.op).__name__, left, right)
    except Unfit as why:
        raise Refusal(node, str(why)) from None


def _instead_of_attribute(node: ast.Attribute, columns: Container[str]) -> str:
    name = node.attr
    if name.startswith("_"):
        return f"'{name}' is Python's own and has no place in a formula"
    of = node.value.id if isinstance(node.value, ast.Name) else None
    if of in ("np", "numpy") and of not in columns:
        if name in _OF_OTHER_ROWS:
            return f"np.{name} looks at other rows: {_COLUMN_BEFORE}"
        hint = did_you_mean(name, NUMPY)
        return f"np.{name} is none of numpy's functions that work row by row{hint}"
    if name in REMEMBERED:
        centred = "center(x) or scale(x), or " if name in ("mean", "std", "var") else ""
        return f"write {centred}np.{name}(x), which remembers the value of the fit"
    if name in _BY_NUMPY:
        return f"write {'C(x) or 1.0 * x' if name == 'astype' else f'np.{name}(x, ...)'}"
    if name in _OF_OTHER_ROWS:
        return f"'{name}' looks at other rows: {_COLUMN_BEFORE}"
    if of is not None and of not in columns and of != "contr":
        return f"'{of}.{name}' is neither a column nor a function by plain name: f = {of}.{name}"
    return f"an attribute has no place in a formula: {_COLUMN_BEFORE}"

"""The language of expressions inside a formula, a small part of Python.

It has arithmetic, comparisons, literals, lists, and calls of known functions by name. It has no
access to an object's attributes, so that a formula reaches nothing but columns and the functions
that it names. The configuration ``formula_code="full"`` allows all of Python.
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

#: Greatest depth of nesting: Python evaluates an expression by recursion, which has a limit.
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
    ast.BoolOp: "'and' and 'or' do not work row by row: write (a > 1) & (b > 1), or |",
    ast.IfExp: "'if' does not work row by row: write ifelse(condition, a, b)",
    ast.Subscript: f"an index is not allowed in a formula: {_COLUMN_BEFORE}",
    ast.Slice: f"an index is not allowed in a formula: {_COLUMN_BEFORE}",
    ast.Lambda: "lambda is not allowed in a formula: define a function before and call it by name",
    ast.NamedExpr: "':=' is not allowed in a formula: assign the value to a name before the fit",
    ast.JoinedStr: "a formatted string is not allowed in a formula: write the string itself",
    ast.Starred: "'*' before an argument is not allowed in a formula: write the arguments out",
    ast.Set: "a set has no order: write a list, [a, b]",
}
#: Functions that mark a column's values as levels.
_MARKS = {"C", "factor", "fulldummy", "hashed"}
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Refusal(Exception):
    """A part of an expression that the language does not allow.

    Attributes
    ----------
    node : ast.AST
        The part; the message says what to write instead.
    """

    def __init__(self, node: ast.AST, message: str) -> None:
        super().__init__(message)
        self.node = node


def check(tree: ast.Expression, columns: Container[str]) -> None:
    """Raise a `Refusal` for the first part of an expression that is outside the language.

    Parameters
    ----------
    tree
        Syntax tree of the expression, with a stand-in for the name of each column.
    columns
        The stand-ins.
    """
    if isinstance(tree.body, ast.Tuple | ast.List | ast.Dict):
        raise Refusal(
            tree.body, "one expression stands here, with one value for each row: split this list"
        )
    waiting: list[tuple[ast.AST, int]] = [(tree.body, 0)]
    while waiting:
        node, depth = waiting.pop()
        if depth > DEEPEST:
            raise Refusal(
                node,
                f"this is nested too deeply, beyond {DEEPEST} levels: {_COLUMN_BEFORE}",
            )
        parts = _parts(node, columns)
        if not _keeps_levels(node):
            for part in filter(_marks, parts):
                message = (
                    f"{_called(part)}() marks levels, which cannot be computed with: "
                    "leave it out, or make it an effect of its own"
                )
                raise Refusal(part, message)
        waiting += [(part, depth + 1) for part in reversed(parts)]


def numpy_name(node: ast.AST) -> str | None:
    """The full name of a function of numpy's or of contrasts that formulas know, else None.

    It is ``np.log`` for the node of ``np.log`` or ``numpy.log``, and ``contr.sum`` for itself.
    """
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        if node.value.id in ("np", "numpy") and node.attr in NUMPY:
            return f"np.{node.attr}"
        if node.value.id == "contr" and node.attr in CONTRASTS:
            return f"contr.{node.attr}"
    return None


def instead_of_function(name: str) -> str:
    """What to write instead of a function that formulas do not know; the end of a message."""
    if name in NUMPY:
        return f": write np.{name}(...)"
    if name in _OF_OTHER_ROWS:
        return f", which would use the values of other rows: {_COLUMN_BEFORE}"
    if name == "Q":
        return ": write the column's name in back-quotes"
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
    """The child nodes of a node; a `Refusal` if the node itself is outside the language."""
    if isinstance(node, ast.Name):
        if node.id.startswith("__") and node.id not in columns:
            raise Refusal(node, _internal_to_python(node.id))
        return []
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bool | int | float | str | None):
            return []
        raise Refusal(node, "a constant in a formula is a number, a string, True, False or None")
    if isinstance(node, ast.Call):
        return _parts_of_call(node, columns)
    if isinstance(node, ast.BinOp):
        return _parts_of_arithmetic(node)
    if isinstance(node, ast.UnaryOp):
        if isinstance(node.op, _UNARY):
            return [node.operand]
        raise Refusal(node, "'not' does not work row by row: write ~(a > 1)")
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
        message = "a comprehension is not allowed in a formula: write the list out"
        raise Refusal(node, message)
    message = _INSTEAD.get(
        type(node), "this is not allowed in a formula: assign the value to a name before the fit"
    )
    raise Refusal(node, message)


def _parts_of_call(node: ast.Call, columns: Container[str]) -> list[ast.AST]:
    if isinstance(node.func, ast.Name) and node.func.id in columns:
        raise Refusal(node.func, "a column cannot be called as a function: write * to multiply")
    if not isinstance(node.func, ast.Name | ast.Attribute):
        raise Refusal(
            node.func, "a function is called by its name: assign this one to a name before the fit"
        )
    for keyword in node.keywords:
        if keyword.arg is None:
            raise Refusal(
                keyword.value,
                "'**' before arguments is not allowed in a formula: write the arguments out",
            )
        if keyword.arg.startswith("_") or keyword.arg == "out":
            raise Refusal(
                keyword.value,
                f"the argument '{keyword.arg}' is not allowed in a formula: leave it out",
            )
    name = (numpy_name(node.func) or "").removeprefix("np.")
    if name in NUMPY:
        _refuse_arguments(node, name)
    if name in LOOKING_UP:
        for k, argument in enumerate([*node.args, *(keyword.value for keyword in node.keywords)]):
            if k != LOOKING_UP[name] and _has_rows(argument, columns):
                raise Refusal(
                    argument, f"np.{name} would use all rows of this argument: {_COLUMN_BEFORE}"
                )
    return [node.func, *node.args, *(keyword.value for keyword in node.keywords)]


def _refuse_arguments(node: ast.Call, name: str) -> None:
    """Refuse arguments that a function of numpy's does not take in formulas."""
    if any(isinstance(argument, ast.Starred) for argument in node.args):
        return  # `_parts` refuses the star itself
    try:
        refuse_arguments(NUMPY[name], node.args, {k.arg: k.value for k in node.keywords})
    except Unfit as why:
        raise Refusal(node, f"np.{name}() {why}") from None


def _has_rows(node: ast.AST, columns: Container[str]) -> bool:
    """Whether a value has an entry for each row; a statistic of a column, as its mean, has not."""
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
            raise Refusal(
                side, "arithmetic is for numbers and columns of numbers, not for strings or lists"
            )
    _constant(node)
    return [node.left, node.right]


def _parts_of_comparison(node: ast.Compare) -> list[ast.AST]:
    for op in node.ops:
        if not isinstance(op, _COMPARISONS):
            raise Refusal(
                node, "'in' and 'is' do not work row by row: write np.isin(f, ['a', 'b'])"
            )
    if len(node.ops) > 1:
        raise Refusal(
            node, "a chain of comparisons does not work row by row: write (0 < x) & (x < 1)"
        )
    return [node.left, *node.comparators]


def _constant(node: ast.AST) -> int | float | None:
    """Value of an expression that consists of numbers alone; None for any other.

    The evaluation would refuse a number that is too large as well; here it is refused before the
    data are read.
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
        return _internal_to_python(name)
    owner = node.value.id if isinstance(node.value, ast.Name) else None
    if owner in ("np", "numpy") and owner not in columns:
        if name in _OF_OTHER_ROWS:
            return f"np.{name} uses the values of other rows: {_COLUMN_BEFORE}"
        hint = did_you_mean(name, NUMPY)
        return f"np.{name} is none of numpy's functions that work row by row{hint}"
    if name in REMEMBERED:
        centred = "center(x) or scale(x), or " if name in ("mean", "std", "var") else ""
        return f"write {centred}np.{name}(x), which keeps its value from the fit for new data"
    if name in _BY_NUMPY:
        return f"write {'C(x) or 1.0 * x' if name == 'astype' else f'np.{name}(x, ...)'}"
    if name in _OF_OTHER_ROWS:
        return f"'{name}' uses the values of other rows: {_COLUMN_BEFORE}"
    if owner is not None and owner not in columns and owner != "contr":
        return (
            f"'{owner}.{name}' is neither a column nor the plain name of a function: "
            f"write f = {owner}.{name} before the fit, and f(...) in the formula"
        )
    return f"an attribute is not allowed in a formula: {_COLUMN_BEFORE}"


def _internal_to_python(name: str) -> str:
    return f"'{name}' is internal to Python and not allowed in a formula: leave it out"

"""Python expressions inside formulas: read, checked, compiled and evaluated here alone.

A formula may use any name of a column. Python would read some of these names as something else:
``pain.index`` as an attribute, ``lambda`` as a keyword, the micro sign ``µ`` as the Greek letter
mu. So each name of a column is replaced by a stand-in before Python parses the text.
"""

from __future__ import annotations

import ast
import functools
import re
import unicodedata
import warnings
from bisect import bisect
from collections.abc import Collection, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType
from typing import Any

from numbamm.errors import FormulaError
from numbamm.formula import language
from numbamm.formula.arithmetic import OPERATORS, Unfit, calculate, negative
from numbamm.formula.functions import KNOWN, fit_arguments
from numbamm.formula.names import PYTHON_WORDS, quoted, unquoted
from numbamm.formula.tokens import Token, brief, show, tokenise

#: Names under which the compiled code finds the functions that carry out calls and arithmetic.
#: They contain spaces, so that no name in a formula can be the same.
_CALL, _CALCULATE, _NEGATIVE = "the call", "the arithmetic", "the sign"
LONGEST = 10_000  #: characters of one expression
MOST_DOTS = 20  #: dots in a name that is searched for a column's name at its beginning
_TAKE_LEVELS = {"C", "factor", "fulldummy", "hashed"}
_UNREADABLE = (SyntaxError, ValueError, MemoryError, RecursionError)


@dataclass(frozen=True)
class Expression:
    """A compiled expression, with each of its names classified as column, function or value.

    Attributes
    ----------
    text : str
    code : code
        The compiled code. Its names are the keys of `columns` and `exact`, and the members of
        `functions` and `values`.
    columns, exact : dict of str → str
        Name in the code → name of the column: `columns` are read as floats, `exact` in the type
        that they have. A name in back-quotes is a column, whether the data have it or not.
    functions, values : frozenset of str
        Names other than columns: those that are called, and those that are read.
    lengths : frozenset of int
        Lengths of the lists in the expression.
    safe : bool
        Whether the expression is in the language of formulas; else it needs all of Python.
    """

    text: str
    code: CodeType
    columns: Mapping[str, str]
    exact: Mapping[str, str]
    functions: frozenset[str]
    values: frozenset[str]
    lengths: frozenset[int]
    safe: bool

    @property
    def used(self) -> set[str]:
        """The columns that the expression reads."""
        return {*self.columns.values(), *self.exact.values()}


def code_of(tokens: Sequence[Token]) -> str:
    """Text of the tokens as one line of Python, with unchanged names."""
    return "".join(f"{' ' * (i > 0 and t.after_space)}{t.text}" for i, t in enumerate(tokens))


@functools.lru_cache(maxsize=1024)  # programs fit the same formula again and again
def normalised(text: str) -> str:
    """The expression as tables print it, with the spaces and quotes that Python would print.

    Raises
    ------
    FormulaError
        If Python cannot read it.
    """
    if len(text) > LONGEST:
        raise FormulaError(
            f"'{brief(text)}' has {len(text)} characters: at most {LONGEST} are read"
        )
    tokens = tokenise(text)
    names = {
        i: quoted(unquoted(token.text)) if token.text.startswith("`") else token.text
        for i, token, called in _names(tokens)
        if token.text.startswith("`") or not (called or token.text in PYTHON_WORDS)
    }
    source = _Source(text, tokens, names)
    try:
        return source.shown(source.parse(), quote=False)
    except _UNREADABLE as error:
        raise source.unreadable(error, f"'{brief(text)}' cannot be read", "") from None


def read(text: str, columns: Collection[str], full: bool = False) -> Expression:
    """Read an expression on data of these columns.

    Parameters
    ----------
    text
        The expression. Names of columns that are not valid names in Python may need back-quotes.
    columns
        Names of the data's columns, compared character by character.
    full
        Whether all of Python is allowed; else only the language of `language`.

    Raises
    ------
    FormulaError
        If the text is not an expression of the language; a caret shows the place.
    """
    return _read(text, frozenset(n for n in _candidates(text) if n in columns), full)


def evaluate(
    expression: Expression,
    names: Mapping[str, Any],
    state: MutableMapping[str, Any],
    spec: Any,
    context: Mapping[str, Any],
    builtins: Mapping[str, Any],
) -> Any:
    """Value of an expression.

    Parameters
    ----------
    expression
    names
        Values of the names in its code.
    state
        State of the stateful transforms, by the text of their calls; learnt from the data of the
        fit, and applied to other data.
    spec, context
        formulaic's specification and its scope, for transforms that ask for them.
    builtins
        Python's built-in names that the expression may use.
    """

    def call(text: str, place: int, function: Any, *args: Any, **options: Any) -> Any:
        args, options = fitting(place, fit_arguments, function, args, options)
        if getattr(function, "__is_stateful_transform__", False):
            extra = {"_state": state.setdefault(text, {}), "_spec": spec, "_context": context}
            return function(*args, **options, **extra, _metadata=None)
        return function(*args, **options)

    def fitting(place: int, function: Any, *args: Any) -> Any:
        try:
            return function(*args)
        except Unfit as why:
            raise show(expression.text, str(why), place) from None

    operations = {
        _CALL: call,
        _CALCULATE: lambda place, *args: fitting(place, calculate, *args),
        _NEGATIVE: lambda place, value: fitting(place, negative, value),
    }
    return eval(expression.code, {**names, **operations, "__builtins__": dict(builtins)})


def parsed(text: str, columns: Collection[str]) -> tuple[ast.expr, _Source]:
    """Python's syntax tree of a readable expression, and the source with its columns' names."""
    tokens = tokenise(text)
    names = {i: _column(token, called, columns) for i, token, called in _names(tokens)}
    source = _Source(text, tokens, {i: name for i, name in names.items() if name is not None})
    return source.parse().body, source


@functools.lru_cache(maxsize=1024)
def lone_column(text: str) -> str | None:
    """The name, if the text consists of one name alone; else None."""
    tokens = tokenise(text)
    return unquoted(text) if len(tokens) == 1 and tokens[0].kind == "name" else None


# ---- names of columns ---------------------------------------------------------------------------


@functools.lru_cache(maxsize=1024)
def _candidates(text: str) -> tuple[str, ...]:
    """Names in a text that are read as columns wherever the data have such columns."""
    candidates: list[str] = []
    for _, token, called in _names(tokenise(text)):
        candidates += [] if called else [unquoted(token.text)]
        candidates += _heads(token)
    return tuple(dict.fromkeys(candidates))


def _names(tokens: list[Token]) -> Iterator[tuple[int, Token, bool]]:
    """The tokens that may be a column's name or begin with one, and whether they are called.

    Keyword arguments, attributes and the prefixes of strings are left out.
    """
    for i, token in enumerate(tokens):
        if token.kind != "name":
            continue
        before = tokens[i - 1] if i else None
        after = tokens[i + 1] if i + 1 < len(tokens) else None
        joins = before is not None and before.kind in ("name", "number", "string", "close")
        if joins and (token.text.startswith(".") or not token.after_space):
            continue
        if after is not None and after.kind == "string" and not after.after_space:
            continue
        if after is not None and after.text == "=" and token.level:
            continue
        if token.text == "lambda" and after is not None and after.text != "(":
            if after.kind == "name" or after.text == ":":
                continue  # Python's keyword, not a column
        yield i, token, after is not None and after.text == "("


def _column(token: Token, called: bool, columns: Collection[str]) -> str | None:
    """The column that a token names, or begins with, as in ``x.mean``; None if there is none."""
    name = unquoted(token.text)
    if token.text.startswith("`"):
        return name
    if token.text in PYTHON_WORDS:
        return None
    if name in columns and not called:
        return name
    return next((head for head in _heads(token) if head in columns), None)


def _heads(token: Token) -> list[str]:
    """The beginnings of a dotted name, the longest first; none for known names as ``np.log``."""
    parts = token.text.split(".")
    if token.text.startswith("`") or token.text in KNOWN or len(parts) > MOST_DOTS:
        return []
    return [".".join(parts[:k]) for k in range(len(parts) - 1, 0, -1)]


# ---- from text to code --------------------------------------------------------------------------


@functools.lru_cache(maxsize=1024)
def _read(text: str, columns: frozenset[str], full: bool) -> Expression:
    tokens = tokenise(text)
    names = {i: _column(token, called, columns) for i, token, called in _names(tokens)}
    if (alone := lone_column(text)) in columns:
        names = {0: alone}
    source = _Source(text, tokens, {i: name for i, name in names.items() if name is not None})
    try:
        tree = source.parse()
        safe = _is_safe(tree, source, text, full)
        rewriter = _Rewriter(source, guarded=safe)
        ast.fix_missing_locations(rewriter.visit(tree))
        with _quiet():
            code = compile(tree, "<formula>", "eval")
    except FormulaError:
        raise
    except _UNREADABLE as error:
        raise source.unreadable(
            error,
            f"'{brief(text)}' is not a Python expression",
            "; write a name that Python cannot read in back-quotes",
        ) from None
    return Expression(
        text,
        code,
        rewriter.columns,
        rewriter.exact,
        frozenset(rewriter.functions),
        frozenset(rewriter.values),
        frozenset(len(n.elts) for n in ast.walk(tree) if isinstance(n, ast.List | ast.Tuple)),
        safe,
    )


class _Source:
    """Code with a stand-in for each name of a column.

    Parameters
    ----------
    text, tokens
        The expression.
    names
        The columns, by the positions of their tokens.

    Attributes
    ----------
    code : str
    stand_ins : dict
        Stand-in → name.
    """

    def __init__(self, text: str, tokens: list[Token], names: Mapping[int, str]) -> None:
        self.text = text
        prefix = "_column"
        plain = [unicodedata.normalize("NFKC", token.text) for token in tokens]  # as Python does
        while any(prefix in text for text in plain):
            prefix += "_"
        of_name = {name: f"{prefix}{k}" for k, name in enumerate(dict.fromkeys(names.values()))}
        self.stand_ins = {stand_in: name for name, stand_in in of_name.items()}
        self._stand_in = re.compile(rf"{prefix}\d+")
        self.code = ""
        self._places: list[tuple[int, int]] = []  # where each piece begins: in code, in text
        for i, token in enumerate(tokens):
            runs_on = i - 1 in names and token.kind in ("name", "number")  # as in `a`1
            self.code += " " if i and (token.after_space or runs_on) else ""
            self._places.append((len(self.code), token.start))
            if i not in names:
                self.code += _on_one_line(token)
                continue
            self.code += of_name[names[i]]
            if not token.text.startswith("`") and token.text != names[i]:  # x and .mean
                self._places.append((len(self.code), token.start + len(names[i])))
                self.code += token.text[len(names[i]) :]

    def parse(self) -> ast.Expression:
        """Python's syntax tree of the code."""
        with _quiet():
            return ast.parse(self.code, mode="eval")

    def shown(self, node: ast.AST, quote: bool = True) -> str:
        """Text of a node as Python prints it, with the columns' names instead of stand-ins."""
        text = ast.unparse(node).replace("\n", " ")
        return self._stand_in.sub(lambda m: self._shown(m.group(), quote), text)

    def _shown(self, stand_in: str, quote: bool) -> str:
        name = self.stand_ins[stand_in]
        return quoted(name) if quote else name

    def place(self, node: ast.AST) -> int:
        """Where a node begins in the text; for an attribute, where its name begins."""
        at = node.col_offset
        if isinstance(node, ast.Attribute):
            at = node.end_col_offset - len(node.attr.encode())
        if not self.code.isascii():  # Python counts bytes
            at = len(self.code.encode()[:at].decode(errors="ignore"))
        return self.place_at(at)

    def place_at(self, at: int) -> int:
        """The position in the text of a position in the code."""
        in_code, in_text = self._places[bisect(self._places, (at + 1,)) - 1]
        return in_text + at - in_code

    def unreadable(self, error: Exception, what: str, remedy: str) -> FormulaError:
        """The error for code that Python cannot parse, with Python's reason and a caret."""
        reason = getattr(error, "msg", None) or str(error)
        if isinstance(error, MemoryError | RecursionError):
            reason = "it is nested too deeply"
        elif "digits" in reason:
            reason = "a number has too many digits"
        message, offset = f"{what}: {reason}{remedy}", getattr(error, "offset", None)
        if not offset:
            return FormulaError(message)
        return show(self.text, message, min(self.place_at(offset - 1), len(self.text)))


def _on_one_line(token: Token) -> str:
    if token.kind != "string":
        return token.text
    return token.text.replace("\n", "\\n").replace("\r", "\\r")


def _is_safe(tree: ast.Expression, source: _Source, text: str, full: bool) -> bool:
    try:
        language.check(tree, source.stand_ins)
    except language.Refusal as refusal:
        if full:
            return False
        raise show(text, str(refusal), source.place(refusal.node)) from None
    return True


class _Rewriter(ast.NodeTransformer):
    """Collects the names, and makes each call carry its text, under which transforms keep state.

    With `guarded`, arithmetic becomes a call of `calculate`, which accepts numbers alone.
    """

    def __init__(self, source: _Source, guarded: bool) -> None:
        self.source, self.guarded = source, guarded
        self.columns: dict[str, str] = {}
        self.exact: dict[str, str] = {}
        self.functions: set[str] = set()
        self.values: set[str] = set()
        self.bound: set[str] = set()  # parameters of a lambda, variables of a comprehension

    def visit_Expression(self, node: ast.Expression) -> ast.Expression:
        nodes = list(ast.walk(node))
        self.bound |= {n.arg for n in nodes if isinstance(n, ast.arg)}
        self.bound |= {
            n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)
        }
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.Call:
        text_and_place = [
            ast.Constant(self.source.shown(node)),
            ast.Constant(self.source.place(node)),
        ]
        if isinstance(node.func, ast.Name) and node.func.id in _TAKE_LEVELS:
            node.args[:1] = [self.as_it_is(argument) for argument in node.args[:1]]
        name = node.func.id if isinstance(node.func, ast.Name) else language.numpy_name(node.func)
        if name is None or name in self.source.stand_ins or name in self.bound:
            function = self.visit(node.func)
        else:
            self.functions.add(name)
            function = ast.Name(name, ast.Load())
        arguments = [self.visit(argument) for argument in node.args]
        keywords = [self.visit(keyword) for keyword in node.keywords]
        return _call(_CALL, [*text_and_place, function, *arguments], keywords)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        node.left = self.as_it_is(node.left)
        node.comparators = [self.as_it_is(side) for side in node.comparators]
        return self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        whole = isinstance(node.right, ast.Constant) and isinstance(node.right.value, int)
        if isinstance(node.op, ast.Mod | ast.FloorDiv) and whole:
            node.left = self.as_it_is(node.left)
        name, place = type(node.op).__name__, ast.Constant(self.source.place(node))
        self.generic_visit(node)
        if not self.guarded or name not in OPERATORS:
            return node
        return _call(_CALCULATE, [place, ast.Constant(name), node.left, node.right])

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        place = ast.Constant(self.source.place(node))
        self.generic_visit(node)
        if not self.guarded or not isinstance(node.op, ast.USub):
            return node
        return _call(_NEGATIVE, [place, node.operand])

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if name := language.numpy_name(node):
            self.values.add(name)
            return ast.Name(name, ast.Load())
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.Name:
        if node.id in self.exact or node.id in self.bound:
            return node
        if node.id not in self.source.stand_ins:
            self.values.add(node.id)
            return node
        self.columns[node.id] = self.source.stand_ins[node.id]
        return node

    def as_it_is(self, node: ast.AST) -> ast.AST:
        """A column that is read in its own type: as floats, large identifiers would coincide."""
        if not isinstance(node, ast.Name) or node.id not in self.source.stand_ins:
            return node
        name = f"{node.id} as it is"  # the spaces keep it apart from names in formulas
        self.exact[name] = self.source.stand_ins[node.id]
        return ast.Name(name, ast.Load())


def _call(name: str, args: list[ast.expr], keywords: Sequence[ast.keyword] = ()) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), args, list(keywords))


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress Python's warnings of odd literals, which would point at lines of numbamm."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield

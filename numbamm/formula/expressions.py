"""Python expressions inside formulas: the one door through which they come in.

A formula writes columns by their names, whatever these are. Python would read some of them as
something else: ``pain.index`` as an attribute, ``lambda`` as a keyword, ``µ`` as the Greek letter
that it is not. So each name of a column is replaced by a stand-in before Python sees the text.
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
from numbamm.formula.scan import Token, brief, show, tokenise

#: What calls and arithmetic go through; no names that a formula can have.
_CALL, _CALCULATE, _NEGATIVE = "the call", "the arithmetic", "the sign"
LONGEST = 10_000  #: characters of one expression
MOST_DOTS = 20  #: in what may begin with a column's name
_TAKE_LEVELS = {"C", "factor", "fulldummy", "hashed"}
_UNREADABLE = (SyntaxError, ValueError, MemoryError, RecursionError)


@dataclass(frozen=True)
class Expression:
    """An expression in which each name is known for a column, a function or a value.

    Attributes
    ----------
    text : str
    code : code
        Compiled; its names are the keys of `columns` and `exact`, and those of the others.
    columns, exact : dict of str → str
        Columns to read as floats, and those to read as they are, by their names in the code; a
        name in back-quotes is a column, whether the data have it or not.
    functions, values : frozenset of str
        Names that are called and names that are read, and are no columns.
    lengths : frozenset of int
        Lengths of the lists in it.
    safe : bool
        Whether it is in the language of formulas, not only in Python.
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
        """The columns that it reads."""
        return {*self.columns.values(), *self.exact.values()}


def code_of(tokens: Sequence[Token]) -> str:
    """Text of the tokens as one line of Python, with the names as they are."""
    return "".join(f"{' ' * (i > 0 and t.after_space)}{t.text}" for i, t in enumerate(tokens))


@functools.lru_cache(maxsize=1024)  # programs fit the same formula again and again
def normalised(text: str) -> str:
    """The expression as tables print it, with Python's spaces and its quotes; see `read`.

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
        Python, in which columns stand by name; names that are none in Python may need back-quotes.
    columns
        Names of the data's columns, compared as they are written.
    full
        Whether all of Python is allowed; else what `language` has.

    Raises
    ------
    FormulaError
        If the text is no expression of the language; a caret shows the place.
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
        What stateful transforms remember of the data of the fit, by the text of their calls.
    spec, context
        formulaic's specification and its scope, for transforms that ask for them.
    builtins
        Python's own names, as far as they are allowed.
    """

    def call(text: str, place: int, function: Any, *args: Any, **options: Any) -> Any:
        args, options = fitting(place, fit_arguments, function, args, options)
        if getattr(function, "__is_stateful_transform__", False):
            own = {"_state": state.setdefault(text, {}), "_spec": spec, "_context": context}
            return function(*args, **options, **own, _metadata=None)
        return function(*args, **options)

    def fitting(place: int, function: Any, *args: Any) -> Any:
        try:
            return function(*args)
        except Unfit as why:
            raise show(expression.text, str(why), place) from None

    doors = {
        _CALL: call,
        _CALCULATE: lambda place, *args: fitting(place, calculate, *args),
        _NEGATIVE: lambda place, value: fitting(place, negative, value),
    }
    return eval(expression.code, {**names, **doors, "__builtins__": dict(builtins)})


def parsed(text: str, columns: Collection[str]) -> tuple[ast.expr, _Source]:
    """An expression that can be read as Python's syntax tree, and the names of its columns."""
    tokens = tokenise(text)
    names = {i: _column(token, called, columns) for i, token, called in _names(tokens)}
    source = _Source(text, tokens, {i: name for i, name in names.items() if name is not None})
    return source.parse().body, source


@functools.lru_cache(maxsize=1024)
def lone_column(text: str) -> str | None:
    """The name that is all of the text; None if there is more."""
    tokens = tokenise(text)
    return unquoted(text) if len(tokens) == 1 and tokens[0].kind == "name" else None


# ---- names of columns ---------------------------------------------------------------------------


@functools.lru_cache(maxsize=1024)
def _candidates(text: str) -> tuple[str, ...]:
    """Names in a text that are columns, if the data have columns of these names."""
    found = []
    for _, token, called in _names(tokenise(text)):
        found += [] if called else [unquoted(token.text)]
        found += _heads(token)
    return tuple(dict.fromkeys(found))


def _names(tokens: list[Token]) -> Iterator[tuple[int, Token, bool]]:
    """The tokens that may name a column or begin with one, and whether they are called.

    Keyword arguments, attributes and the prefixes of strings are none of them.
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
                continue  # Python's
        yield i, token, after is not None and after.text == "("


def _column(token: Token, called: bool, columns: Collection[str]) -> str | None:
    """The column that a token means; of one with dots perhaps its head, as in ``x.mean``."""
    name = unquoted(token.text)
    if token.text.startswith("`"):
        return name
    if token.text in PYTHON_WORDS:
        return None
    if name in columns and not called:
        return name
    return next((head for head in _heads(token) if head in columns), None)


def _heads(token: Token) -> list[str]:
    """What stands before the dots of a name, the longest first; nothing for ``np.log``."""
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
            "; a name that is none in Python stands in back-quotes",
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
        self._places: list[tuple[int, int]] = []  # of what begins in the code, and in the text
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
        """What Python makes of it."""
        with _quiet():
            return ast.parse(self.code, mode="eval")

    def shown(self, node: ast.AST, quote: bool = True) -> str:
        """Text of a node, as Python prints it, with the names of the columns."""
        text = ast.unparse(node).replace("\n", " ")
        return self._stand_in.sub(lambda m: self._shown(m.group(), quote), text)

    def _shown(self, stand_in: str, quote: bool) -> str:
        name = self.stand_ins[stand_in]
        return quoted(name) if quote else name

    def place(self, node: ast.AST) -> int:
        """Where a node begins in the text; an attribute's name, not what it is of."""
        at = node.col_offset
        if isinstance(node, ast.Attribute):
            at = node.end_col_offset - len(node.attr.encode())
        if not self.code.isascii():  # Python counts bytes
            at = len(self.code.encode()[:at].decode(errors="ignore"))
        return self.place_at(at)

    def place_at(self, at: int) -> int:
        """Where in the text a place in the code is."""
        begun, place = self._places[bisect(self._places, (at + 1,)) - 1]
        return place + at - begun

    def unreadable(self, error: Exception, what: str, remedy: str) -> FormulaError:
        """What Python says of code that it cannot read, with the place if it names one."""
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
    """Gives names their meanings, and each call what transforms remember things by.

    Where it is guarded, arithmetic goes through the door that keeps it to numbers.
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
        about = [ast.Constant(self.source.shown(node)), ast.Constant(self.source.place(node))]
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
        return _call(_CALL, [*about, function, *arguments], keywords)

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
        """A column whose values are labels: as floats, large identifiers would coincide."""
        if not isinstance(node, ast.Name) or node.id not in self.source.stand_ins:
            return node
        name = f"{node.id} as it is"  # no name that a formula can have
        self.exact[name] = self.source.stand_ins[node.id]
        return ast.Name(name, ast.Load())


def _call(name: str, args: list[ast.expr], keywords: Sequence[ast.keyword] = ()) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), args, list(keywords))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Python's warnings of odd literals, which would show numbamm's own lines."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield

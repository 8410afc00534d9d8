"""Formula text → tokens, and back; errors that show the place in the text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from numbamm.errors import FormulaError
from numbamm.structures.registry import by_name

#: Limits on a formula: its characters, open brackets, and characters of a name. They are well above
#: any sensible use, and keep a refusal fast.
LONGEST, DEEPEST, LONGEST_NAME = 100_000, 50, 1_000
#: The message where ``^`` stands in Python's grammar.
XOR = "'^' is exclusive or in Python: write ** for a power"

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
  | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<name>`(?:[^`]|``)*`|(?:[^\W\d]|\.)[\w.]*)
  | (?P<operator>\|\||\*\*|%\w+%|[=<>!]=|//)
  | (?P<open>[(\[{])
  | (?P<close>[)\]}])
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_NO_TEXT = re.compile("[\0\ud800-\udfff]")  # Python cannot read these either
_SHOWN = 160  # characters of a text in a message
_SPACE = re.compile(r"[\s\x00-\x1f\x7f]")
_CLOSER = {"(": ")", "[": "]", "{": "}"}
_SPACED = {"~", "+", "-", "*", "|", "||"}
_ALWAYS = {"zerocorr"}  # structures whose name is never a function's


@dataclass(frozen=True)
class Token:
    """One token of a formula: its text, where it starts, and what surrounds it."""

    kind: str
    text: str
    start: int
    level: int  # number of brackets around it
    python: bool  # inside a call or an index, which follows Python's grammar
    after_space: bool


def tokenise(source: str) -> list[Token]:
    """The tokens of a formula; brackets and quotes are balanced, and nested within reason."""
    if len(source) > LONGEST:
        raise FormulaError(
            f"the formula has {len(source)} characters: at most {LONGEST} are read; make long "
            "expressions columns of the data"
        )
    tokens: list[Token] = []
    stack: list[tuple[Token, bool]] = []  # open brackets, and whether Python's grammar holds inside
    at, after_space = 0, True
    while at < len(source):
        match = _TOKEN.match(source, at)
        kind, start, at = match.lastgroup, at, match.end()
        if kind == "space":
            after_space = True
            continue
        if kind == "name" and source[start] != "`":
            at = _end_of_name(source, at)
        text = source[start:at]
        if kind == "name" and len(text) > LONGEST_NAME:
            raise show(
                source, f"this name has {len(text)} characters, more than {LONGEST_NAME}", start
            )
        if text[0] != "`" and (unreadable := _NO_TEXT.search(text)):
            code = f"U+{ord(unreadable[0]):04X}"
            raise show(source, f"the character {code} is not allowed in a formula", start)
        if kind == "other" and text in "\"'`":
            raise show(source, f"this quote {text} is not closed", start)
        if kind == "close":
            if not stack or _CLOSER[stack[-1][0].text] != text:
                raise show(
                    source, f"this '{text}' closes no bracket: leave it out, or open one", start
                )
            stack.pop()
        python = bool(stack) and stack[-1][1]
        token = Token(kind, text, start, len(stack), python, after_space)
        if kind == "open":
            if len(stack) == DEEPEST:
                raise show(
                    source, f"more than {DEEPEST} brackets are open here: nest less deeply", start
                )
            before = tokens[-1] if tokens else None
            called = before is not None and before.kind == "name"
            called = called and not _holds_term(before, source)
            stack.append((token, python or called or text != "("))
        tokens.append(token)
        after_space = False
    if stack:
        opener = stack[-1][0]
        raise show(source, f"this '{opener.text}' is never closed", opener.start)
    for token in tokens:
        if token.text == "^" and token.python:
            raise show(source, XOR, token.start)
        if token.text == "#":
            raise show(source, "'#' has no meaning here: leave it out", token.start)
    return tokens


def _end_of_name(source: str, at: int) -> int:
    """Where a name ends, with the accents and vowel signs that ``\\w`` does not match."""
    while at < len(source) and (
        source[at] in "._" or source[at].isalnum() or f"a{source[at]}".isidentifier()
    ):
        at += 1
    return at


def show(source: str, message: str, at: int) -> FormulaError:
    """An error that shows the text on one line, and a caret under the position `at`."""
    start = max(at - _SHOWN // 2, 0) if len(source) > _SHOWN else 0
    line = _SPACE.sub(" ", source[start : start + _SHOWN]).encode(errors="replace").decode()
    return FormulaError(f"{message}\n    {line}\n    {' ' * (at - start)}^")


def brief(text: str) -> str:
    """A text shortened for messages: a long one loses its middle."""
    return text if len(text) <= _SHOWN else f"{text[:60]} ... {text[-20:]}"


def render(tokens: list[Token]) -> str:
    """Text of the tokens: single spaces, and one on each side of a formula operator."""
    out = ""
    tight = True  # nothing to separate from at the start
    for before, token in zip([None, *tokens], tokens, strict=False):
        spaced = token.text in _SPACED and not token.python
        unary = spaced and (before is None or before.kind in ("open", "other", "operator"))
        wanted = spaced or (
            token.after_space and token.kind != "close" and not opens_call(before, token)
        )
        if out and wanted and not tight:
            out += " "
        out += token.text
        tight = token.kind == "open" or unary
        if spaced and not unary:
            out += " "
            tight = True
    return out.rstrip()


def opens_call(before: Token | None, token: Token) -> bool:
    """Whether a token is the bracket of a call; a space may stand before it, as in ``log (x)``."""
    return token.text == "(" and before is not None and before.kind == "name"


def _holds_term(name: Token, source: str) -> bool:
    """Whether the call of this name is a random-effects term: a structure's, with a bar in it.

    Without a bar it is a function of the same name, except for the names in `_ALWAYS`.
    """
    if name.text not in by_name():
        return False
    depth = 0
    for match in _TOKEN.finditer(source, name.start + len(name.text)):
        depth += (match.lastgroup == "open") - (match.lastgroup == "close")
        if match[0] in ("|", "||"):
            return True
        if match.lastgroup == "close" and depth <= 0:
            break
    return name.text in _ALWAYS


def closing(tokens: list[Token], opener: int) -> int:
    """Position of the bracket that closes the one at `opener`."""
    level = tokens[opener].level
    return next(
        i
        for i in range(opener + 1, len(tokens))
        if tokens[i].level == level and tokens[i].kind == "close"
    )

"""Text that LaTeX shows as it is: special characters, Greek letters, minus signs and exponents."""

from __future__ import annotations

import re
from unicodedata import name, normalize

#: Characters that LaTeX takes for commands, that its fonts replace, or that it does not know.
_CHARACTERS = {
    "\\": r"\textbackslash{}",
    "~": r"$\sim$",
    "^": r"\textasciicircum{}",
    "`": r"\textasciigrave{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{character: f"\\{character}" for character in "&%_#${}"},
    "–": "--",
    "—": "---",
    "…": r"\dots{}",
    "µ": r"\textmu{}",
    "½": r"$\frac{1}{2}$",
    "\N{NO-BREAK SPACE}": "~",
    **{
        character: f"${command}$"
        for character, command in {
            "−": "-",
            "±": r"\pm",
            "×": r"\times",
            "·": r"\cdot",
            "÷": r"\div",
            "≤": r"\leq",
            "≥": r"\geq",
            "≠": r"\neq",
            "≈": r"\approx",
            "∞": r"\infty",
            "√": r"\surd",
            "∼": r"\sim",
            "→": r"\to",
            "′": "'",
        }.items()
    },
}
_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-", strict=True))
_LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋", "0123456789+-", strict=True))
#: Letters whose commands are not the names that Unicode gives them.
_GREEK = {"LAMDA": "lambda", "FINAL SIGMA": "varsigma", "EPSILON": "varepsilon"}
_SMALL = set("alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi".split())
_SMALL |= set("pi rho sigma varsigma tau upsilon phi chi psi omega".split())
_CAPITALS = set("Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega".split())
#: Capitals without a command look like Latin ones.
_LATIN = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΧ", "ABEZHIKMNOPTX", strict=True)) | {"ο": "o"}

_NUMBER = re.compile(r"(?<![\w.])(<?)(-?\d+(?:\.\d+)?)e([-+]\d+)(?!\w|\.\d)")
_MINUS = re.compile(r"(?<![^\s([,])-(?=[\d.∞])|(?<=\s)-(?=\s)")
#: Commands for accents that stand behind their letter as characters of their own, in mathematics.
_ACCENTS = {
    "\N{COMBINING GRAVE ACCENT}": "grave",
    "\N{COMBINING ACUTE ACCENT}": "acute",
    "\N{COMBINING CIRCUMFLEX ACCENT}": "hat",
    "\N{COMBINING TILDE}": "tilde",
    "\N{COMBINING MACRON}": "bar",
    "\N{COMBINING DOT ABOVE}": "dot",
    "\N{COMBINING DIAERESIS}": "ddot",
}
_PIECES = re.compile(
    f"[{''.join(_RAISED)}]+|[{''.join(_LOWERED)}]+|.[{''.join(_ACCENTS)}]?", flags=re.DOTALL
)


def latex_text(text: str) -> str:
    """A text as LaTeX; hyphens before numbers and between spaces are minus signs.

    Characters for which LaTeX has no command stay as they are: pdfLaTeX knows the letters of
    European languages, and XeLaTeX and LuaLaTeX know all that their fonts have.
    """
    text = " ".join(normalize("NFC", text).split())
    parts, end = [], 0
    for found in _NUMBER.finditer(text):
        parts += [latex_code(with_minus(text[end : found.start()])), _number(*found.groups())]
        end = found.end()
    return "".join([*parts, latex_code(with_minus(text[end:]))])


def with_minus(text: str) -> str:
    """A text with minus signs before numbers and between spaces."""
    return _MINUS.sub("−", text)


def latex_code(text: str) -> str:
    """A text as LaTeX, character by character."""
    joined = "".join(map(_piece, _PIECES.findall(normalize("NFC", text))))
    # Two hyphens would be a dash, and two apostrophes a quotation mark.
    return re.sub(r"-(?=-)|'(?=')", r"\g<0>{}", joined) if "--" in text or "''" in text else joined


def _number(less: str, mantissa: str, exponent: str) -> str:
    """A number with an exponent, ``<1e-05`` as $<10^{-5}$."""
    power = f"10^{{{int(exponent)}}}"
    factor = "" if mantissa == "1" else f"{mantissa}\\times "
    return f"${less}{factor}{power}$"


def _piece(piece: str) -> str:
    """Raised or lowered digits, or a character with its accent."""
    if piece[0] in _RAISED:
        return f"$^{{{''.join(_RAISED[c] for c in piece)}}}$"
    if piece[0] in _LOWERED:
        return f"$_{{{''.join(_LOWERED[c] for c in piece)}}}$"
    if piece in _CHARACTERS or (len(piece) == 1 and piece < "\x7f"):
        return _CHARACTERS.get(piece, piece if piece >= " " else "")
    letter, *accent = list(normalize("NFD", piece) if _is_greek(piece) else piece)
    symbol = _greek(letter) if _is_greek(letter) else letter
    if accent and symbol:
        return f"$\\{_ACCENTS.get(accent[0], 'acute')}{{{symbol}}}$"
    return f"${symbol}$" if _is_greek(letter) and symbol else piece


def _is_greek(text: str) -> bool:
    return name(normalize("NFD", text)[0], "").startswith(("GREEK SMALL L", "GREEK CAPITAL L"))


def _greek(letter: str) -> str:
    """The command of a Greek letter in mathematics; empty if there is none."""
    if letter in _LATIN:
        return f"\\mathrm{{{_LATIN[letter]}}}"
    kind, _, called = name(letter).partition(" LETTER ")
    command = _GREEK.get(called, called.lower())
    if kind == "GREEK CAPITAL":
        command = command.capitalize()
    return f"\\{command}" if command in _SMALL | _CAPITALS else ""

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
_CAPITALS = {"Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi"}
_CAPITALS |= {"Omega"}
#: Capitals without a command look like Latin ones.
_LATIN = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΧ", "ABEZHIKMNOPTX", strict=True)) | {"ο": "o"}

_NUMBER = re.compile(r"(?<![\w.])(<?)(-?\d+(?:\.\d+)?)e([-+]\d+)(?!\w|\.\d)")
_MINUS = re.compile(r"(?<![^\s([,])-(?=[\d.∞])|(?<=\s)-(?=\s)")
_RUNS = re.compile(f"[{''.join(_RAISED)}]+|[{''.join(_LOWERED)}]+")


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
    parts, end = [], 0
    for found in _RUNS.finditer(text):
        parts += [*map(_character, text[end : found.start()]), _script(found.group())]
        end = found.end()
    joined = "".join([*parts, *map(_character, text[end:])])
    return re.sub(r"-(?=-)|'(?=')", r"\g<0>{}", joined) if "--" in text or "''" in text else joined


def _number(less: str, mantissa: str, exponent: str) -> str:
    """A number with an exponent, ``<1e-05`` as $<10^{-5}$."""
    power = f"10^{{{int(exponent)}}}"
    factor = "" if mantissa == "1" else f"{mantissa}\\times "
    return f"${less}{factor}{power}$"


def _script(run: str) -> str:
    """Raised or lowered digits."""
    if run[0] in _RAISED:
        return f"$^{{{''.join(_RAISED[c] for c in run)}}}$"
    return f"$_{{{''.join(_LOWERED[c] for c in run)}}}$"


def _character(character: str) -> str:
    if character in _CHARACTERS:
        return _CHARACTERS[character]
    if character < "\x7f":
        return character
    base, accent = normalize("NFD", character)[0], normalize("NFD", character)[1:]
    kind, _, letter = name(base, "").partition(" LETTER ")
    if kind not in ("GREEK SMALL", "GREEK CAPITAL"):
        return character
    if base in _LATIN:
        command = f"\\mathrm{{{_LATIN[base]}}}"
    else:
        command = _GREEK.get(letter, letter.lower())
        command = command.capitalize() if kind == "GREEK CAPITAL" else command
        if (kind == "GREEK CAPITAL" and command not in _CAPITALS) or " " in command:
            return character
        command = f"\\{command}"
    return f"$\\acute{{{command}}}$" if accent else f"${command}$"

"""The README's examples run as they are written, and print what it shows."""

import re
import shlex
import tomllib
import warnings
from pathlib import Path

import pytest

import numbamm as mm
from numbamm import config
from numbamm.__main__ import main
from numbamm.formula.scan import scan

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def blocks(kind):
    return [text for language, text in BLOCKS if language == kind]


def test_every_block_is_of_a_kind_that_is_tested():
    assert {language for language, _ in BLOCKS} <= {"python", "sh", "text", "toml"}
    assert blocks("python")


def test_python():
    """All blocks, one after the other, as a reader would type them."""
    scope = {"__name__": "readme"}
    with warnings.catch_warnings():
        warnings.simplefilter("error", mm.NumbammWarning)
        for i, text in enumerate(blocks("python"), 1):
            exec(compile(text, f"README.md, Python block {i}", "exec"), scope)


def commands():
    """The commands of the program in shell blocks, each with the text that follows its block."""
    found = []
    for (language, text), (following, output) in zip(BLOCKS, [*BLOCKS[1:], ("", "")], strict=True):
        for line in text.splitlines() if language == "sh" else []:
            for command in line.split("&&"):
                words = shlex.split(command, comments=True)
                if "numbamm" in words and words[words.index("numbamm") - 1] == "-m":
                    arguments = words[words.index("numbamm") + 1 :]
                    found.append((arguments, output if following == "text" else None))
    return found


@pytest.mark.parametrize(("arguments", "output"), commands())
def test_commands(arguments, output, capsys):
    assert main(arguments) == 0
    if output is not None:
        assert capsys.readouterr().out == output


def test_configuration(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text in blocks("toml"):
        (tmp_path / "numbamm.toml").write_text(text, encoding="utf8")
        config.reload()
        for key, value in tomllib.loads(text).items():
            assert config.resolved()[key] == (value, str(tmp_path / "numbamm.toml"))
    config.reload()


def formulas():
    """The examples in the table of formulas."""
    rows = re.findall(r"^\| (`.*?`) \|", README, flags=re.MULTILINE)
    listed = [
        code.replace(r"\|", "|")
        for row in rows
        for code in re.findall(r"``? ?(.+?) ?``?(?=,|$| or| \|)", row)
    ]
    return [code for code in listed if re.search(r"[(~]", code) and "..." not in code]


@pytest.mark.parametrize("text", formulas())
def test_formulas(text):
    text = text if "~" in text else f"y ~ {text}"
    has_term = re.search(r"\|", text)
    assert scan(text if has_term else f"{text} + (1 | g)").terms


def test_there_are_formulas():
    assert len(formulas()) > 10 or "| formula |" not in README

"""Markdown: pipe tables, as GitHub, pandoc, Quarto and MyST read them."""

from __future__ import annotations

import re

from numbamm.report.content import Report, Table
from numbamm.report.text import padded, width

#: Characters that Markdown, or one of its dialects, takes for something else than themselves.
_SPECIAL = re.compile(r"[\\`*\[\]<>|~$^&{}]|(?<![^\W_])_|_(?![^\W_])")
#: What makes a heading or a list of a paragraph that begins with it.
_BEGINNING = re.compile(r"^(\d*)([#+.)-])(?=\s|$|#)")


def report_markdown(report: Report) -> str:
    """A report as Markdown."""
    title, *more = [line.strip() for line in report.title.split("\n")]
    parts = [f"**{escaped(title)}**"] if title else []
    parts += [paragraph(line) for line in more]
    parts += [code(report.formula)] if report.formula else []
    for table in report.tables:
        parts += [paragraph(table.heading.removesuffix(":"))] * bool(table.heading)
        parts += [_table(table)]
        parts += [paragraph(table.below)] * bool(table.below)
    parts += [paragraph(note) for note in report.notes]
    return "\n\n".join(parts)


def escaped(text: str) -> str:
    """A text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\g<0>", " ".join(text.split()))


def paragraph(text: str) -> str:
    """A paragraph that shows a text as it is."""
    return _BEGINNING.sub(r"\1\\\2", escaped(text))


def code(text: str) -> str:
    """A text in a span of code, which may have back-quotes in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest else ""
    return f"{fence}{space}{text}{space}{fence}"


def _table(table: Table) -> str:
    rows = [*([table.second] if table.second else []), *table.rows]
    sections = {i + bool(table.second): heading for i, heading in table.sections.items()}
    lines = []
    for i, row in enumerate(rows):
        if i in sections:
            lines.append([f"*{escaped(sections[i])}*", *[""] * (len(row) - 1)])
        lines.append([escaped(cell) for cell in row])
    header = [escaped(cell) for cell in table.header]
    left = [j < table.left for j in range(len(header))]
    widths = [max(3, *(width(row[j]) for row in [header, *lines])) for j in range(len(header))]
    rule = [
        ":" + "-" * (n - 1) if word else "-" * (n - 1) + ":"
        for n, word in zip(widths, left, strict=True)
    ]

    def line(cells) -> str:
        shown = [padded(*cell) for cell in zip(cells, widths, left, strict=True)]
        return f"| {' | '.join(shown)} |"

    return "\n".join([line(header), line(rule), *map(line, lines)])

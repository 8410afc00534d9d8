"""Plain-text tables, for terminals."""

from __future__ import annotations

from unicodedata import combining, east_asian_width

from numbamm.report import content

RULE = "─"


def report_table(report: content.Report) -> str:
    """The table of a fitted model."""
    lines = [report.title, f" {report.formula}", *_lines(report.criteria, indent=1), ""]
    lines += ["Variance components:", *_lines(report.components), f" {report.counts}", ""]
    lines += [f"  {report.heading}:", *_ruled(report.coefficients)]
    lines += [""] * bool(report.notes) + [f" {note}" for note in report.notes]
    return "\n".join(lines)


def varcorr_table(varcorr) -> str:
    """Variance components alone."""
    return "\n".join(["Variance components:", *_lines(content.components(varcorr))])


def result_table(result) -> str:
    """The table of an inference, its title above and its notes below."""
    lines = [result.title, *_ruled(content.of_result(result))]
    return "\n".join([*lines, *(f" {note}" for note in result.notes)])


def block_table(names: list[str], sizes: list[int], kinds: list[list[str]]) -> str:
    """Kinds of the blocks of A and L, a line each; ``A/L`` where they differ."""
    rows = [
        [f"{size}:", *row, *[""] * (len(names) - len(row))]
        for size, row in zip(sizes, kinds, strict=True)
    ]
    return "\n".join(_lines(content.Table(["rows:", *names], rows, left=len(names) + 1)))


def _lines(table: content.Table, indent: int = 0) -> list[str]:
    """Cells padded to their columns: words to the left, numbers to the right."""
    grid = [table.header, *table.rows]
    widths = [max(_width(row[j]) for row in grid) for j in range(len(table.header))]
    lines = []
    for row in grid:
        cells = [
            _padded(cell, width, left=j < table.left)
            for j, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((" " * indent + "  ".join(cells)).rstrip())
    return lines


def _ruled(table: content.Table) -> list[str]:
    """The table between rules, its header set off."""
    header, *rows = _lines(table)
    rule = RULE * max(_width(line) for line in [header, *rows])
    return [rule, header, rule, *rows, rule]


def _width(text: str) -> int:
    """Columns that a terminal gives the text."""
    return sum(0 if combining(c) else 1 + (east_asian_width(c) in "WF") for c in text)


def _padded(text: str, width: int, left: bool) -> str:
    space = " " * (width - _width(text))
    return text + space if left else space + text

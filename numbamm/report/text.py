"""Plain-text tables, for terminals."""

from __future__ import annotations

from unicodedata import combining, east_asian_width

from numbamm.report.content import Hanging, Report, Table

RULE = "─"


def report_text(report: Report) -> str:
    """A report as text."""
    lines = [report.title, f" {report.formula}"] if report.formula else [report.title]
    several = len(report.tables) > 1
    for i, table in enumerate(report.tables):
        lines += [""] * (i > 0) + _with_words(table)
    lines += [""] * (several and bool(report.notes)) + [f" {note}" for note in report.notes]
    return "\n".join(line for i, line in enumerate(lines) if i or line)


def block_table(names: list[str], sizes: list[int], kinds: list[list[str]]) -> str:
    """The kinds of the blocks of A and L as text; ``A/L`` if the two differ."""
    rows = [
        [f"{size}:", *row, *[""] * (len(names) - len(row))]
        for size, row in zip(sizes, kinds, strict=True)
    ]
    table = Table(["rows:", *names], rows, left=len(names) + 1, ruled=False)
    return "\n".join(_lines(table))


def _with_words(table: Table) -> list[str]:
    """The lines of a table with the words above and below it."""
    space = "  " if table.ruled else ""
    above = [space + table.heading] if table.heading else []
    return [*above, *_lines(table), *([f" {table.below}"] if table.below else [])]


def _lines(table: Table) -> list[str]:
    """The lines of a table: cells of equal width, words to the left, numbers to the right."""
    grid = [*table.heads, *_indented(table)]
    marks = [max(len(getattr(row[j], "mark", "")) for row in grid) for j in range(len(grid[0]))]
    grid = [[_body(cell, n) for cell, n in zip(row, marks, strict=True)] for row in grid]
    widths = [max(width(row[j]) for row in grid) for j in range(len(table.header))]
    lines = []
    for row in grid:
        cells = [
            padded(cell, wide, left=j < table.left)
            for j, (cell, wide) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((" " * table.indent + "  ".join(cells)).rstrip())
    heads, body = lines[: len(table.heads)], lines[len(table.heads) :]
    for first, heading in sorted(table.sections.items(), reverse=True):
        body.insert(first, heading)
    if not table.ruled:
        return [*heads, *body]
    rule = RULE * max(width(line) for line in [*heads, *body])
    return [rule, *heads, rule, *body, rule]


def _indented(table: Table) -> list[list[str]]:
    """The rows; those of sections stand to the right of their headings."""
    space = "  " if table.sections else ""
    return [[space + row[0], *row[1:]] for row in table.rows]


def _body(cell: str, marks: int) -> str:
    """A cell with as much space for its mark as its column needs."""
    mark = cell.mark if isinstance(cell, Hanging) else ""
    return cell + " " * (marks - len(mark))


def width(text: str) -> int:
    """Number of columns that a text takes in a terminal."""
    return sum(0 if combining(c) else 1 + (east_asian_width(c) in "WF") for c in text)


def padded(text: str, wide: int, left: bool) -> str:
    """A text with spaces to a given width, set to the left or to the right."""
    space = " " * (wide - width(text))
    return text + space if left else space + text

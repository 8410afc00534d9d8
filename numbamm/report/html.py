"""HTML tables, for notebooks and pages."""

from __future__ import annotations

from html import escape

from numbamm.report.content import Hanging, Report, Table

# Styles stand in the elements, so that the text is valid wherever it is put. Thin rules above
# and below, numbers to the right, no colours: for light and dark pages.
_TABLE = (
    "border-collapse:collapse;margin:.3em 0;border-top:1px solid;border-bottom:1px solid;"
    "font-variant-numeric:tabular-nums"
)
_CELL = "padding:.15em .8em;background:none"
_SECTION = f"{_CELL};padding-top:.6em;text-align:left;font-weight:normal;font-style:italic"
# A mark stands outside its column.
_MARK = "display:inline-block;width:0;white-space:nowrap;text-align:left"


def report_html(report: Report) -> str:
    """A report as HTML: one ``<div>``."""
    title, *more = [line.strip() for line in report.title.split("\n")]
    parts = [f"<p><b>{escape(title)}</b></p>"] if title else []
    parts += [_paragraph(line) for line in more]
    parts += [f"<p><code>{escape(report.formula)}</code></p>"] if report.formula else []
    parts += [_with_words(table) for table in report.tables]
    notes = "<br>".join(escape(note) for note in report.notes)
    parts += [f"<p>{notes}</p>"] if notes else []
    # On narrow screens a wide table is moved, not the page.
    return f'<div class="numbamm" style="overflow-x:auto">{"".join(parts)}</div>'


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _with_words(table: Table) -> str:
    """A table with the words above and below it."""
    above = _paragraph(table.heading.removesuffix(":")) if table.heading else ""
    return above + _table(table) + (_paragraph(table.below) if table.below else "")


def _table(table: Table) -> str:
    rule = ";border-bottom:1px solid"
    heads = [_row(head, table, "th", "") for head in table.heads[:-1]]
    heads.append(_row(table.heads[-1], table, "th", rule))
    bodies = "".join(f"<tbody>{''.join(rows)}</tbody>" for rows in _groups(table))
    return f'<table style="{_TABLE}"><thead>{"".join(heads)}</thead>{bodies}</table>'


def _groups(table: Table) -> list[list[str]]:
    """The rows of each section; all of them if there are no sections."""
    groups: list[list[str]] = [[]]
    for i, row in enumerate(table.rows):
        if i in table.sections:
            heading = escape(table.sections[i])
            span = f'colspan="{len(row)}" scope="rowgroup"'
            groups.append([f'<tr><th {span} style="{_SECTION}">{heading}</th></tr>'])
        groups[-1].append(_row(row, table, "td", ""))
    return [group for group in groups if group]


def _row(cells: list[str], table: Table, tag: str, style: str) -> str:
    scope = ' scope="col"' if tag == "th" else ""
    number = f"{_CELL};text-align:right{';padding-right:2em' * table.has_marks}{style}"
    word = f"{_CELL};text-align:left{style}"
    parts = [
        f'<{tag}{scope} style="{word if j < table.left else number}">{_content(cell)}</{tag}>'
        for j, cell in enumerate(cells)
    ]
    return f"<tr>{''.join(parts)}</tr>"


def _content(cell: str) -> str:
    if isinstance(cell, Hanging) and cell.mark:
        return f'{escape(cell.body)}<span style="{_MARK}">{escape(cell.mark)}</span>'
    return escape(cell)

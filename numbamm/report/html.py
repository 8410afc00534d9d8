"""HTML tables, for notebooks."""

from __future__ import annotations

from html import escape

from numbamm.report import content

# Quiet rules above and below, numbers to the right: readable on light and dark pages alike.
_STYLE = (
    "<style scoped>"
    ".numbamm table{border-collapse:collapse;margin:.3em 0 .8em;border-top:1px solid;"
    "border-bottom:1px solid;font-variant-numeric:tabular-nums}"
    ".numbamm thead th{border-bottom:1px solid}"
    ".numbamm th,.numbamm td{padding:.15em .8em;text-align:right;background:none}"
    ".numbamm .w{text-align:left}"
    ".numbamm p{margin:.2em 0}"
    "</style>"
)


def report_table(report: content.Report) -> str:
    """The table of a fitted model."""
    parts = [
        f"<p><b>{escape(report.title)}</b></p><p><code>{escape(report.formula)}</code></p>",
        _table(report.criteria),
        "<p>Variance components</p>",
        _table(report.components),
        f"<p>{escape(report.counts)}</p>",
        f"<p>{report.heading}</p>",
        _table(report.coefficients),
        *(f"<p>{escape(note)}</p>" for note in report.notes),
    ]
    return _wrap(parts)


def varcorr_table(varcorr) -> str:
    """Variance components alone."""
    return _wrap([_table(content.components(varcorr))])


def result_table(result) -> str:
    """The table of an inference, its title above and its notes below."""
    notes = (f"<p>{escape(note)}</p>" for note in result.notes)
    return _wrap(
        [f"<p><b>{escape(result.title)}</b></p>", _table(content.of_result(result)), *notes]
    )


def _wrap(parts: list[str]) -> str:
    return f'<div class="numbamm">{_STYLE}{"".join(parts)}</div>'


def _table(table: content.Table) -> str:
    head = "".join(_cell("th", cell, j < table.left) for j, cell in enumerate(table.header))
    body = "".join(
        "<tr>" + "".join(_cell("td", c, j < table.left) for j, c in enumerate(row)) + "</tr>"
        for row in table.rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(tag: str, text: str, word: bool) -> str:
    return f"<{tag}{' class=w' if word else ''}>{escape(text)}</{tag}>"

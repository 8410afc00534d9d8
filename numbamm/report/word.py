"""Tables in a Word document, by python-docx."""

from __future__ import annotations

from os import PathLike
from typing import Any

from numbamm.errors import OptionError
from numbamm.report.content import Hanging, Report, Table


def write_word(report: Report, path: str | PathLike) -> None:
    """Write a report into a Word document.

    Parameters
    ----------
    report : Report
    path : str or path
        The file; one that exists is replaced.

    Raises
    ------
    OptionError
        python-docx is not installed, or the file cannot be written.
    """
    try:
        from docx import Document
    except ImportError:
        raise OptionError(
            "to_word needs the package python-docx: pip install 'numbamm[word]'"
        ) from None
    document = Document()
    _fill(document, report)
    try:
        document.save(str(path))
    except OSError as error:
        raise OptionError(f"{path} cannot be written: {error}") from error


def _fill(document: Any, report: Report) -> None:
    """Put title, tables and notes into a document."""
    title, *more = [line.strip() for line in report.title.split("\n")]
    document.add_paragraph().add_run(title).bold = True
    for line in [*more, report.formula]:
        if line:
            document.add_paragraph(line)
    for table in report.tables:
        if table.heading:
            document.add_paragraph(table.heading.removesuffix(":"))
        _add_table(document, table)
        document.add_paragraph(table.below)
    for note in report.notes:
        document.add_paragraph(_shown(note))


def _add_table(document: Any, table: Table) -> None:
    """Add a table with rules above, below its header, and at its end."""
    sections = sorted(table.sections.items())
    rows: list = [*table.heads]
    for i, cells in enumerate(table.rows):
        rows += [[heading] for first, heading in sections if first == i]
        rows.append(cells)
    grid = document.add_table(rows=len(rows), cols=len(table.header))
    grid.autofit = True
    for i, cells in enumerate(rows):
        line = grid.rows[i].cells
        if len(cells) == 1 < len(table.header):
            line[0].merge(line[-1])
        for j, cell in enumerate(cells):
            _write(line[j], cell, left=j < table.left or len(cells) == 1, section=len(cells) == 1)
    _rule(grid.rows[0], "top")
    _rule(grid.rows[len(table.heads) - 1], "bottom")
    _rule(grid.rows[-1], "bottom")


def _write(place: Any, cell: str, left: bool, section: bool) -> None:
    """Write a cell's text."""
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Pt

    paragraph = place.paragraphs[0]
    paragraph.alignment = WD_ALIGN_PARAGRAPH.LEFT if left else WD_ALIGN_PARAGRAPH.RIGHT
    paragraph.paragraph_format.space_after = Pt(0)
    body, mark = (cell.body, cell.mark) if isinstance(cell, Hanging) else (cell, "")
    runs = [paragraph.add_run(_shown(body)), paragraph.add_run(mark)]
    runs[0].italic = section
    runs[1].font.superscript = set(mark) == {"*"}
    for run in runs:
        run.font.size = Pt(9)


def _rule(row: Any, side: str) -> None:
    """Draw a rule above or below a row."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    for cell in row.cells:
        properties = cell._tc.get_or_add_tcPr()
        borders = properties.find(qn("w:tcBorders"))
        if borders is None:
            borders = OxmlElement("w:tcBorders")
            properties.append(borders)
        if borders.find(qn(f"w:{side}")) is not None:
            continue
        edge = OxmlElement(f"w:{side}")
        for key, value in {"val": "single", "sz": "6", "space": "0", "color": "auto"}.items():
            edge.set(qn(f"w:{key}"), value)
        borders.append(edge)


def _shown(text: str) -> str:
    """A text with minus signs before numbers."""
    from numbamm.report.latex_text import MINUS

    return MINUS.sub("−", text)

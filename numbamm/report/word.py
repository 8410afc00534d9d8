"""Tables in a Word document, by python-docx."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

from numbamm.errors import OptionError
from numbamm.report.content import Hanging, Report, Table
from numbamm.report.latex_text import with_minus

#: Width of the text of a page, in inches.
PAGE = 6.0


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
        python-docx is not installed, the file's name does not end in ``.docx``, or it cannot be
        written.
    """
    if Path(path).suffix.lower() != ".docx":
        raise OptionError(f"{path}: the name of a Word document ends in .docx")
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
    from docx.shared import Pt

    normal = document.styles["Normal"]
    normal.font.size, normal.paragraph_format.space_after = Pt(10), Pt(2)
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
        document.add_paragraph(with_minus(note))


def _add_table(document: Any, table: Table) -> None:
    """Add a table with rules above, below its header, and at its end."""
    from docx.shared import Inches

    rows: list = [*table.heads]
    for i, cells in enumerate(table.rows):
        rows += [[table.sections[i]]] if i in table.sections else []
        rows.append(cells)
    columns = len(table.header)
    grid = document.add_table(rows=len(rows), cols=columns)
    grid.autofit = False
    widths = [0.1 + 0.075 * n for n in table.widths()]
    scale = min(1.0, PAGE / sum(widths))
    for j in range(columns):
        grid.columns[j].width = Inches(scale * widths[j])
        for cell in grid.columns[j].cells:  # some programs read those of cells
            cell.width = grid.columns[j].width
    for i, cells in enumerate(rows):
        line, heading = grid.rows[i].cells, len(cells) < columns
        if heading:
            line[0].merge(line[-1])
        for place, cell, j in zip(line, cells, range(columns), strict=False):
            _write(place, cell, left=heading or j < table.left, italic=heading)
    _rule(grid.rows[0], "top")
    _rule(grid.rows[len(table.heads) - 1], "bottom")
    _rule(grid.rows[-1], "bottom")


def _write(place: Any, cell: str, left: bool, italic: bool) -> None:
    """Write a cell's text."""
    from docx.enum.text import WD_ALIGN_PARAGRAPH

    paragraph = place.paragraphs[0]
    paragraph.alignment = WD_ALIGN_PARAGRAPH.LEFT if left else WD_ALIGN_PARAGRAPH.RIGHT
    body, mark = (cell.body, cell.mark) if isinstance(cell, Hanging) else (cell, "")
    paragraph.add_run(with_minus(body)).italic = italic
    if mark:
        paragraph.add_run(mark).font.superscript = set(mark) == {"*"}


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

"""LaTeX tables with the rules of the package booktabs."""

from __future__ import annotations

import re

from numbamm.errors import OptionError, shown
from numbamm.options import flag
from numbamm.report.content import Hanging, Report, Table
from numbamm.report.latex_text import latex_code, latex_text

#: Sizes of type and of the space between columns for tables of up to so many characters in a line:
#: so wide tables fit between the margins of an article.
SIZES = {70: "\\small", 88: "\\footnotesize\\setlength{\\tabcolsep}{4pt}"}
SMALLEST = "\\scriptsize\\setlength{\\tabcolsep}{3pt}"
#: Columns of words that are longer than this have lines of half the width of the page.
LONG = 50


def report_latex(
    report: Report, caption: str | None = None, label: str | None = None, floating: bool = True
) -> str:
    """A report as LaTeX.

    Parameters
    ----------
    report : Report
    caption : str, optional
        LaTeX code; the report's title and formula, if not given. No caption if empty.
    label : str, optional
        For ``\\ref``.
    floating : bool
        Whether the table floats, in an environment ``table``; without it there is no caption.

    Returns
    -------
    str
        It needs ``\\usepackage{booktabs}``.

    Raises
    ------
    OptionError
    """
    for name, value in (("caption", caption), ("label", label)):
        if not (value is None or isinstance(value, str)):
            raise OptionError(f"{name} must be a text, not {shown(value)}")
    body = _body(report)
    if not flag("floating", floating):  # the size of type holds for the table alone
        return "\n".join(["\\begingroup", *body, "\\par\\endgroup"])
    caption = _caption(report) if caption is None else caption
    lines = ["\\begin{table}[htbp]", "\\centering"]
    lines += [f"\\caption{{{caption}}}"] if caption else []
    lines += [f"\\label{{{label}}}"] if label else []
    lines += ["\\medskip"] if caption else []
    return "\n".join([*lines, *body, "\\end{table}"])


def _caption(report: Report) -> str:
    """The title and the formula."""
    title = [latex_text(line.strip()) for line in report.title.split("\n") if line.strip()]
    formula = [f"\\texttt{{{latex_code(report.formula)}}}"] if report.formula else []
    return ". ".join([*title, *formula])


def _body(report: Report) -> list[str]:
    """The tables and the notes, without the environment in which they float."""
    widest = max(map(_breadth, report.tables), default=0)
    lines = [next((size for most, size in SIZES.items() if widest <= most), SMALLEST)]
    for i, table in enumerate(report.tables):
        lines += ["\\par\\medskip"] * (i > 0)
        lines += [f"{latex_text(table.heading.removesuffix(':'))}\\par\\smallskip"] * bool(
            table.heading
        )
        lines += _tabular(table)
        lines += [f"\\par\\smallskip {latex_text(table.below)}"] * bool(table.below)
    if report.notes:
        notes = "\\par ".join(latex_text(note) for note in report.notes)
        lines += [
            "\\par\\smallskip",
            f"\\begin{{minipage}}{{\\linewidth}}\\footnotesize {notes}\\end{{minipage}}",
        ]
    return lines


def _breadth(table: Table) -> int:
    """Number of characters of a table's lines."""
    return sum(min(n, LONG) if j < table.left else n for j, n in enumerate(table.widths()))


def _tabular(table: Table) -> list[str]:
    """The lines of an environment ``tabular``."""
    marks = table.has_marks
    # Marks stand outside their column: they need space before the next one.
    number = "r@{\\hspace{2em}}" if marks else "r"
    words = ["p{0.5\\linewidth}" if n > LONG else "l" for n in table.widths()[: table.left]]
    columns = "".join(words) + number * (len(table.header) - table.left)
    lines = [f"\\begin{{tabular}}{{@{{}}{columns}{'' if marks else '@{}'}}}", "\\toprule"]
    lines += [*map(_row, table.heads), "\\midrule"]
    for i, row in enumerate(table.rows):
        if i in table.sections:
            heading = latex_text(table.sections[i])
            lines += ["\\addlinespace"] * (i > 0)
            lines += [f"\\multicolumn{{{len(row)}}}{{@{{}}l}}{{\\textit{{{heading}}}}} \\\\"]
        lines.append(_row(row))
    return [*lines, "\\bottomrule", "\\end{tabular}"]


def _row(cells: list[str]) -> str:
    text = " & ".join(map(_cell, cells)).strip()
    # A bracket or a star after \\ would belong to it: no row begins with one.
    return f"{'{}' if text.startswith(('[', '*')) else ''}{text} \\\\"


def _cell(cell: str) -> str:
    if not isinstance(cell, Hanging):
        return latex_text(cell)
    if not cell.mark:
        return latex_text(cell.body)
    mark = latex_text(cell.mark)
    raised = f"$^{{{mark}}}$" if re.fullmatch(r"\*+", cell.mark) else mark
    return f"{latex_text(cell.body)}\\rlap{{{raised}}}"

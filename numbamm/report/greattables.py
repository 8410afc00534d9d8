"""Tables of the package great_tables."""

from __future__ import annotations

from typing import Any

from numbamm.errors import OptionError
from numbamm.report.content import Report


def great_table(report: Report) -> Any:
    """The last table of a report as a ``GT``.

    Parameters
    ----------
    report : Report

    Returns
    -------
    great_tables.GT

    Raises
    ------
    OptionError
        great_tables is not installed.
    """
    import pandas as pd

    try:
        from great_tables import GT
    except ImportError:
        raise OptionError(
            "to_great_tables needs the package great_tables: pip install great_tables"
        ) from None
    table = report.tables[-1]
    # Names of columns need not be unique in ours, but in great_tables'.
    names = [f"column {j}" for j in range(len(table.header))]
    frame = pd.DataFrame(table.rows, columns=names, dtype=object)
    section = None
    if table.sections:
        starts = [table.sections.get(i, "") for i in range(len(frame))]
        frame["section"] = pd.Series(starts).replace("", None).ffill().fillna("")
        section = "section"
    title, *more = [line.strip() for line in report.title.split("\n")]
    gt = GT(frame, rowname_col=names[0] if table.left else None, groupname_col=section)
    if title:
        gt = gt.tab_header(title, " ".join([*more, report.formula]).strip() or None)
    labels: dict = dict(zip(names, table.header, strict=True))
    if table.second:
        labels = {n: ", ".join(filter(None, h)) for n, *h in zip(names, *table.heads, strict=True)}
    gt = gt.cols_label(labels)
    gt = gt.cols_align("right", names[table.left :]).cols_align("left", names[: table.left])
    for note in [table.below, *report.notes]:
        gt = gt.tab_source_note(note) if note else gt
    return gt

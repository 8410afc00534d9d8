"""`with_variables`: the variables of the fixed effects of rows that stream, read once more."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
from pandas.api.types import union_categoricals

from numbamm.design.absent import is_absent
from numbamm.formula.modelframe import ModelFrame
from numbamm.memory import refuse_beyond

#: Bytes of a value.
BYTES = 9


def with_variables(frame: ModelFrame) -> ModelFrame:
    """A model frame with the variables of the fixed effects in memory, kept for the next time.

    Parameters
    ----------
    frame : ModelFrame
        Returned as it is, if its columns are in memory.

    Raises
    ------
    DataError
        They do not fit into memory, or the frame has been pickled and lacks its source.
    """
    if not is_absent(frame.columns):
        return frame
    known = vars(frame).get("_variables")
    if known is None:
        known = replace(frame, columns=_gathered(frame))
        vars(frame)["_variables"] = known
    return known


def _gathered(frame) -> dict[str, pd.Series]:
    """The columns of the rows that are used, text as categories in the order of sorted levels."""
    names = sorted(frame.design.fixed_columns)
    n = len(frame.y)
    refuse_beyond(
        BYTES * n * len(names), f"{', '.join(names)} in {n:,} rows", "fit to a part of the rows"
    )
    pieces: dict[str, list] = {name: [] for name in names}
    for chunk in frame.rows_of(None, "reading variables"):
        columns = frame.part(chunk).columns
        for name in names if columns else ():
            column = columns[name]
            is_text = not (
                pd.api.types.is_numeric_dtype(column.dtype)
                or isinstance(column.dtype, pd.CategoricalDtype)
            )
            pieces[name].append(column.astype("category") if is_text else column)
    return {name: _joined(parts) for name, parts in pieces.items()}


def _joined(parts) -> pd.Series:
    """One column from those of the chunks."""
    if isinstance(parts[0].dtype, pd.CategoricalDtype):
        same = all(part.dtype == parts[0].dtype for part in parts)
        ordered = parts[0].dtype.ordered
        return pd.Series(union_categoricals(parts, sort_categories=not (same or ordered)))
    return pd.concat(parts, ignore_index=True)

"""`stream_linear`: all that a linear model needs of rows that stream."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from numbamm.blocks.layout import Layout
from numbamm.blocks.tail.choice import choose_with_layout
from numbamm.blocks.tail.protocol import Choice, Request
from numbamm.design.scaling import Scaling
from numbamm.errors import DataError
from numbamm.formula.checks import refuse_counts
from numbamm.formula.identifiability import check_counts
from numbamm.sources.column_moments import Basis, ColumnMoments, fingerprint_names
from numbamm.sources.crossing import Crossing
from numbamm.sources.source import Source
from numbamm.sources.streamed_frame import StreamedFrame, passes_differ, streamed_frame


@dataclass
class StreamedLinear:
    """What a linear model needs of rows that are not in memory.

    Attributes
    ----------
    frame : StreamedFrame
        Its terms have the moments of their columns.
    basis : Basis
    scalings : list of Scaling or None
        The change of each term to columns of ordinary size.
    layout : Layout
    A : ndarray
    choice : Choice
        The tail for which A is laid out.
    sum_log_w : float
        Σ log w.
    """

    frame: StreamedFrame
    basis: Basis
    scalings: list[Scaling | None]
    layout: Layout
    A: np.ndarray
    choice: Choice
    sum_log_w: float


def stream_linear(
    formula: str,
    source: Source,
    *,
    tail: Request = Request(),  # noqa: B008  immutable
    sigma_known: bool = False,
    progress: bool | None = None,
    **options: Any,
) -> StreamedLinear:
    """Read the rows of a linear model: for levels, for moments of columns, and for A.

    Parameters
    ----------
    formula, source, progress, **options
        As for `streamed_frame`.
    tail : Request
        What the user asks of the tail.
    sigma_known : bool
        Whether σ is given.

    Raises
    ------
    FormulaError, DataError, OptionError
        As for models of frames in memory.
    """
    frame = streamed_frame(formula, source, progress=progress, **options)
    refuse_counts(frame, "a linear model")
    columns = source.gather(ColumnMoments(frame), progress, "reading columns")
    if columns.n != frame.nobs:
        raise passes_differ(f"one pass uses {frame.nobs} of them, the next one {columns.n}")
    if columns.response.same[0]:
        raise DataError(
            f"the response '{frame.response}' is constant ({columns.response.first[0]:g}): "
            "there is no variance to explain; check the column and the rows used"
        )
    if not sigma_known:
        check_counts(frame.reterms, columns.n, columns.least_w, columns.greatest_w)
    basis = columns.basis()
    frame = replace(frame, reterms=columns.terms_with_moments(), sums=columns.digest)
    scalings = columns.scalings(frame.reterms)
    choice, layout = choose_with_layout(frame.covered, basis.fe.rank, tail)
    begun = Crossing.begin(frame, basis, scalings, layout)
    crossing = source.gather(begun, progress, "cross-products")
    _refuse_other_rows(frame, columns.fingerprint, crossing.fingerprint)
    found = crossing.layout, crossing.A, choice, columns.sum_log_w
    return StreamedLinear(frame, basis, scalings, *found)


def _refuse_other_rows(frame: StreamedFrame, before: np.ndarray, after: np.ndarray) -> None:
    """Refuse rows that have changed between two passes, of which these are the fingerprints."""
    changed = np.flatnonzero(~np.isclose(after, before, rtol=1e-9, atol=0.0))
    if len(changed):
        what = fingerprint_names(frame)[changed[0]]
        raise passes_differ(f"{what} has changed between two passes")

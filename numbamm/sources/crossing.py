"""`Crossing`: the cross-product A of a linear model, added up chunk by chunk."""

from __future__ import annotations

from typing import Self

import numpy as np

from numbamm.blocks.crossprod import add_rows
from numbamm.blocks.layout import Layout
from numbamm.design.scaling import Scaling
from numbamm.memory import refuse_beyond
from numbamm.sources.column_moments import Basis, fingerprint, fingerprint_names
from numbamm.sources.reading import Chunk, Reading
from numbamm.sources.streamed_frame import StreamedFrame, known_places


class Crossing:
    """The cross-product A = [Z X y]'[Z X y] in columns of ordinary size.

    Attributes
    ----------
    layout : Layout
        Of all rows; its `places` are those of no rows.
    A : ndarray or None
        None before there are rows: it need not be shipped empty.
    fingerprint : ndarray
        As in `ColumnMoments`.
    """

    def __init__(
        self, frame: StreamedFrame, basis: Basis, scalings: list[Scaling | None], layout: Layout
    ) -> None:
        self.frame, self.basis, self.scalings, self.layout = frame, basis, scalings, layout
        self.A: np.ndarray | None = None
        self.fingerprint = np.zeros(len(fingerprint_names(frame)))

    @classmethod
    def begin(cls, frame: StreamedFrame, basis: Basis, scalings: list, layout: Layout) -> Crossing:
        """No rows yet.

        Raises
        ------
        DataError
            If A and L take more than half of the memory.
        """
        layout.places = layout.places[:, :0]
        refuse_beyond(
            8 * 2 * layout.size_a,
            "the cross-products of " + " and ".join(f"'{t.group}'" for t in frame.reterms),
            "leave out a term or its slopes",
        )
        return cls(frame, basis, scalings, layout)

    @property
    def reading(self) -> Reading:
        return self.frame.reading

    def empty(self) -> Crossing:
        return Crossing(self.frame, self.basis, self.scalings, self.layout)

    def add(self, chunk: Chunk) -> Self:
        if not len(chunk.rows):
            return self
        part, layout = self.frame.part(chunk), self.layout
        if self.A is None:
            self.A = np.zeros(layout.size_a)
        self.fingerprint += fingerprint(part)
        sqrtw = None if part.weights is None else np.sqrt(part.weights)
        columns = [
            term.z if scaling is None else scaling.columns(term.z)
            for term, scaling in zip(part.reterms, self.scalings, strict=True)
        ]
        refs = np.stack([part.reterms[k].refs for k in layout.order])
        z = np.concatenate([columns[k] for k in layout.order]).T.copy()
        if sqrtw is not None:
            z *= sqrtw[:, None]
        places = known_places(refs, layout)
        add_rows(refs, z, self.basis.rows(part, sqrtw), layout.table, places, self.A)
        return self

    def merge(self, other: Crossing) -> Self:
        self.fingerprint += other.fingerprint
        if self.A is None:
            self.A = other.A
        elif other.A is not None:
            self.A += other.A
        return self

"""`WorkingPass`: the working linear model of a generalized one at given η, chunk by chunk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from numbamm.blocks.crossprod import add_rows
from numbamm.blocks.layout import Layout
from numbamm.design.scaling import Scaling
from numbamm.formula.checks import check_support
from numbamm.formula.modelframe import ModelFrame
from numbamm.glm.family import Family
from numbamm.glm.link import Link
from numbamm.glm.row_kernels import SCORE, WEIGHT, WORKING
from numbamm.sources.column_moments import Basis
from numbamm.sources.reading import Chunk, Reading
from numbamm.sources.streamed_frame import StreamedFrame, known_places

#: Least working weight per unit of prior weight, as in `glm.pirls`.
LEAST = 1e-10


@dataclass
class Predictor:
    """Where η is taken: η = offset + basis γ + Σ Z b.

    Attributes
    ----------
    gamma : ndarray, shape (rank,)
    b : list of ndarray, shape (levels, p)
        In scaled columns, term by term; None for a model without random effects.
    vary : bool
        Whether γ is among the unknowns of the working model; else basis γ is part of the offset.
    """

    gamma: np.ndarray
    b: list[np.ndarray] | None
    vary: bool


class WorkingPass:
    """A with the working weights at a predictor, and the deviance there, in one pass.

    Attributes
    ----------
    deviance : float
        Σ w d.
    A : ndarray or None
        The cross-product of the working model, in the layout given.
    digest : ndarray
        As of a `ModelFrame`.
    """

    def __init__(
        self,
        frame: StreamedFrame,
        basis: Basis,
        scalings: list[Scaling | None],
        layout: Layout,
        family: Family,
        link: Link,
        shape: float,
        at: Predictor,
    ) -> None:
        self.frame, self.basis, self.scalings, self.layout = frame, basis, scalings, layout
        self.family, self.link, self.shape, self.at = family, link, shape, at
        self.deviance, self.digest = 0.0, np.zeros(3)
        self.A: np.ndarray | None = None

    @property
    def reading(self) -> Reading:
        return self.frame.reading

    def empty(self) -> WorkingPass:
        parts = self.frame, self.basis, self.scalings, self.layout
        return WorkingPass(*parts, self.family, self.link, self.shape, self.at)

    def add(self, chunk: Chunk) -> Self:
        part = self.frame.part(chunk)
        if not len(part.y):
            return self
        if self.A is None:
            self.A = np.zeros(self.layout.size_a)
        self.digest += part.digest
        terms = part.reterms if self.at.b is not None else []
        columns = [
            term.z if scaling is None else scaling.columns(term.z)
            for term, scaling in zip(terms, self.scalings, strict=False)
        ]
        x = self.basis.columns(part)
        held = np.zeros(len(part.y)) if part.offset is None else part.offset
        held, free = (held, x) if self.at.vary else (held + x @ self.at.gamma, x[:, :0])
        varying = free @ self.at.gamma[: free.shape[1]]
        for term, z, b in zip(terms, columns, self.at.b or [], strict=True):
            varying = varying + np.einsum("pn,np->n", z, b[term.refs])
        root, response = self._working(part, held + varying, varying)
        order = self.layout.order
        n = len(part.y)
        refs = np.array([terms[k].refs for k in order], dtype=np.int32).reshape(-1, n)
        z = np.concatenate([np.zeros((0, n)), *(columns[k] for k in order)]).T * root[:, None]
        xy = np.column_stack([free, response]) * root[:, None]
        places = known_places(refs, self.layout)
        add_rows(refs, np.ascontiguousarray(z), xy, self.layout.table, places, self.A)
        return self

    def _working(self, part: ModelFrame, eta, varying) -> tuple[np.ndarray, np.ndarray]:
        """√W and the working response less what is held, and the deviance added."""
        w = np.ones(len(eta)) if part.weights is None else part.weights
        family, link = self.family, self.link
        self.deviance += float(w @ family.deviances(link, self.shape, part.y, eta))
        lines = family.evaluate(WORKING, link, self.shape, part.y, w, eta)
        W = np.maximum(lines[WEIGHT], LEAST * w)
        return np.sqrt(W), varying + lines[SCORE] / W

    def merge(self, other: Self) -> Self:
        self.deviance += other.deviance
        self.digest += other.digest
        if self.A is None:
            self.A = other.A
        elif other.A is not None:
            self.A += other.A
        return self


class SupportCheck:
    """The responses of all rows, checked, and what does not depend on η, in a pass.

    Attributes
    ----------
    constant : float
        -2 log-likelihood less the deviance; see `Family.constant`.
    weights : float
        Sum of the prior weights.
    nbytes : int
        Bytes of the columns that a pass reads.
    greatest_weight : float
        Of a row.
    """

    def __init__(self, frame: StreamedFrame, family: Family, shape: float) -> None:
        self.frame, self.family, self.shape = frame, family, shape
        self.constant, self.weights, self.nbytes, self.greatest_weight = 0.0, 0.0, 0, 0.0

    @property
    def reading(self) -> Reading:
        return self.frame.reading

    def empty(self) -> SupportCheck:
        return SupportCheck(self.frame, self.family, self.shape)

    def add(self, chunk: Chunk) -> Self:
        self.nbytes += sum(int(c.memory_usage(index=False)) for c in chunk.columns.values())
        part = self.frame.part(chunk)
        if len(part.y):
            check_support(part, self.family)
            w = np.ones(len(part.y)) if part.weights is None else part.weights
            self.constant += self.family.constant(part.y, w, self.shape, 1.0)
            self.weights += float(w.sum())
            self.greatest_weight = max(self.greatest_weight, float(w.max()))
        return self

    def merge(self, other: Self) -> Self:
        self.constant += other.constant
        self.weights += other.weights
        self.nbytes += other.nbytes
        self.greatest_weight = max(self.greatest_weight, other.greatest_weight)
        return self

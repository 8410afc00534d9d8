"""`SparseModes`: conditional modes whose working models have a sparse factor; exact.

The sparse tail of linear models (`blocks.tail.sparse_tail`) holds the factor of A, which is filled
anew with the working weights of each step of PIRLS. The order of elimination is found once.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.jit import compile_ahead
from numbamm.blocks.search.led import judge_normals
from numbamm.blocks.tail.protocol import CrossProduct
from numbamm.blocks.tail.sparse_tail import SparseTail, Symbolic
from numbamm.glm.mode import _Buffers
from numbamm.glm.tails.led_modes import LedModes, OfDeterminant
from numbamm.glm.tails.led_pirls import Solver
from numbamm.glm.tails.rows_for_python import observed, predict, responding, weighted
from numbamm.glm.tails.sparse_forms import forms_of_rows


class SparseModes(LedModes):
    """As `ModeFinder`, with a sparse tail."""

    def __init__(self, *data) -> None:
        compile_ahead(forms_of_rows, predict, weighted, observed, responding)
        super().__init__(*data)

    @property
    def _buffers(self) -> type[_Buffers]:
        return _SparseBuffers

    def _check_size(self) -> None:
        """The choice of the tail has seen to it."""

    def _solver(self, buffers, entries) -> Solver:
        return SparseFactor(buffers.tail, entries)

    def _of_determinant(self, buffers, entries) -> OfDeterminant:
        tail, rows = buffers.tail, buffers.rows
        tail.hold(entries)
        of = tail.differentiate_logdet()
        h = np.empty(len(rows.y))
        arrays = of.U, of.border.reshape(-1), of.corner.reshape(-1), of.adjoint
        forms_of_rows(rows.refs, rows.z, rows.table, rows.places, tail.pattern, *arrays, h)
        slopes = tail.gradient_blocks()
        return OfDeterminant(h, [slopes[given] for given in buffers.layout.order])

    def certify(self, theta, gamma, *, vary: bool, shape: float, phi: float):
        buffers = self.varied if vary else self.held
        found, tail = self._of_determinant(buffers, self._entries(theta)), buffers.tail
        normals = tail.normal_blocks()  # of the determinant; A will have other weights
        _, v = self._gradient(found, theta, gamma, vary, shape, phi)
        of_rows = self._normals_of_rows(v, float(phi), buffers.rows, tail.related)
        for k, given in enumerate(buffers.layout.order):
            normals[given] += of_rows[k]
        return judge_normals(tail, theta, len(v), normals)

    def linear_model(self, sigma: float):
        tail, degrees = self.varied.tail, np.array([len(self.rows.y), 0])

        def value_and_gradient(theta):
            return tail.objective_gradient(theta, degrees, 0.0, sigma)

        return value_and_gradient, lambda: tail.effects()[0][:-1]

    # ---- what follows from the factor -------------------------------------------------------

    def x_factor(self) -> np.ndarray:
        return self.varied.tail.x_factor()

    def leverages(self) -> np.ndarray:
        return self.varied.tail.leverage()

    def conditional_variances(self) -> list[np.ndarray]:
        return self.held.tail.conditional_variances()

    def row_variances(self, terms, x, cov) -> np.ndarray:
        return self.varied.tail.row_variances(terms, x, cov)


class SparseFactor(Solver):
    """Solutions by a sparse factor at entries of every λ."""

    def __init__(self, tail: SparseTail, entries) -> None:
        self._tail, self._entries = tail, entries

    def load(self, only_response: bool = False) -> None:
        self._tail.new_cross_product(only_response)

    def solution(self) -> np.ndarray:
        self._tail.hold(self._entries)
        return self._tail.effects()[0][:-1]

    def logdet(self) -> float:
        self._tail.hold(self._entries)
        return self._tail.logdet

    def least_pivot(self) -> float:
        return self._tail.least_pivot()

    def penalty(self, u) -> float:
        return self._tail.penalty(u)


class _SparseBuffers(_Buffers):
    """Rows, and buffers with a sparse tail."""

    def __init__(self, pattern, *rest) -> None:
        self._terms = [pattern.terms[k] for k in np.argsort(pattern.order)]
        super().__init__(pattern, *rest)

    def with_columns(self, pattern, nx: int) -> _SparseBuffers:
        other = super().with_columns(pattern, nx)
        Symbolic.share(self.layout, other.layout)
        return other

    @property
    def _size_work(self) -> int:
        return 0  # that of the tail

    def _scratch(self) -> dict[str, np.ndarray]:
        small = self._local
        if not hasattr(small, "tail"):
            scratch = super()._scratch()
            A = CrossProduct(self.layout, scratch["A"], None)
            small.tail = self._kind(self._terms, A, layout=self.layout)
            small.tail.refs = self._shared["refs"]
            small.tail.z, small.tail.xy = scratch["zw"], scratch["xyw"]
            scratch["work"] = small.tail.work
        return small.scratch

    @property
    def _kind(self) -> type[SparseTail]:
        if not self.layout.related:
            return SparseTail
        from numbamm.blocks.known.by_precision import RelatedTail

        return RelatedTail

    @property
    def tail(self) -> SparseTail:
        """The calling thread's tail, on its A."""
        _ = self.rows
        return self._local.tail

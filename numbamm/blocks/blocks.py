"""`Blocks`: a model's cross-product A, its layout, and the quantities computed from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numbamm.blocks import cholesky, gradient, information, solve
from numbamm.blocks.crossprod import crossprod, crossprod_response
from numbamm.blocks.layout import (
    GRADIENT,
    LAMBDA,
    NLEVEL,
    NX,
    ORDER,
    TAIL,
    Layout,
    P,
    build_layout,
)
from numbamm.blocks.search import evaluation
from numbamm.blocks.search.certificate import judge
from numbamm.blocks.size import check_size
from numbamm.blocks.threads import ThreadLocal
from numbamm.blocks.variances import (
    conditional_variances,
    leverages,
    row_variances,
    tail_block,
)
from numbamm.shortrepr import ShortRepr
from numbamm.structures.joint import Joint


@dataclass(repr=False)
class Solution(ShortRepr):
    """Estimates at one θ, in the units of A.

    Attributes
    ----------
    u, b : list of ndarray, shape (levels, p)
        Spherical and original random effects, term by term as the caller gave them.
    gamma : ndarray, shape (nx,)
        Coefficients of the fixed-effects columns.
    """

    u: list[np.ndarray]
    b: list[np.ndarray]
    gamma: np.ndarray


class Blocks(ThreadLocal):
    """The blocked cross-product of a model, and its factor at any θ.

    Parameters
    ----------
    terms : sequence of ReMat
        By decreasing number of random effects.
    xy : ndarray of float64, shape (n, nx + 1)
        ``[X | y]``, X of full rank, times the square root of the weights.
    sqrtw : ndarray of float64, shape (n,), optional
        Square roots of the weights, for the terms' columns.
    gap : int
        Number of unused elements between the regions of the buffers, for tests that guard them.

    Notes
    -----
    Threads share A, and each thread has its own workspace, so that any number of threads may
    evaluate at once.

    Methods take θ. Kernels take the entries of λ, which equal θ if the `joint` structures are
    free.
    """

    def __init__(self, terms, xy, sqrtw=None, gap: int = 0) -> None:
        self.xy = np.ascontiguousarray(xy, dtype=np.float64)
        self.layout = build_layout(terms, self.xy.shape[1] - 1, gap)
        check_size(self.layout, terms)
        self.joint = Joint.of(terms)
        ordered = [terms[k] for k in self.layout.order]
        self.refs = np.stack([t.refs for t in ordered])
        self.z = np.concatenate([t.z for t in ordered]).T.copy()
        if sqrtw is not None:
            self.z *= sqrtw[:, None]
        self.A = np.full(self.layout.size_a, np.nan)
        table, places = self.layout.table, self.layout.places
        crossprod(self.refs, self.z, self.xy, table, places, self.A)
        super().__init__()

    @classmethod
    def of_products(cls, terms, layout: Layout, A, rows) -> Blocks:
        """Blocks of a cross-product that exists already, without its rows.

        Parameters
        ----------
        terms : sequence of ReMat
            By decreasing number of random effects.
        layout : Layout
        A : ndarray, shape (size_a,)
        rows
            What stands for the rows, and refuses to give them.
        """
        blocks = cls.__new__(cls)
        blocks.layout, blocks.A, blocks.joint = layout, A, Joint.of(terms)
        blocks.refs = blocks.z = blocks.xy = rows
        ThreadLocal.__init__(blocks)
        return blocks

    @property
    def work(self) -> np.ndarray:
        """The calling thread's workspace, with L at the θ that this thread evaluated last."""
        try:
            return self._local.work
        except AttributeError:
            self._local.work = np.full(self.layout.size_work, np.nan)
            return self._local.work

    @property
    def adjoint(self) -> np.ndarray:
        """The calling thread's buffer for gradients, allocated at its first use."""
        if not hasattr(self._local, "adjoint"):
            self._local.adjoint = np.full(self.layout.size_adjoint, np.nan)
        return self._local.adjoint

    @property
    def order(self) -> int:
        """Order m of the dense tail, which each evaluation factors in m³/3 operations."""
        return int(self.layout.table[0, ORDER])

    @property
    def nx(self) -> int:
        """Number of fixed-effects columns."""
        return int(self.layout.table[0, NX])

    def new_response(self, y) -> None:
        """Replace y (times the square root of the weights); only A's last row changes."""
        self._drop_buffers()  # they hold factors of the previous A
        self.xy[:, -1] = y
        crossprod_response(self.refs, self.z, self.xy, self.layout.table, self.A)

    def objective(self, theta, degrees, constant: float, sigma: float) -> float:
        """See `cholesky.objective`."""
        layout = self.layout
        arrays = layout.table, layout.index, self.A, self.work
        theta = self.joint.entries(theta)
        return cholesky.objective(theta, *arrays, degrees, constant, sigma)

    def objective_gradient(
        self, theta, degrees, constant: float, sigma: float
    ) -> tuple[float, np.ndarray]:
        """The objective and its gradient, shape (number of θ,); see `gradient`."""
        layout, entries = self.layout, self.joint.entries(theta)
        out = np.full(len(entries), np.nan)
        value = gradient.objective_gradient(
            entries,
            layout.table,
            layout.index,
            self.A,
            self.work,
            self.adjoint,
            degrees,
            constant,
            sigma,
            out,
        )
        return value, self.joint.slopes(theta, out)

    def newton_model(self, degrees, constant: float, sigma: float) -> evaluation.Model:
        """The arguments of `newton.fit`, with this thread's workspace."""
        layout = self.layout
        arrays = layout.table, layout.index, self.A, self.work, self.adjoint
        return evaluation.Model(*arrays, degrees, constant, sigma)

    def certify(self, theta, degrees, constant: float, sigma: float):
        """The certificate at a singular θ; see `certificate.judge`."""
        self.objective_gradient(theta, degrees, constant, sigma)
        information.complete_normal(self.layout.table, self.work, self.adjoint)
        arrays = self.A, self.work, self.adjoint
        return judge(theta, self.joint, self.layout, *arrays, degrees[0])

    def gradient_blocks(self) -> list[np.ndarray]:
        """G = 2Nλ of each term, shape (p, p), at this thread's latest gradient.

        The entries on a term's template are the gradient; the others are derivatives by entries
        of λ that are fixed at zero.
        """
        table, blocks = self.layout.table, []
        for given in np.argsort(self.layout.order):
            p, at = table[1 + given, P], table[0, GRADIENT] + table[1 + given, LAMBDA]
            blocks.append(self.adjoint[at : at + p * p].reshape(p, p).copy())
        return blocks

    def factorize(self, theta) -> None:
        """Fill this thread's workspace with L(θ), unless it is there already.

        Raises
        ------
        FloatingPointError
            If Ω is not positive definite to working precision.
        """
        entries, factored = self.joint.entries(theta), cholesky.factored
        if np.array_equal(factored(self.layout.table, self.layout.index, self.work), entries):
            return
        if not self.objective(theta, np.array([1, 0]), 0.0, 0.0) < np.inf:
            raise FloatingPointError(f"the Cholesky factorisation fails at theta = {theta}")

    def solve(self) -> Solution:
        """Estimates from the factor in this thread's workspace."""
        table, m = self.layout.table, self.order
        width = table[1 : 1 + self.layout.nterm, P] * table[1 : 1 + self.layout.nterm, NLEVEL]
        u = np.zeros(width[: self.layout.nhead].sum() + m)
        b = np.zeros(len(u))
        solve.solve(table, self.layout.index, self.work, u, b)
        stops = np.cumsum(width)
        return Solution(
            u=self._by_term(u, stops), b=self._by_term(b, stops), gamma=u[len(u) - 1 - self.nx : -1]
        )

    def _by_term(self, vector, stops) -> list[np.ndarray]:
        """Split a vector in the table's order into the terms, in the caller's order."""
        parts: list = [None] * len(stops)
        for k, stop in enumerate(stops):
            p, nlevel = self.layout.table[1 + k, [P, NLEVEL]]
            parts[self.layout.order[k]] = vector[stop - p * nlevel : stop].reshape(nlevel, p)
        return parts

    def residual_norm(self) -> float:
        """Square root of the penalised residual sum of squares r², in y's units in A."""
        table, m = self.layout.table, self.order
        return float(self.work[table[0, TAIL] + m * m - 1])

    def x_factor(self) -> np.ndarray:
        """L_X, the factor's block of the fixed effects, shape (nx, nx)."""
        m = self.order
        return tail_block(self.layout, self.work, slice(m - 1 - self.nx, m - 1))

    def leverage(self) -> np.ndarray:
        """Diagonal of the hat matrix at the factor in this thread's workspace, shape (n,)."""
        refs = np.asarray(self.refs)  # an error where the rows are not in memory
        return leverages(self.layout, self.work, refs, self.z, self.xy)

    def conditional_variances(self) -> list[np.ndarray]:
        """Variances of b over σ² at that factor, shape (levels, p, p) for each term."""
        return conditional_variances(self.layout, self.work)

    def row_variances(self, terms, x) -> np.ndarray:
        """Variances over σ² of x'γ̂ + z'b̂ - z'b at that factor; see `variances.row_variances`."""
        return row_variances(self.layout, self.work, terms, x)

"""`DenseTail`: the factor whose tail is one dense matrix T of order m, factored by LAPACK.

Its buffers are those that `layout` describes, so that the compiled searches and refits of
`blocks.search` work on them.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks import cholesky, gradient, normal, solve
from numbamm.blocks.jit import compile_ahead
from numbamm.blocks.layout import GRADIENT, LAMBDA, NORMAL, TAIL, P
from numbamm.blocks.search import evaluation, newton
from numbamm.blocks.search.certificate import judge
from numbamm.blocks.tail.protocol import Prediction, Solution, Tail
from numbamm.blocks.variances import (
    conditional_variances,
    leverages,
    row_variances,
    tail_block,
)

#: Multiplications a second of a factorisation, about, on one thread.
RATE = 4e10


class DenseTail(Tail):
    """All that the head leaves as one dense matrix; everything is done by compiled code.

    Methods take θ. Kernels take the entries of λ, which equal θ if the `joint` structures are
    free.
    """

    name = "dense"
    is_compiled = True

    @classmethod
    def predict(cls, layout, terms, asked: bool = False, factors: int = 1) -> Prediction:
        multiplications = 3 * layout.operations  # a gradient costs twice as much again
        size = layout.size_a + layout.size_work + layout.size_adjoint
        return Prediction(multiplications / RATE, 8.0 * factors * size)

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

    def search(self, theta, degrees, constant: float, sigma: float, ftol_abs, ftol_rel):
        """Newton's search by derivatives; see `search.newton`."""
        compile_ahead(newton.advance)
        model = self.newton_model(degrees, constant, sigma)
        return newton.StepwiseFit(theta, model, ftol_abs, ftol_rel)

    def certify(self, theta, degrees, constant: float, sigma: float):
        """The certificate at a singular θ; see `certificate.judge`."""
        self.objective_gradient(theta, degrees, constant, sigma)
        normal.complete_normal(self.layout.table, self.work, self.adjoint)
        arrays = self.A, self.work, self.adjoint
        return judge(theta, self.joint, self.layout, *arrays, degrees[0])

    def gradient_blocks(self) -> list[np.ndarray]:
        """G = 2Nλ of each term, shape (p, p), at this thread's latest gradient.

        The entries on a term's template are the gradient; the others are derivatives by entries
        of λ that are fixed at zero.
        """
        return self._of_adjoint(GRADIENT)

    def normal_blocks(self) -> list[np.ndarray]:
        normal.complete_normal(self.layout.table, self.work, self.adjoint)
        return self._of_adjoint(NORMAL)

    def _of_adjoint(self, region: int) -> list[np.ndarray]:
        """A p × p matrix of each term in `adjoint`, in the caller's order."""
        table, blocks = self.layout.table, []
        for k in np.argsort(self.layout.order):
            p, at = table[1 + k, P], table[0, region] + table[1 + k, LAMBDA]
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
        held = factored(self.layout.table, self.layout.index, self.work)
        if len(held) and np.array_equal(held, entries):  # without any θ nothing tells
            return
        if not self.objective(theta, np.array([1, 0]), 0.0, 0.0) < np.inf:
            raise FloatingPointError(f"the Cholesky factorisation fails at theta = {theta}")

    def solve(self) -> Solution:
        """Estimates from the factor in this thread's workspace."""
        layout = self.layout
        u = np.zeros(layout.nranef + self.nx + 1)
        b = np.zeros(len(u))
        solve.solve(layout.table, layout.index, self.work, u, b)
        return Solution(layout.by_term(u), layout.by_term(b), gamma=u[layout.nranef : -1])

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

    def row_variances(self, terms, x, cov=None) -> np.ndarray:
        """Variances over σ² of x'γ̂ + z'b̂ - z'b at that factor; see `variances.row_variances`."""
        return row_variances(self.layout, self.work, terms, x, cov)

"""`IterativeModes`: conditional modes by conjugate gradients, and Laplace's determinant by probes.

PIRLS solves each of its least-squares problems by conjugate gradients (`blocks.tail`). log|M| and
its derivatives at the mode are estimated with random probes, which are fixed, so that objective and
gradient are smooth functions of the parameters. The gradient is that of `glm.gradient`: h_i enters
it linearly, so that an unbiased h (`row_forms`) gives an unbiased gradient.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.layout import DIAG, NLEVEL, P, Pattern
from numbamm.blocks.tail import probes
from numbamm.blocks.tail.approximation import MOST_ITERATIONS, Approximation
from numbamm.blocks.tail.conjugate_gradients import NoConvergence
from numbamm.blocks.tail.iterative_forms import MOST_FORMS, chosen_variances, forms_of_rows
from numbamm.blocks.tail.iterative_tail import FEW, IterativeTail, entries_of
from numbamm.blocks.tail.protocol import CrossProduct, Request, UnsuitedTail
from numbamm.blocks.tail.reduction import PARTS
from numbamm.blocks.tail.schur import Design
from numbamm.blocks.threads import run_parts
from numbamm.errors import OptionError
from numbamm.glm.mode import _Buffers
from numbamm.glm.tails.led_modes import LedModes, OfDeterminant
from numbamm.glm.tails.led_pirls import Solver
from numbamm.glm.tails.row_forms import head_columns, row_forms

#: Tolerances of solutions: of PIRLS and the adjoint, and of the probes.
TOLERANCE, ROUGH = 1e-9, 1e-6
NO_DEGREES = np.zeros(2, dtype=np.int64)
#: A working linear model is fitted until the objective falls by no more.
ENOUGH = 1e-3
#: Fewer rows than this are looked at in one part.
FEW_ROWS = 50_000


class IterativeModes(LedModes):
    """As `ModeFinder`, for designs whose tail is too large to be factored.

    Parameters
    ----------
    *data
        The arguments of `ModeFinder`.
    number, seed : int, optional
        Of the probes.
    """

    is_iterative = True

    def __init__(self, *data, number: int | None = None, seed: int | None = None) -> None:
        super().__init__(*data)
        self.probes, self.seed = number or probes.FEWEST, seed or 0

    @staticmethod
    def _pattern(terms) -> Pattern:
        return Pattern.of(terms, most_dense=FEW)

    @property
    def _buffers(self) -> type[_Buffers]:
        return _IterativeBuffers

    def _check_size(self) -> None:
        """No factor is held."""

    def _solver(self, buffers, entries) -> ConjugateGradients:
        return ConjugateGradients(buffers.design, entries, self.probes, self.seed)

    def _of_determinant(self, buffers, entries) -> OfDeterminant:
        found = buffers._local.solver.found
        lam = [found.schur.lam(k) for k in range(buffers.layout.nterm)]
        normals = found.normals(lambda: [_single_normal(found, lam[0])], NO_DEGREES, 0.0)
        slopes = [2.0 * N @ own for (N, _), own in zip(normals, lam, strict=True)]
        return OfDeterminant(self._row_forms(found, buffers.rows), slopes)

    def _row_forms(self, found, rows) -> np.ndarray:
        """h of every row; see `row_forms`."""
        V, shares, Q, U = found.for_rows()
        design, work = found.design, found.schur.work
        table, places = design.table, (design.local, design.place)
        p, nlevel = int(table[1, P]), int(table[1, NLEVEL])
        head = np.empty((p * nlevel, V.shape[1]))
        own, known, h = np.empty(p * p * nlevel), np.empty(p * p * nlevel), np.empty(len(rows.y))
        parts = len(design.bounds) - 1
        A, index, count = design.A, design.index, len(shares)

        def of_levels(part):
            start, stop = design.bounds[part : part + 2, 0]
            arrays = table, index, A, work, V, 2 * count, U, *places
            head_columns(*arrays, start, stop, head, own, known)

        run_parts(of_levels, parts)
        many = PARTS if len(h) > FEW_ROWS else 1
        cuts = np.linspace(0, len(h), many + 1).astype(np.int64)

        def of_rows(part):
            arrays = table, rows.refs, rows.z, rows.places, A, U, *places, V, head, count
            row_forms(*arrays, shares, Q, own, known, cuts[part], cuts[part + 1], h)

        run_parts(of_rows, many)
        return h

    def fit_working_model(self, theta, gamma, shape: float, sigma: float):
        """As `working_start.fit_working_model`, by the search of linear models."""
        working = self.working(theta, gamma, shape)
        product = CrossProduct(working.varied.layout, working.rows.A, None)
        request = Request("iterative", self.probes, self.seed)
        tail = IterativeTail(self.terms, product, layout=product.layout, request=request)
        degrees = np.array([len(working.rows.y), 0], dtype=np.int64)
        search = tail.search(np.array(theta, dtype=np.float64), degrees, 0.0, sigma, ENOUGH, 0.0)
        best = np.inf, theta
        while search.returnvalue is None:
            best = min([best, *((f, at) for at, f in search.step(1))], key=lambda pair: pair[0])
        if not np.isfinite(best[0]):
            return None
        tail.factorize(best[1])
        u, b = tail.effects()
        self.u = u[: self.q].copy()
        return best[1], b[self.q : -1].copy()

    def certify(self, theta, gamma, *, vary: bool, shape: float, phi: float):
        """None: of an estimated gradient nothing is certain."""
        return np.nan, np.nan, None

    def information(self, theta) -> np.ndarray:
        """About half the curvature in θ at the last mode: average information, twice."""
        buffers = self.held if hasattr(self.held._local, "solver") else self.varied
        found = buffers._local.solver.found
        entries = entries_of(self.joint, buffers.layout)
        value, _, _ = found.information(entries, np.array([1, 0]), 1.0, ROUGH)
        out = np.empty_like(value)
        out[np.ix_(entries[3], entries[3])] = value
        return out

    # ---- what follows from the factor -------------------------------------------------------

    def x_factor(self) -> np.ndarray:
        found, nx = self.varied._local.solver.found, self.rows.basis.shape[1]
        return found.factor[-1 - nx : -1, -1 - nx : -1].copy()

    def leverages(self):
        raise _cannot("leverages of all rows")

    def variances_of(self, levels: dict) -> dict[int, np.ndarray]:
        layout, found = self.held.layout, self.held._local.solver.found
        parts = chosen_variances(found, self.terms, layout.order, levels)
        if isinstance(parts, int):
            raise _cannot(f"conditional variances of {parts} random effects")
        return parts

    def row_variances(self, terms, x, cov):
        if len(x) > MOST_FORMS:
            raise _cannot(f"variances of {len(x)} rows")
        ordered = [terms[k] for k in self.varied.layout.order]
        return forms_of_rows(self.varied._local.solver.found, ordered, x, cov)


class _IterativeBuffers(_Buffers):
    """Rows, and buffers without a dense tail."""

    @property
    def _size_work(self) -> int:
        return Design(self.layout, np.zeros(self.layout.size_a)).size_work

    def _scratch(self) -> dict[str, np.ndarray]:
        small = self._local
        if not hasattr(small, "design"):
            small.design = Design(self.layout, super()._scratch()["A"])
        return small.scratch

    @property
    def design(self) -> Design:
        """The calling thread's design, on its A."""
        _ = self.rows
        return self._local.design


class ConjugateGradients(Solver):
    """Solutions by conjugate gradients, and log|M| by probes.

    Attributes
    ----------
    found : Approximation
        That of the last determinant.
    """

    #: Solutions' own errors are no steps.
    rounding = max(Solver.rounding, TOLERANCE**2)

    def __init__(self, design, entries, number: int, seed: int) -> None:
        self._design, self._entries = design, entries
        self._probes = number, seed
        self.found: Approximation | None = None

    def load(self, only_response: bool = False) -> None:
        self._design.new_response()

    def solution(self) -> np.ndarray:
        none = np.zeros((self._design.order, 0))
        return self._approximation(none, (TOLERANCE, TOLERANCE)).solution()[0][:-1]

    def logdet(self) -> float:
        design = self._design
        Z = probes.draw(design.order, *self._probes)
        self.found = found = self._approximation(Z, (TOLERANCE, ROUGH), MOST_ITERATIONS)
        terms = len(found.factor) - 1 - design.nx
        exact = found.schur.logdet + 2.0 * np.log(np.diag(found.factor)[:terms]).sum()
        return float(exact + found.logdets.mean())

    def least_pivot(self) -> float:
        return np.inf

    def _approximation(self, Z, tolerance, *most) -> Approximation:
        try:
            return Approximation(self._design, self._entries, Z, tolerance, *most)
        except NoConvergence:
            raise UnsuitedTail(
                "conjugate gradients need too many iterations: some factors are nearly nested, or "
                "few rows connect their levels"
            ) from None


def _single_normal(found, lam) -> np.ndarray:
    """N of the head's only term where there is no tail."""
    table, A = found.design.table, found.design.A
    blocks = A[table[1, DIAG] : table[1, DIAG] + table[1, P] ** 2 * table[1, NLEVEL]]
    blocks = blocks.reshape(-1, len(lam), len(lam))
    return np.linalg.solve(np.eye(len(lam)) + blocks @ (lam @ lam.T), blocks).sum(axis=0)


def _cannot(what: str) -> OptionError:
    return OptionError(
        f"{what}: not with the iterative tail; build the model with tail='dense' if it fits into "
        "memory"
    )

"""`StreamedModes`: modes of a generalized model by PIRLS with a pass over the rows a step.

Where rows neither fit into memory nor collapse into cells, each step of PIRLS reads them once:
chunks give the deviance at η and the cross-product A with the working weights there, from which
the next u and γ follow as in a linear model. See `glm.pirls`.
"""

from __future__ import annotations

from copy import copy
from types import SimpleNamespace

import numpy as np

from numbamm.blocks.layout import Pattern
from numbamm.blocks.tail.protocol import CrossProduct, Tail
from numbamm.blocks.tail.registry import tail_of
from numbamm.blocks.variances import chosen_parts
from numbamm.design.absent import absent
from numbamm.glm.mode import Mode
from numbamm.sources.column_moments import Basis
from numbamm.sources.streamed_frame import passes_differ
from numbamm.sources.working_pass import Predictor, WorkingPass

#: The iteration ends when a step lowers the penalised deviance by less: steps of Newton's method
#: are then within rounding errors of the mode.
TOLERANCE = 1e-9
MAX_ITERATIONS, MAX_HALVINGS = 50, 20
NOT_POSITIVE_DEFINITE, NO_DESCENT, NOT_CONVERGED = -1, -2, -3


class StreamedModes:
    """Finds modes at given parameters, from the mode found last; as `glm.mode.ModeFinder`.

    Parameters
    ----------
    frame : StreamedFrame
    basis : Basis
    scalings : list of Scaling or None
    terms : list of StreamedTerm
        In scaled columns.
    covered : list of ReMat
        The same terms in the rows of a `Cover`.
    family, link
    tail : str
        Name of an exact tail.

    Attributes
    ----------
    passes : list of int
        How many passes there have been, in all copies.
    """

    def __init__(
        self, frame, basis: Basis, scalings, terms, covered, family, link, tail: str
    ) -> None:
        self.frame, self.basis, self.scalings, self.terms = frame, basis, scalings, terms
        self.family, self.link, self.passes, self._tail = family, link, [0], tail
        pattern, rank = Pattern.of(covered), basis.fe.rank
        self.varied, self.held = (
            SimpleNamespace(layout=pattern.layout(nx), blocks=None) for nx in (rank, 0)
        )
        for buffers in (self.varied, self.held):
            buffers.layout.places = buffers.layout.places[:, :0]
        self.u = [np.zeros((t.nlevels, t.p)) for t in terms]
        self.offset = absent("the offset", frame.nobs)

    #: There are no derivatives of the objective.
    has_gradient = False
    #: Modes are exact; see `iterative_modes`.
    is_iterative = False
    #: Information of the rows, of which no least is known.
    working_weights = np.array([np.inf])

    @property
    def state(self) -> tuple:
        """The start of the next search."""
        return (self.u,)

    @state.setter
    def state(self, state: tuple) -> None:
        (self.u,) = state

    def replaced(self) -> StreamedModes:
        """A finder that starts at u = 0."""
        other = copy(self)
        other.varied, other.held = copy(self.varied), copy(self.held)
        other.u = [np.zeros_like(u) for u in self.u]
        return other

    def by_term(self, u) -> list[np.ndarray]:
        """Copies of the random effects of each term."""
        return [part.copy() for part in u]

    def __call__(self, theta, gamma, *, vary: bool, shape=0.0, tolerance=None) -> Mode:
        """The mode at θ; γ is changed in place if it varies."""
        buffers = self.varied if vary else self.held
        lambdas = self._lambdas(theta)
        before, value, halvings = None, np.inf, 0
        u, g = self.u, gamma.copy()
        for iteration in range(MAX_ITERATIONS):
            found = self._pass(u, g, lambdas, vary, shape, buffers.layout)
            penalty = float(sum((part**2).sum() for part in u))
            new = found.deviance + penalty
            if not new < value + 1e-12 * abs(value) and before is not None:
                halvings += 1
                if halvings > MAX_HALVINGS:
                    return Mode(np.nan, np.nan, np.nan, NO_DESCENT)
                u = [(a + b) / 2 for a, b in zip(u, before[0], strict=True)]
                g = (g + before[1]) / 2
                continue
            done, value, halvings = value - new < TOLERANCE * max(1.0, abs(new) * 1e-6), new, 0
            product = CrossProduct(buffers.layout, found.A, self.frame.y)
            blocks = tail_of(self._tail)(self.terms, product, layout=buffers.layout)
            buffers.blocks = blocks
            logdet = _log_determinant(blocks, theta)
            if not np.isfinite(logdet):
                return Mode(np.nan, np.nan, np.nan, NOT_POSITIVE_DEFINITE)
            solution = blocks.solve()
            if done:
                self.u = solution.u if self.terms else u
                gamma[:] = g
                return Mode(found.deviance, penalty, logdet, iteration)
            before = u, g
            u, g = solution.u if self.terms else u, solution.gamma if vary else g
        return Mode(np.nan, np.nan, np.nan, NOT_CONVERGED)

    def _pass(self, u, gamma, lambdas, vary, shape, layout) -> WorkingPass:
        b = [part @ L.T for part, L in zip(u, lambdas, strict=True)] if self.terms else None
        at = Predictor(gamma, b, vary)
        begun = WorkingPass(
            self.frame, self.basis, self.scalings, layout, self.family, self.link, shape, at
        )
        self.passes[0] += 1
        found = self.frame.source.gather(begun, False, "working weights")
        if not np.allclose(found.digest, self.frame.sums, rtol=1e-9, atol=0.0):
            raise passes_differ("responses or weights have changed between two passes")
        return found

    def _lambdas(self, theta) -> list[np.ndarray]:
        sizes = np.cumsum([len(t.structure.start) for t in self.terms])[:-1]
        parts = np.split(np.asarray(theta), sizes) if self.terms else []
        return [t.structure.matrix(part) for t, part in zip(self.terms, parts, strict=True)]

    def without_terms(self) -> StreamedModes:
        """A finder for the model without random effects."""
        rest = self.family, self.link, "dense"
        other = StreamedModes(self.frame, self.basis, [], [], [], *rest)
        other.passes = self.passes
        return other

    def working(self, theta, gamma, shape: float) -> StreamedModes:
        """A finder with the factor of the working linear model at the mode."""
        finder = self.replaced()
        finder.u = self.u
        finder(theta, gamma.copy(), vary=True, shape=shape)
        return finder

    def x_factor(self) -> np.ndarray:
        """L_X, the block of γ in the last factor with γ varying."""
        return self.varied.blocks.x_factor()

    def leverages(self) -> np.ndarray:
        """Refused: the rows are not in memory."""
        raise self.frame.y.error()

    def conditional_variances(self) -> list[np.ndarray]:
        """Variances of b at the last mode with β held."""
        return self.held.blocks.conditional_variances()

    def variances_of(self, levels: dict) -> dict[int, np.ndarray]:
        """See `ModeFinder.variances_of`."""
        return chosen_parts(self.conditional_variances(), levels)

    def row_variances(self, terms, x, cov) -> np.ndarray:
        """See `ModeFinder.row_variances`."""
        return self.varied.blocks.row_variances(terms, x, cov)


def _log_determinant(blocks: Tail, theta) -> float:
    """log|L_Z|² of the factor at θ, which is left in the workspace."""
    value = blocks.objective(np.asarray(theta, dtype=float), np.array([1, 0]), 0.0, 1.0)
    return value - blocks.residual_norm() ** 2 - np.log(2 * np.pi)

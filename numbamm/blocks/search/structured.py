"""`StructuredSearch`: Newton's search in θ of structures that are not the entries of λ.

The objective depends on θ through Γ = λλ' of each term. With N = ∂f/∂Γ and Γ_s, Γ_st the
derivatives of Γ by θ,

    slope      tr(N Γ_s)
    Hessian    AI along Γ_s and Γ_t  +  tr(N Γ_st)

where the average information is that of `blocks.information`, or the observed information where
it is cheap (`observed`). The second part is exact, and none needs the derivatives of a factor: all
holds where λ is singular. The trust region is that of `newton`, and kernels take its steps.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.gradient import objective_gradient
from numbamm.blocks.information import inner_products
from numbamm.blocks.jit import compile_ahead, jit
from numbamm.blocks.kinds import INTEGER, NUMBER
from numbamm.blocks.layout import LAMBDA, NORMAL, P
from numbamm.blocks.normal import complete_normal
from numbamm.blocks.search import newton, trust
from numbamm.blocks.search.communication import (
    CONVERGED,
    DIFFERENTIATE,
    EVALUATE,
    FAILED,
    FBEST,
    ROUNDOFF,
)
from numbamm.blocks.search.observed import Traces

#: From so many evaluations on the average information is taken for a poor Hessian, and differences
#: of the gradient, with this half-width for coordinates of ordinary size, are worth their while.
SLOW, STEP = 25, 1e-4
#: A search ends where so many evaluations lower the objective by less than this: it creeps along a
#: valley without end, where rounding errors are larger than the tolerances.
PATIENCE, LITTLE = 40, 1e-5

# What `lead` is asked for.
BEGIN, ADVANCE, IMPROVE = range(3)


class TrustSearch:
    """A search in the trust region of `newton`, one evaluation at a time: an `OwnSearch`.

    A subclass evaluates the objective, and its derivatives at the point evaluated last.

    Parameters
    ----------
    x : ndarray, shape (n,)
        The start.
    scale : ndarray, shape (n,)
        What x is multiplied by to be of ordinary size.
    ftol_abs, ftol_rel : float
        As for `newton.fit`.
    """

    def __init__(self, x, scale, ftol_abs, ftol_rel) -> None:
        self._state = trust.allocate(len(x))
        self._state.x[:], self._state.scale[:] = x, scale
        lead(BEGIN, float(ftol_abs), float(ftol_rel), self._state)
        self._best: list[float] = []
        self.returnvalue: str | None = None
        self.gradient_norm = np.nan

    @property
    def fbest(self) -> float:
        """The lowest objective so far."""
        return float(self._state.numbers[FBEST])

    def evaluate(self, x) -> float:
        """The objective at x."""
        raise NotImplementedError

    def derivatives(self, x) -> tuple[np.ndarray, np.ndarray]:
        """Slopes and Hessian at x, which was evaluated last."""
        raise NotImplementedError

    @property
    def is_slow(self) -> bool:
        """Whether the Hessian has proved poor."""
        return len(self._best) >= SLOW

    def step(self, most: float) -> list[tuple[np.ndarray, float]]:
        """One more evaluation: x, and the objective there."""
        found = self._advanced()
        self._best.append(self.fbest)
        late = self._best[-PATIENCE:]
        if len(late) == PATIENCE and late[0] - late[-1] < LITTLE:
            self.returnvalue = self.returnvalue or newton.ENDS[ROUNDOFF]
        return found

    def _advanced(self) -> list[tuple[np.ndarray, float]]:
        state = self._state
        x = state.x.copy()
        f = self.evaluate(x)
        action = lead(ADVANCE, f, 0.0, state)
        if action == DIFFERENTIATE:
            g, H = self.derivatives(x)
            if np.isfinite(g).all() and np.isfinite(H).all():
                self.gradient_norm = float(np.linalg.norm(g))
                state.g[:], state.H[:] = g / state.scale, H / np.outer(state.scale, state.scale)
                action = lead(IMPROVE, f, 0.0, state)
            else:
                action = FAILED
        elif action == CONVERGED and f == self.fbest:
            self.gradient_norm = np.nan  # the last step was taken without derivatives
        if action != EVALUATE:
            self.returnvalue = newton.ENDS[action]
        return [(x, f)]


class StructuredSearch(TrustSearch):
    """A search over θ of any structures.

    Parameters
    ----------
    blocks : DenseTail
    theta : ndarray, shape (number of θ,)
        The start.
    criterion : (degrees, constant, sigma)
        As for `DenseTail.objective`.
    scale, ftol_abs, ftol_rel
        As for `TrustSearch`.
    """

    def __init__(self, blocks, theta, criterion, scale, ftol_abs, ftol_rel) -> None:
        compile_ahead(objective_gradient, complete_normal, inner_products, lead)
        self._blocks, self._criterion = blocks, criterion
        self._traces = Traces.of(blocks)
        super().__init__(theta, scale, ftol_abs, ftol_rel)

    def evaluate(self, x) -> float:
        return self._blocks.objective_gradient(x, *self._criterion)[0]

    def derivatives(self, x) -> tuple[np.ndarray, np.ndarray]:
        if self._traces is not None or not self.is_slow:
            return derivatives(self._blocks, x, self._criterion, self._traces)
        step = STEP / self._state.scale
        H = np.array(
            [
                (self._slopes(x + h) - self._slopes(x - h)) / (2 * half)
                for h, half in zip(np.diag(step), step, strict=True)
            ]
        )
        return self._slopes(x), (H + H.T) / 2

    def _slopes(self, x) -> np.ndarray:
        return self._blocks.objective_gradient(x, *self._criterion)[1]


def derivatives(blocks, theta, criterion, traces=None) -> tuple[np.ndarray, np.ndarray]:
    """Slopes and Hessian at θ, after `DenseTail.objective_gradient` at the same θ.

    Parameters
    ----------
    blocks, theta, criterion
        As for `StructuredSearch`.
    traces : Traces, optional
        With them the Hessian is exact; without it is by the average information.

    Returns
    -------
    g : ndarray, shape (number of θ,)
    H : ndarray, shape (number of θ, number of θ)
    """
    degrees, _, sigma = criterion
    layout, joint = blocks.layout, blocks.joint
    table, work, adjoint = layout.table, blocks.work, blocks.adjoint
    complete_normal(table, work, adjoint)
    places = joint.split(np.arange(joint.size))
    parts = joint.split(theta)
    n, widest = len(theta), int(table[1 : 1 + layout.nterm, P].max())
    g, bend = np.empty(n), np.zeros((n, n))
    order, terms, changes = [], [], np.zeros((n, widest * widest))
    by_term = []
    for k, given in enumerate(layout.order):
        s, own, at = joint.structures[given], parts[given], places[given]
        start = table[0, NORMAL] + table[1 + k, LAMBDA]
        N = adjoint[start : start + s.p * s.p].reshape(s.p, s.p)
        moves = s.covariance_slopes(own)
        by_term.append(moves)
        g[at] = np.einsum("ab,sab->s", N, moves)
        bend[np.ix_(at, at)] = s.bend(own, N)
        changes[len(order) : len(order) + s.size, : s.p * s.p] = moves.reshape(s.size, -1)
        order.extend(at)
        terms.extend([k] * s.size)
    entries = np.zeros((4, n), dtype=np.int64)
    entries[0] = terms
    H, slopes = np.empty((n, n)), np.empty(n)
    inner_products(table, layout.index, blocks.A, work, adjoint, entries, changes, H, slopes)
    variance = sigma**2 if sigma > 0 else blocks.residual_norm() ** 2 / degrees[0]
    H /= variance
    if traces is not None:
        H = 2 * H - traces(theta, by_term, reml=bool(degrees[1]))
    if sigma == 0:
        H -= np.outer(slopes, slopes) / (degrees[0] * variance**2)
    information = np.empty((n, n))
    information[np.ix_(order, order)] = H
    return g, information + bend


@jit(takes=(INTEGER, NUMBER, NUMBER, trust.STATE))
def lead(what, f, more, state):
    """Begin a search with tolerances f and `more`; or take the value f, or g and H, at x."""
    if what == BEGIN:
        trust.begin(state, f, more)
        return np.int64(0)
    if what == IMPROVE:  # after g and H at the best point were filled
        trust.correct(state)
    return trust.advance(state, f)

"""PIRLS that is led from Python, over a tail that no compiled code of `glm.pirls` holds.

Its steps are those of `pirls.pirls`. The rows' part of a step is compiled (`rows_for_python`); the
least-squares problem of a step is solved by a `Solver`.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.layout import NX
from numbamm.glm import pirls as outcomes
from numbamm.glm.row_kernels import SCORE, WEIGHT, WORKING, evaluate_rows
from numbamm.glm.tails.rows_for_python import observed, predict, responding, weighted
from numbamm.glm.working import (
    AT,
    BARRIER,
    CANONICAL,
    DETERMINANT,
    DISPERSED,
    EDGE,
    FAMILY,
    HEAVY,
    HELD,
    LINK,
    OBSERVED,
    TRIAL,
    Working,
)


class Solver:
    """Solves a working model's least-squares problem from its A, as the rows filled it last.

    Every method raises `FloatingPointError` where the matrix is not positive definite.
    """

    #: A step whose Σ W Δη² + |Δu|² is below this share of Σ W η² is within errors of solutions.
    rounding = outcomes.ROUNDING

    def load(self, only_response: bool = False) -> None:
        """Take A, which has been filled anew, or its response alone."""
        raise NotImplementedError

    def solution(self) -> np.ndarray:
        """u in the table's order, then γ."""
        raise NotImplementedError

    def penalty(self, u) -> float:
        """What random effects cost: |u|², if they are independent."""
        return float(u @ u)

    def logdet(self) -> float:
        """log|L_Z|²."""
        raise NotImplementedError

    def least_pivot(self) -> float:
        """The smallest pivot of Z's rows; infinite where there are no pivots."""
        raise NotImplementedError


class LedPirls:
    """One search for a mode; see `pirls.pirls`.

    Parameters
    ----------
    solver : Solver
    rows : Working
    entries, shape, scale, base
        As for `pirls.pirls`; of every λ.
    size : int
        Number of variables x.
    """

    def __init__(
        self, solver: Solver, rows: Working, entries, shape: float, scale: float, base, size: int
    ) -> None:
        self._solver, self.rows = solver, rows
        self._entries, self._shape, self._scale, self._base = entries, float(shape), scale, base
        self._q, self._trial = size - int(rows.table[0, NX]), np.empty(size)
        model = rows.model
        self._canonical, self._least = model[CANONICAL] != 0, outcomes.LEAST
        if model[DISPERSED] != 0:
            self._least = outcomes.LEAST_DISPERSED * scale

    def run(self, x, tolerance: float, trace, out) -> int:
        """See `pirls.pirls`, whose arguments these are."""
        try:
            return self._run(x, tolerance, trace, out)
        except FloatingPointError:
            return outcomes.NOT_POSITIVE_DEFINITE

    def _run(self, x, tolerance: float, trace, out) -> int:
        scale, q, has_edge = self._scale, self._q, self.rows.model[EDGE] != 0
        held = 0.0 if self.rows.model[HEAVY] != 0 else HELD
        deviance, penalty = self._at(AT, x), self._solver.penalty(x[:q])
        iterations, change, least, creeping = 0, np.inf, tolerance, 0
        value, part, newton = np.inf, 1.0, False
        while change > least * scale and iterations < outcomes.MAX_ITERATIONS:
            value, part = deviance + penalty, 1.0
            newton = not self._canonical and change < outcomes.NEAR * scale
            if newton:
                found = self._newton(held)
                if found is not None:
                    logdet = self._logdet_of(iterations, trace)
                    deviance = self._step(1.0, x, found)
                newton = found is not None and self._descends(deviance, value)
                if not newton:
                    self._deviance(AT)  # the expected weights again
            if not newton:
                weighted(self._base, self.rows)
                self._solver.load()
                solution = self._solver.solution()
                logdet = self._logdet_of(iterations, trace)
                for _ in range(outcomes.MAX_HALVINGS):
                    deviance = self._step(part, x, solution)
                    if self._descends(deviance, value):
                        break
                    part *= 0.5
                else:
                    return outcomes.NO_DESCENT
            if iterations < len(trace):
                trace[iterations] = value, logdet
            penalty = self._solver.penalty(self._trial[:q])
            change = self._change(x) / part**2  # scaled to the whole step
            least = tolerance if self._canonical or newton else tolerance * outcomes.LINEAR
            x[:] = self._trial
            iterations += 1
            creeping = creeping + 1 if part < 1.0 and has_edge else 0
            if creeping > outcomes.MAX_CREEPING:
                return outcomes.AT_EDGE
        if change > least * scale:
            if creeping > 0:
                return outcomes.AT_EDGE
            new = deviance + penalty
            if part < 1.0 or new < value - self._slack(value):
                return outcomes.NOT_CONVERGED
        if iterations > 0 and not (self._canonical or newton):
            if self._newton(HELD) is None:
                return outcomes.FLAT
            self._deviance(AT)
        by_observed = self.rows.model[DETERMINANT] == OBSERVED and not self._canonical
        if by_observed:
            observed(HELD, self._shape, self.rows)
        else:
            weighted(self._base, self.rows)
        self._solver.load()
        out[:] = deviance, penalty, self._solver.logdet()
        if iterations < len(trace):
            trace[iterations] = out[0] + out[1], out[2]
        if by_observed and self._solver.least_pivot() < outcomes.LEAST_PIVOT:
            return outcomes.FLAT
        return iterations

    def _at(self, line: int, x) -> float:
        """Σ w d at x, whose η fills a line."""
        eta, q = self.rows.eta[line], self._q
        predict(self._entries, x[:q].copy(), x[q:].copy(), self._base, eta, self.rows)
        return self._deviance(line)

    def _deviance(self, line: int) -> float:
        total = ask(WORKING, self.rows.eta[line], self._shape, self._least, self.rows)
        return total if total == total else np.inf

    def _newton(self, held: float) -> np.ndarray | None:
        """The end of Newton's step; None where the curvature is indefinite."""
        rows = self.rows
        observed(held, self._shape, rows)
        eta = rows.eta
        responding(eta[WEIGHT] * (eta[AT] - self._base) + eta[SCORE], rows)
        self._solver.load()
        try:
            return self._solver.solution()
        except FloatingPointError:
            return None

    def _logdet_of(self, iteration: int, trace) -> float:
        """log|L_Z|² if the path is asked for."""
        return self._solver.logdet() if iteration < len(trace) else np.nan

    def _step(self, part: float, x, solution) -> float:
        np.add(x, part * (solution - x), out=self._trial)
        return self._at(TRIAL, self._trial)

    def _slack(self, value: float) -> float:
        return outcomes.SLACK * (abs(value) + self._scale)

    def _descends(self, deviance: float, old: float) -> bool:
        new = deviance + self._solver.penalty(self._trial[: self._q])
        return bool(new <= old + self._slack(old) and new < np.inf)

    def _change(self, x) -> float:
        """Take the step in η; its Σ W Δη² + |Δu|², 0 where it is rounding."""
        eta = self.rows.eta
        change = eta[WEIGHT] @ (eta[TRIAL] - eta[AT]) ** 2
        size = eta[WEIGHT] @ eta[TRIAL] ** 2
        eta[AT] = eta[TRIAL]
        moved = self._trial[: self._q] - x[: self._q]
        change += self._solver.penalty(moved)
        return 0.0 if change < self._solver.rounding * size else float(change)


def ask(what, eta, shape, least, rows) -> float:
    """Evaluate the row kernels; see `working.ask`."""
    model = rows.model
    data = rows.y, rows.weights, rows.entropy, float(shape), float(least), eta, rows.link
    return evaluate_rows(what, model[LINK], model[FAMILY], *data, model[BARRIER], rows.eta)

"""`Guard`: stands between the objective and an optimiser that may do anything."""

from __future__ import annotations

import math
from collections.abc import Callable
from time import perf_counter

import numpy as np

from numbamm.errors import FitError
from numbamm.optimize import formatting
from numbamm.optimize.optsummary import OptSummary
from numbamm.optimize.progress_line import Progress
from numbamm.optimize.protocol import OwnSearch

#: A search ends when so many evaluations, and so many more for each parameter, have lowered the
#: objective by no more than `ftol_abs`, or by what no estimate would show: on a flat objective some
#: algorithms never end by themselves, but creep.
PATIENCE, PATIENCE_EACH, CREEPING = 1000, 100, 1e-3


class LimitReached(Exception):
    """Leaves the search when there are no evaluations, or no time, left."""


class NoProgress(Exception):
    """Leaves one run of an optimiser that has not lowered the objective for long."""


class Guard:
    """The objective as an optimiser sees it: of the free parameters alone, always finite.

    It counts and logs the evaluations, keeps the best point, and enforces limits and bounds.

    Parameters
    ----------
    objective, optsum, gradient, verbose, progress, label
        As for `minimize`.
    bounded
        Whether the bounds hold while the optimiser searches.

    Attributes
    ----------
    has_gradient : bool
        Whether `value_gradient` can be called.
    free : ndarray of int
        Positions of the parameters that are not held fixed by their bounds.
    lower, upper : ndarray
        Bounds of the free parameters, infinite if not `bounded`.
    best, fbest : ndarray, float
        The best point so far, all parameters, and its objective.
    best_gradient_norm : float
        Length there of the gradient in the free parameters; NaN if nobody computed it.
    feval : int
        Evaluations so far.
    log : list of (ndarray, float)
        Those evaluations.
    stopped : BaseException or None
        What made an evaluation, and with it the search, end; every later one raises it again.

    Raises
    ------
    FitError
        By an evaluation at the start, or by `finitial`: the objective is not finite there.
    """

    def __init__(
        self,
        objective: Callable[[np.ndarray], float],
        optsum: OptSummary,
        *,
        bounded: bool,
        gradient: Callable[[np.ndarray], tuple[float, np.ndarray]] | None,
        verbose: bool,
        progress: bool | None,
        label: str,
        shown: Callable[[np.ndarray], np.ndarray] | None = None,
    ):
        self._shown = shown
        self._objective = objective
        self._gradient = gradient
        self.has_gradient = gradient is not None
        self._initial = optsum.initial
        self.free = np.flatnonzero(optsum.lowerbd < optsum.upperbd)
        self.lower = np.where(bounded, optsum.lowerbd, -np.inf)[self.free]
        self.upper = np.where(bounded, optsum.upperbd, np.inf)[self.free]
        self._bounded = bool(np.isfinite([self.lower, self.upper]).any())
        self._all_free = len(self.free) == len(optsum.initial)
        self._verbose = verbose
        self._label = label
        self._progress = Progress(label, wanted=False if verbose else progress)
        self._maxfeval = math.inf if optsum.maxfeval == -1 else optsum.maxfeval
        self._patience = PATIENCE + PATIENCE_EACH * len(self.free)
        self._progress_abs = max(optsum.ftol_abs, CREEPING)
        self._progressed = 0, math.inf
        self._deadline = math.inf if optsum.maxtime == -1 else perf_counter() + optsum.maxtime

        self.stopped: BaseException | None = None
        self.feval = self.restarts = 0
        self.log: list[tuple[np.ndarray, float]] = []
        self.best, self.fbest, self.best_gradient_norm = self._initial, math.inf, math.nan
        self._finitial: float | None = None

    @property
    def finitial(self) -> float:
        """Objective at the start: the search's first evaluation, if that was there."""
        if self._finitial is None:
            try:
                f = float(self._objective(self._initial.copy()))
            except BaseException as error:
                self.stopped = error
                raise
            self._begun(self._initial, f)
        return self._finitial

    def _begun(self, x: np.ndarray, f: float) -> None:
        """Take note of the objective at the start."""
        if not math.isfinite(f):
            start = self._initial if self._shown is None else self._shown(self._initial)
            self.stopped = FitError(
                f"the objective at the initial parameters {formatting.vector(start)} is {f}; "
                "start somewhere else, or look for extreme values in the data"
            )
            raise self.stopped
        self._finitial = f
        if f <= self.fbest:
            self.best, self.fbest = x, f

    def unbound_signs(self) -> None:
        """Lift the bounds at 0, where the signs of parameters can be put right afterwards.

        There they only stand in the way: the gradient vanishes at a parameter that is held at 0,
        whether or not that is where the minimum is.
        """
        self.lower = np.where(self.lower == 0, -np.inf, self.lower)
        self._bounded = bool(np.isfinite([self.lower, self.upper]).any())

    def value(self, x: np.ndarray) -> float:
        """The objective at the free parameters x; `finitial` where it is not finite.

        Not infinity, from which a method that interpolates would learn nothing.
        """
        f = self.exact(x)
        return f if math.isfinite(f) else self.finitial

    def exact(self, x: np.ndarray) -> float:
        """The objective at the free parameters x, whatever it is."""
        try:
            full = self._begin(x)
            if self.feval == 1 and np.array_equal(full, self._initial):
                f = self.finitial  # known already
            else:
                f = float(self._objective(full))
        except BaseException as error:
            self.stopped = error
            raise
        self._end(full, f)
        return f

    def value_gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Objective and gradient at x; a failed evaluation counts as flat."""
        try:
            full = self._begin(x)
            f, gradient = self._gradient(full)
        except BaseException as error:
            self.stopped = error
            raise
        if self._end(full, float(f)) and np.isfinite(gradient).all():
            free_gradient = np.array(gradient)[self.free]
            if full is self.best:
                self.best_gradient_norm = float(np.linalg.norm(free_gradient))
            return float(f), free_gradient
        return self.finitial, np.zeros(len(self.free))

    def count(self, search: OwnSearch) -> None:
        """One step of a model's own search, which evaluates by itself."""
        try:
            self._check_limits()
            evaluations = search.step(self._maxfeval - self.feval)
        except BaseException as error:
            self.stopped = error
            raise
        for x, f in evaluations:
            self.feval += 1
            self._end(x, float(f))
        if search.fbest == self.fbest:
            self.best_gradient_norm = search.gradient_norm

    def begin_run(self) -> None:
        """Another run of the optimiser: it has all its patience, whatever the last one did."""
        self._progressed = self.feval, self.fbest

    def close(self) -> None:
        """Remove the progress line."""
        self._progress.close()

    def _begin(self, x: np.ndarray) -> np.ndarray:
        """Check the limits and count; all parameters, given the free ones."""
        self._check_limits()
        self.feval += 1
        # Some algorithms look a little beyond the bounds on their way.
        within = np.array(x, dtype=np.float64)  # a copy
        if self._bounded:
            within = np.minimum(np.maximum(within, self.lower), self.upper)
        if self._all_free:
            return within
        full = self._initial.copy()
        full[self.free] = within
        return full

    def _check_limits(self) -> None:
        if self.stopped is not None:
            raise self.stopped
        if self.feval >= self._maxfeval:
            raise LimitReached("MAXEVAL_REACHED")
        if self._deadline < math.inf and perf_counter() > self._deadline:
            raise LimitReached("MAXTIME_REACHED")
        if self.feval - self._progressed[0] >= self._patience:
            raise NoProgress("NO_PROGRESS")

    def _end(self, x: np.ndarray, f: float) -> bool:
        """Take note of an evaluation; whether it succeeded."""
        if self._finitial is None and self.feval == 1 and np.array_equal(x, self._initial):
            self._begun(x, f)
        if f < self.fbest and f > -math.inf:
            self.best, self.fbest, self.best_gradient_norm = x, f, math.nan
        if self.fbest < self._progressed[1] - self._progress_abs:
            self._progressed = self.feval, self.fbest
        shown = x if self._shown is None else self._shown(x)
        self.log.append((shown, f))
        if self._verbose:
            print(
                f"{self._label}_{self.feval}: {formatting.objective(f)} {formatting.vector(shown)}"
            )
        if self._progress.wanted:
            self._progress.update(self.feval, self.fbest)
        return math.isfinite(f)

"""`minimize`: one optimisation, from the options to the outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import NamedTuple

import numpy as np

from numbamm.errors import ConvergenceWarning, FitError, NumbammError, OptionError, warn
from numbamm.optimize.auto import AUTO, Choice, choose, is_bounded
from numbamm.optimize.guard import Guard, LimitReached, NoProgress
from numbamm.optimize.local_minimum import Certificate, is_minimum
from numbamm.optimize.optsummary import OptSummary
from numbamm.optimize.problem import Problem
from numbamm.optimize.registry import Optimizer, resolve
from numbamm.optimize.search_space import Function, SearchSpace
from numbamm.optimize.zeros import try_zeros

#: Restarts take these fractions of the first step by turns: wide, to leave a point where the search
#: got stuck, and narrow, to come closer to one where it did not. Not fractions of the way to a
#: bound: a parameter that has come close to zero would never leave it again.
RESTART_STEPS = (0.2, 0.05)
#: Restarts if the options leave their number open: none with few parameters, where searches end
#: where they should.
FEW_PARAMETERS, MAX_RESTARTS = 3, 10
#: Restarts end when neither step lowers the objective by more: as -2 log-likelihood, nothing.
RESTART_GAIN = 1e-7

#: How often a false optimum is escaped, and at which distances from it a lower point is sought.
MAX_ESCAPES, ESCAPE_STEPS = 5, (0.3, 0.075, 0.02, 0.005)

#: How often the best end is asked for further starts, as long as those lead to a lower one.
MAX_ROUNDS = 3

#: From which curvature on, in shares of the largest, a lower point is sought beyond bounds.
STEEP = -1e-5

INTERRUPTED = "INTERRUPTED"
#: Return codes of searches that were stopped before they ended.
CUT_SHORT = (INTERRUPTED, "MAXEVAL_REACHED", "MAXTIME_REACHED")
SCANNED = "SCANNED"


class End(NamedTuple):
    """Where a search ended: the parameters that are kept, their objective, and its verdict."""

    x: np.ndarray
    f: float
    certificate: Certificate | None


def minimize(
    space: SearchSpace | Callable[[np.ndarray], float],
    optsum: OptSummary,
    *,
    verbose: bool = False,
    progress: bool | None = None,
    label: str = "f",
) -> OptSummary:
    """Minimise an objective as `optsum` says, and write the outcome into it.

    The best point evaluated is the outcome, whatever the optimiser thinks; afterwards
    parameters that ended near their lower bound 0 are tried there. The last evaluation need not
    have been at ``optsum.final``: a caller that keeps state evaluates there once more.

    Parameters
    ----------
    space
        What is minimised, and in which coordinates; a plain function, where no more is known.
        Where an evaluation fails, the optimiser sees the initial objective in its place. What
        the function raises is raised unchanged. A false optimum, of which `SearchSpace.certify`
        tells, is escaped, and the search goes on.
    optsum
        Options, and the outcome; both speak of the user's parameters. Changed only when the
        optimisation has ended.
    verbose
        Print a line ``f_1: 1784.6423 [1.0, 0.0, 1.0]`` for each evaluation.
    progress
        Show a line of progress after a second; None for only on a terminal.
    label
        What the lines call the objective.

    Returns
    -------
    OptSummary
        `optsum`, with ``finitial``, ``final``, ``fmin``, ``feval``, ``restarts``, ``elapsed``,
        ``returnvalue`` and ``log``.

    Raises
    ------
    OptionError
        An option has an unusable value, or the optimiser is unknown or cannot do what is asked
        (it needs a gradient and there is none, or ignores upper bounds).
    FitError
        The initial objective is not finite, or the plug-in failed.

    Warns
    -----
    ConvergenceWarning
        The search was interrupted, reached a limit, or says that it failed to converge; the
        outcome is the best point so far.

    See Also
    --------
    OptSummary : Options and outcome.
    Function, SearchSpace : What is minimised.

    Examples
    --------
    >>> import numpy as np
    >>> import numbamm as mm
    >>> optsum = mm.optimize.OptSummary([3.0], [-np.inf], ["x"])
    >>> mm.optimize.minimize(lambda x: float((x[0] - 1) ** 2), optsum).final.round(3).tolist()
    [1.0]
    """
    begin = perf_counter()
    optsum.validate()
    if not isinstance(space, SearchSpace):
        space = Function(space)
    scaled = _in_coordinates(optsum, space) if space.is_scaled else optsum
    free = scaled.lowerbd < scaled.upperbd
    differences = space.by_differences is not None and free.all()
    has_gradient = space.gradient is not None
    choice = _choice(scaled, len(free), has_gradient, space.work, differences, space.has_edges)
    own_search = space.by_differences if choice.by_differences else space.own_search
    gradient = None if choice.by_differences else space.gradient
    optimizer = resolve(choice.name)
    _check_demands(optimizer, scaled, has_gradient=gradient is not None or choice.by_differences)
    uses_gradient = gradient is not None and optimizer.traits.gradient != "none"
    guard = Guard(
        space.objective,
        scaled,
        bounded=optimizer.traits.bounds,
        gradient=gradient,
        verbose=verbose,
        progress=progress,
        label=label,
        shown=space.to_user if space.is_scaled else None,
    )
    if uses_gradient and space.has_free_signs:
        guard.unbound_signs()

    # A search by derivatives finds its zeros; a small scale that lowers the objective is real.
    most_rise = RESTART_GAIN if uses_gradient or choice.by_differences else np.inf
    settled = partial(_settled, space, guard, scaled, most_rise)
    ended = partial(_ended, guard, settled, space)
    problem = _problem(guard, scaled, own_search, space.curvature)
    restarts = 0 if uses_gradient and optsum.max_restarts is None else _restarts(optsum, problem.n)
    try:
        if space.starts is not None and choice.reason and free.all():
            code = _search_from(space.starts, optimizer, guard, problem)
        else:
            code = _search(optimizer, guard, problem, settled, space.has_free_signs, restarts)
        end = ended()
        if free.all():
            code, end = _escape_false_optima(optimizer, guard, problem, end, ended, code)
    finally:
        guard.close()

    optsum.chosen, optsum.reason = (
        (optimizer.name, choice.reason) if choice.reason else (None, None)
    )
    _record(optsum, guard, end, code)
    if space.is_scaled:
        optsum.final = space.rectify(space.to_user(end.x))
    optsum.elapsed = perf_counter() - begin
    optsum.gradient_norm = _gradient_norm(guard, end, space) if uses_gradient else None
    if guard.stopped is not None or code == INTERRUPTED or code.startswith("FAILURE"):
        warn(
            f"{optimizer.name} did not converge: {code} after {optsum.feval} evaluations; "
            "the best point so far is kept",
            ConvergenceWarning,
        )
    return optsum


def _in_coordinates(optsum: OptSummary, space: SearchSpace) -> OptSummary:
    """The same options in scaled coordinates."""
    space.check_bounds(optsum.lowerbd, optsum.upperbd)
    optsum.gradient_norm = None  # of the fit before, which the copy would work out
    scaled = copy(optsum)
    scaled.initial = space.to_scaled(optsum.initial)
    if space.first_step is not None:
        scaled.initial_step = space.first_step
    scaled.validate()
    return scaled


def _settled(
    space: SearchSpace,
    guard: Guard,
    optsum: OptSummary,
    most_rise: float,
    x: np.ndarray,
    f: float,
) -> tuple[np.ndarray, float]:
    """Zeros where they cost nothing, and signs as the bounds ask for."""
    if not isinstance(guard.stopped, KeyboardInterrupt):
        x, f = try_zeros(space.objective, x, f, optsum, most_rise)
    return space.rectify(x.copy()), f


def _ended(guard: Guard, settled, space: SearchSpace) -> End:
    """Where the searches so far ended."""
    x, f = settled(guard.best, guard.fbest)
    return End(x, f, space.certify(x))


def _record(optsum: OptSummary, guard: Guard, end: End, code: str) -> None:
    """Write the outcome into the options."""
    optsum.finitial = guard.finitial
    optsum.final, optsum.fmin = end.x, end.f
    optsum.certificate = None if end.certificate is None else end.certificate.value
    optsum.feval, optsum.restarts, optsum.log = guard.feval, guard.restarts, guard.log
    optsum.returnvalue = code


def _gradient_norm(guard: Guard, end: End, space: SearchSpace):
    """Length of the gradient at the end, or how to compute it; None with nothing to search."""
    if not len(guard.free):
        return None
    if np.isnan(guard.best_gradient_norm) or end.f != guard.fbest:
        return partial(space.gradient_norm, end.x, guard.free)
    return guard.best_gradient_norm


def uninterrupted(model):
    """The model that was just fitted; for work on many fits, of which one was interrupted.

    Raises
    ------
    KeyboardInterrupt
        The search was interrupted, which `minimize` takes for an end.
    """
    if model.optsum.returnvalue == INTERRUPTED:
        raise KeyboardInterrupt
    return model


def gradient_demand(
    optsum: OptSummary, n: int, *, has_gradient: bool, work: float, has_edges: bool = False
) -> str:
    """What the optimiser that would search for n parameters makes of a gradient.

    Returns
    -------
    str
        ``"none"``, ``"optional"`` or ``"required"``, as in `Algorithm`.
    """
    choice = _choice(optsum, n, has_gradient, work, False, has_edges)
    return resolve(choice.name).traits.gradient


def _choice(
    optsum: OptSummary,
    n: int,
    has_gradient: bool,
    work: float | None,
    differences: bool,
    has_edges: bool,
) -> Choice:
    """The optimiser that was asked for, or with a reason the one that suits the problem."""
    if not isinstance(optsum.optimizer, str) or optsum.optimizer != AUTO:
        return Choice(optsum.optimizer, "")
    bounded = is_bounded(optsum.lowerbd, optsum.upperbd)
    return choose(
        n,
        gradient=has_gradient,
        bounded=bounded,
        work=work,
        differences=differences,
        has_edges=has_edges,
    )


def _check_demands(optimizer: Optimizer, optsum: OptSummary, *, has_gradient: bool) -> None:
    if optimizer.traits.gradient == "required" and not has_gradient:
        raise OptionError(
            f"optimizer {optimizer.name!r} needs the gradient of the objective, and here there "
            "is none; choose a derivative-free one such as 'nlopt:LN_BOBYQA'"
        )
    bounded_above = np.isfinite(optsum.upperbd) & (optsum.lowerbd < optsum.upperbd)
    if bounded_above.any() and not optimizer.traits.bounds:
        raise OptionError(f"optimizer {optimizer.name!r} cannot keep parameters below upperbd")


def _problem(guard: Guard, optsum: OptSummary, own_search, curvature) -> Problem:
    """What the plug-in gets to see: the free parameters."""
    free = guard.free
    return Problem(
        objective=guard.value,
        objective_gradient=guard.value_gradient if guard.has_gradient else None,
        x0=optsum.initial[free],
        start_value=lambda: guard.finitial,
        lower=guard.lower,
        upper=guard.upper,
        initial_step=optsum.initial_step[free],
        xtol_abs=np.broadcast_to(optsum.xtol_abs, optsum.initial.shape)[free],
        options=optsum,
        own_search=own_search if len(free) == len(optsum.initial) else None,
        count=guard.count,
        curvature=None if curvature is None else curvature[free],
    )


def _search(
    optimizer: Optimizer, guard: Guard, problem: Problem, settled, mirrored: bool, restarts: int
) -> str:
    """Run the plug-in, again from its end while that gains something; its return code."""
    if problem.n == 0:
        guard.value(problem.x0)
        return "NO_FREE_PARAMETERS"
    code = _run(optimizer, guard, problem)
    in_vain = 0
    for restart in range(restarts):
        if guard.stopped is not None or code == INTERRUPTED or in_vain == len(RESTART_STEPS):
            break
        if mirrored:
            guard.unbound_signs()
        before = guard.fbest
        x0, f0 = settled(guard.best, before)
        again = replace(
            problem,
            x0=x0[guard.free],
            start_value=lambda f0=f0: f0,
            lower=guard.lower,
            initial_step=RESTART_STEPS[restart % len(RESTART_STEPS)] * problem.initial_step,
        )
        guard.restarts += 1
        code = _run(optimizer, guard, again)
        in_vain = in_vain + 1 if before - guard.fbest < RESTART_GAIN else 0
    return code


def _search_from(starts, optimizer: Optimizer, guard: Guard, problem: Problem) -> str:
    """Look for valleys, and run the plug-in in each; the return code of the best run."""
    scan = _Scan(starts, guard)
    code = _run(optimizer._replace(backend=scan), guard, problem)
    if code != SCANNED:
        return code
    for x0 in scan.all_starts():
        before = guard.fbest
        end = _run(optimizer, guard, replace(problem, x0=x0))
        if code == SCANNED or guard.fbest < before:
            code = end
        if guard.stopped is not None or end == INTERRUPTED:
            return end
    return code


class _Scan:
    """Looks for starts, after an evaluation at the usual one."""

    def __init__(self, starts, guard: Guard):
        self._starts, self._guard = starts, guard
        self.found: list[np.ndarray] = []

    def minimize(self, problem: Problem, algorithm: str) -> str:
        self._guard.exact(problem.x0)
        self.found = self._starts.first(self._guard.exact)
        return SCANNED

    def all_starts(self) -> Iterator[np.ndarray]:
        """Starts found; the default one, if it is still the best; and what best ends ask for."""
        usual = self._guard.best
        yield from self.found
        if self._guard.best is usual and not any(np.array_equal(usual, x) for x in self.found):
            yield usual
        for _ in range(MAX_ROUNDS):
            before = self._guard.fbest
            yield from self._starts.further(self._guard.best)
            if not self._guard.fbest < before - RESTART_GAIN:
                break


def _escape_false_optima(
    optimizer: Optimizer,
    guard: Guard,
    problem: Problem,
    end: End,
    ended: Callable[[], End],
    code: str,
) -> tuple[str, End]:
    """Go on from near every end that is no minimum; how the last search ended, and where."""
    for _ in range(MAX_ESCAPES):
        x, f, certificate = end
        if guard.stopped is not None or code == INTERRUPTED or certificate is None:
            break
        if is_minimum(certificate.value) and certificate.whole >= STEEP:
            break
        guard.unbound_signs()
        probe = _Probe(certificate.escape, f - RESTART_GAIN)
        again = replace(problem, x0=x, start_value=lambda f=f: f, lower=guard.lower)
        probed = _run(optimizer._replace(backend=probe), guard, again)
        if probe.found is None:
            return probed if guard.stopped is not None else code, ended()
        x0, f0 = probe.found
        guard.restarts += 1
        again = replace(again, x0=x0, start_value=lambda f0=f0: f0)
        code = _run(optimizer, guard, again)
        end = ended()
    return code, end


class _Probe:
    """Looks for a lower point near a false optimum, closer and closer to it."""

    def __init__(self, escape: Callable[[float], np.ndarray], enough: float):
        self._escape, self._enough = escape, enough
        self.found: tuple[np.ndarray, float] | None = None

    def minimize(self, problem: Problem, algorithm: str) -> str:
        for epsilon in ESCAPE_STEPS:
            x = self._escape(epsilon)
            f = problem.objective(x)
            if f < self._enough:
                self.found = x, f
                break
        return "PROBED"


def _restarts(options: OptSummary, n: int) -> int:
    """How many restarts are allowed with n free parameters."""
    if options.max_restarts is not None:
        return options.max_restarts
    return MAX_RESTARTS if n > FEW_PARAMETERS else 0


def _run(optimizer: Optimizer, guard: Guard, problem: Problem) -> str:
    """Run the plug-in once; its return code, or ours if something else ended the search."""
    failure = None
    guard.begin_run()
    try:
        code = optimizer.backend.minimize(problem, optimizer.algorithm)
    except (Exception, KeyboardInterrupt) as error:
        failure = error
    # What left an evaluation counts, also where the plug-in swallowed it or made it another.
    match guard.stopped or failure:
        case None:
            end = str(code)
        case LimitReached() as limit:
            end = str(limit)
        case NoProgress() as standstill:  # as good an end as the algorithm's own
            guard.stopped, end = None, str(standstill)
        case KeyboardInterrupt() if guard.stopped is None or np.isfinite(guard.fbest):
            end = INTERRUPTED  # with something to keep: the first evaluation was not cut short
        case error if guard.stopped is not None or isinstance(error, NumbammError):
            raise error
        case error:
            raise FitError(f"the optimiser {optimizer.name} failed: {error!r}") from error
    _ = guard.finitial  # counts, also where no evaluation was at the start
    return end

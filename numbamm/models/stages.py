"""`Stages`: the searches of a generalized fit, what each begins with, and what may not be asked.

A fit by gradients is one search in all parameters. Without them a fast one, in which β varies
inside PIRLS, comes first, and the full one begins at its end. Where it ends at no minimum, or there
may be several, other starts are tried; see `ending`.
"""

from __future__ import annotations

import warnings
from copy import copy
from dataclasses import replace
from functools import partial
from numbers import Integral
from typing import NamedTuple

import numpy as np

from numbamm import config
from numbamm.blocks.gradient import objective_gradient
from numbamm.blocks.jit import compile_ahead
from numbamm.blocks.search import lbfgs
from numbamm.errors import ConvergenceWarning, FitError, OptionError
from numbamm.glm.gradient import laplace_gradient
from numbamm.glm.mode import Mode
from numbamm.glm.pirls import pirls
from numbamm.glm.quadrature import MOST_NODES
from numbamm.models.curvature import first_curvature
from numbamm.models.ending import (
    LIGHT,
    RIVAL,
    SHAPE,
    SMALLER,
    Ending,
    ending,
    has_several_minima,
    levels_vary,
    other_starts,
)
from numbamm.models.laplace import LaplaceObjective
from numbamm.models.own_start import OwnStart
from numbamm.models.parameters import LOG_DISPERSION, LOG_SHAPE, Values
from numbamm.models.runaway import runaway_terms
from numbamm.models.start import by_linear_model
from numbamm.optimize import OptSummary
from numbamm.optimize.auto import AUTO
from numbamm.optimize.certificate import Certificate
from numbamm.optimize.registry import resolve
from numbamm.optimize.run import INTERRUPTED, RESTART_GAIN, gradient_demand

#: Kernels that every fit calls, and those of searches by gradients.
KERNELS = (pirls,)
BY_GRADIENT = laplace_gradient, objective_gradient, lbfgs.advance, lbfgs.begin

#: The full fit's first step in a coefficient, in standard errors, and in θ, as a share of it.
BETA_STEP, THETA_STEP, LEAST_STEP = 0.5, 0.2, 0.05
#: The full fit's first step in log shape or log φ.
LOG_STEP = 0.1
#: From this shape on, in units of the mean count, it is asked whether it is infinite, and at most
#: here a search begins.
LARGE_SHAPE, LARGEST_START = 10.0, 1e3
#: A difference of objectives below this share is rounding.
ROUNDING = 1e-10
#: Searches from other starts may take so many evaluations together, or so many times those of the
#: first; with fewer left none is begun.
PATIENCE, PATIENCE_TIMES, LEAST_LEFT = 2000, 3, 30
#: Outcomes of a search after which there is no other.
CUT_SHORT = (INTERRUPTED, "MAXEVAL_REACHED", "MAXTIME_REACHED")
#: What a search leaves behind in a model.
LEFT = ("optsum", "fast_optsum", "_begun", "_own_start", "_gamma_root", "_modes")


#: The end of a search that was not let end by itself.
NO_MINIMUM = Ending(is_minimum=False, at_edge=False)


class NoMode(FitError):
    """There is no mode where a search would begin."""


class Outcome(NamedTuple):
    """One of several searches.

    Attributes
    ----------
    end : Ending
    objective : float
    counts : bool
        Whether it is a minimum, and the approximation of the likelihood holds there.
    left : dict
        The attributes of the model afterwards.
    """

    end: Ending
    objective: float
    counts: bool
    left: dict


def _best_of(ends: list[Outcome]) -> Outcome:
    """The lowest end, of those that count if there are any; the first, if others gain nothing."""
    best = ends[0]
    for other in ends[1:]:
        gain = RESTART_GAIN if other.counts == best.counts else 0.0
        if (not other.counts, other.objective + gain) < (not best.counts, best.objective):
            best = other
    return best


def _compared(best: Outcome, ends: list[Outcome]) -> Ending:
    """The best end, and what others say about it: lower ones, and rivals that are little higher."""
    lower = best.objective - min(other.objective for other in ends)
    higher = {
        round((other.objective - best.objective) / RIVAL[0]) for other in ends if other.counts
    }
    rivals = sum(1 <= steps <= RIVAL[1] / RIVAL[0] for steps in higher)
    return best.end._replace(lower=lower if lower > RESTART_GAIN else 0.0, rivals=rivals)


def kernels_for(optimizer: str | None) -> tuple:
    """The kernels that a fit will call, as far as the optimiser's name tells."""
    name = optimizer or config.get("optimizer")
    try:
        by_gradient = name == AUTO or resolve(name).traits.gradient != "none"
    except OptionError:  # told when the fit begins
        by_gradient = False
    return KERNELS + BY_GRADIENT if by_gradient else KERNELS


class Stages:
    """What `GeneralizedLinearMixedModel` does between the beginning of a fit and its estimates."""

    def _search_all(self, fast: bool, nagq: int, **shown) -> Ending:
        """All searches of a fit; `optsum` has the best end, about which the result tells."""
        ours = self._own_start.is_in(self.optsum) and self._bounds_are_usual()
        self._search_stages(fast, nagq, SMALLER if ours else (), **shown)
        if self.optsum.returnvalue in CUT_SHORT:
            return Ending(is_minimum=True, at_edge=False)  # it has been told already
        end = ending(self)
        infinite = self._has_limit and self._shape_is_infinite()
        beside = self.optsum.certificate is not None and self._work <= LIGHT
        beside = (beside and not levels_vary(self)) or has_several_minima(self)
        doubtful = not end.is_minimum or infinite or beside
        if ours and doubtful and not self.optsum.is_limited:
            end = self._search_elsewhere(end, fast, nagq, **shown)
            infinite = self._has_limit and self._shape_is_infinite()
        if infinite:
            end = self._search_at_infinite_shape(fast, nagq, **shown)
        return end

    def _shape_is_infinite(self) -> bool:
        """Whether the objective is no higher for a Poisson distribution than at a search's end."""
        fast, optsum = self._fast, self.optsum
        x = self._checked(optsum.final)[0]
        place = optsum.names.index(LOG_SHAPE)
        mean = np.average(self.frame.y, weights=self._prior)
        if not self._searched[fast].split(x).shape > LARGE_SHAPE * max(mean, 1.0):
            return False
        poisson = self._objective(fast, optsum.nagq, parameters=self._parameters(fast, np.inf))
        rounding = ROUNDING * (1.0 + abs(optsum.fmin))
        return poisson(np.delete(x, place)) <= optsum.fmin + rounding

    def _search_at_infinite_shape(self, fast: bool, nagq: int, **shown) -> Ending:
        """Fit the rest with a Poisson distribution: a flat direction would blur the end."""
        before, theta = self.fast_optsum or self.optsum, self.optsum.final[-len(self.theta) :]
        self._search_for(np.inf)
        self.optsum, self.fast_optsum = self._renewed(self.optsum, theta), None
        self.optsum.initial_step, self.optsum.nagq = None, 1 if fast else nagq
        self._search_stages(fast, nagq, (), **shown)
        self.fast_optsum = before  # whose start, with a shape, is the user's
        return ending(self)

    def _search_elsewhere(self, end: Ending, fast: bool, nagq: int, **shown) -> Ending:
        """Search from other starts, too; keep the lowest end, of the minima if there are any."""
        chosen, usual = self.optsum.optimizer, self.optsum.maxfeval
        ends, left = [self._outcome(end)], max(PATIENCE, PATIENCE_TIMES * self._evaluations)
        for factor, another in other_starts(self, chosen, end):
            if left < LEAST_LEFT:
                break
            self._renew_options(another if nagq == 1 else chosen, 1 if fast else nagq, left)
            other = self._attempt(factor, fast, nagq, **shown)
            if other is not None:
                ends.append(other)
            interrupted = self.optsum.returnvalue == INTERRUPTED
            left -= self._evaluations
            vars(self).update(ends[0].left)
            if interrupted:
                break
        best = _best_of(ends)
        vars(self).update(best.left)
        self._restore_options(chosen, usual)
        return _compared(best, ends)

    def _renew_options(self, optimizer, nagq: int, maxfeval: int) -> None:
        """The options of another attempt, from where the first search began."""
        before = self.fast_optsum or self.optsum
        self.optsum, self.fast_optsum = self._renewed(self.optsum, before.initial), None
        self.optsum.optimizer, self.optsum.nagq = optimizer, nagq
        self.optsum.maxfeval = maxfeval
        self._own_start = OwnStart.put(self.optsum, self.optsum.initial)

    def _attempt(self, factor, fast: bool, nagq: int, **shown) -> Outcome | None:
        """A search from the usual start with θ times a factor; None if it was cut off or failed."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # of an attempt
                self._search_stages(fast, nagq, (), factor=factor, **shown)
            if self.optsum.returnvalue == INTERRUPTED:
                return None
            cut_short = self.optsum.returnvalue in CUT_SHORT
            return self._outcome(NO_MINIMUM if cut_short else ending(self))
        except FitError:
            return None

    def _restore_options(self, chosen, maxfeval: int) -> None:
        """What the user chose stands in the options again, and what led to the end beside it."""
        for optsum in (self.optsum, self.fast_optsum):
            if optsum is not None:
                optsum.maxfeval = maxfeval
        if self.optsum.optimizer != chosen:
            self.optsum.chosen, self.optsum.optimizer = self.optsum.optimizer, chosen
            self.optsum.reason = "another start led to a lower objective"

    @property
    def _evaluations(self) -> int:
        """Evaluations of the last search, in all its stages."""
        return sum(o.feval or 0 for o in (self.fast_optsum, self.optsum) if o is not None)

    def _outcome(self, end: Ending) -> Outcome:
        """What a search has left behind, and how its end compares with others."""
        left = {name: vars(self)[name] for name in LEFT}
        self._set_theta(self.optsum.final[-len(self.theta) :])
        counts = end.is_minimum and not runaway_terms(self)
        return Outcome(end, float(self.optsum.fmin), counts, left)

    def _search_stages(self, fast: bool, nagq: int, smaller, *, factor=1.0, **shown) -> None:
        """The stages from the usual start, or with another θ: smaller where there is no mode."""
        try:
            self._search_in_stages(fast, nagq, factor, **shown)
        except NoMode:
            for factor in smaller:
                try:
                    self._search_in_stages(fast, nagq, factor, **shown)
                except NoMode:
                    continue
                return
            raise

    def _search_in_stages(self, fast: bool, nagq: int, factor, **shown) -> None:
        by_gradient = self._uses_gradient(nagq, fast)
        self._modes, self._gamma_root = self._modes.replaced(), None
        self._begin(by_gradient, factor)
        if shown["verbose"]:
            at = self._searched[True].split(self.optsum.initial)
            self._pirls(at.theta, at.shape, vary_beta=True, verbose=True)
        if fast or not by_gradient:
            curvature = self._fast_curvature() if by_gradient else None
            self._search(True, 1, None, curvature=curvature, **shown)
        if not fast and self.optsum.returnvalue not in CUT_SHORT:
            self.fast_optsum = self.optsum
            steps, curvature = self._prepare_full()
            self._search(False, nagq, steps, curvature=curvature, **shown)

    def _begin(self, by_gradient: bool, factor) -> None:
        """Choose where the search begins, unless the user has: for gradients, by a linear model.

        With a factor other than one, for all θ or for each, at the usual start with θ times this.
        """
        self._begun, optsum = self._start, self.optsum
        if not self._own_start.is_in(optsum):
            return
        if np.any(factor != 1.0):
            shape = SHAPE if self._has_limit else self._start.shape
            self._begun = replace(self._start, theta=factor * self._start.theta, shape=shape)
        elif by_gradient and self.init == "glm" and self._bounds_are_usual():
            self._begun = by_linear_model(self, self._modes, self._start)
        self._own_start = OwnStart.put(optsum, self._optsum_of_start().initial)

    def _search(self, fast: bool, nagq: int, steps, **options) -> None:
        """One stage of a fit: minimise in θ, or in all parameters."""
        if nagq == 1 and self._uses_gradient(nagq, fast):
            compile_ahead(laplace_gradient)
        objective = self._objective(fast, nagq, self._modes, self._gamma_root)
        gradient = objective.gradient if nagq == 1 else None
        try:
            self._minimize(
                objective,
                steps,
                gradient=gradient,
                certify=partial(self._certify, objective) if nagq == 1 else None,
                work=self._work,
                **options,
            )
            objective.recall()
        except FitError as error:
            if objective.succeeded:
                raise
            theta = self._searched[fast].split(self.optsum.initial).theta
            raise NoMode(
                f"PIRLS found no mode at theta = {theta}, where the search would begin; "
                f"{self._remedy}"
            ) from error

    @property
    def _remedy(self) -> str:
        """What to do about a search that cannot begin, or ends at no minimum."""
        remedy = f"another start (init, optsum.initial) or link than {self.link} may help"
        proportions = self._family.proportions
        better = "logit" if proportions else "log"
        if self.link != better and self._link.is_bounded(proportions):
            remedy += f", such as {better}, which allows any linear predictor"
        return remedy

    def _certify(self, objective: LaplaceObjective, x) -> Certificate | None:
        """The certificate at parameters inside, if some λ is singular there."""
        if not self._lacks_rank(x[len(x) - len(self.theta) :]):
            return None
        certificate = Certificate(*objective.certify(x))
        return certificate if np.isfinite(certificate.value) else None

    @property
    def _work(self) -> float:
        """Operations of one evaluation, about: rows and factor, in some five iterations."""
        return 1000.0 * len(self._modes.offset) + 5 * self._modes.held.layout.operations

    def _uses_gradient(self, nagq: int, fast: bool) -> bool:
        """Whether the optimiser will use gradients; then a full fit needs no fast one before."""
        n = len(self._searched[fast].names)
        demand = gradient_demand(self.optsum, n, has_gradient=nagq == 1, work=self._work)
        if nagq > 1 and demand == "required":
            raise OptionError(
                f"optimizer {self.optsum.optimizer!r} needs the gradient of the objective, and "
                f"there is none through quadrature (nagq={nagq}); choose a derivative-free one "
                "such as 'nlopt:LN_BOBYQA'"
            )
        return nagq == 1 and demand != "none"

    def _check_nagq(self, fast, nagq) -> None:
        if isinstance(nagq, bool) or not isinstance(nagq, Integral) or nagq < 1:
            raise OptionError(f"nagq must be an integer of at least 1, not {nagq!r}")
        if nagq == 1:
            return
        if nagq > MOST_NODES:
            raise OptionError(f"nagq must be at most {MOST_NODES}, not {nagq}")
        if fast:
            raise OptionError("nagq above 1 belongs to the full fit: fast=True is for nagq=1 alone")
        if len(self.reterms) > 1:
            raise OptionError(
                f"nagq={nagq} needs a model with one random-effects term, scalar or vector-valued; "
                f"this one has {len(self.reterms)}: nagq=1, the Laplace approximation, is possible"
            )

    def _optsum_of_start(self) -> OptSummary:
        """An `optsum` for the fast fit's parameters, at their start."""
        parameters, start = self._searched[True], self._begun
        shape = min(start.shape, LARGEST_START) if self._has_limit else start.shape
        nuisance = [np.log(shape)] if parameters.nuisance else []
        initial = np.concatenate([nuisance, start.theta])
        lowerbd = np.concatenate([np.full(len(nuisance), -np.inf), self._lowerbd])
        return OptSummary(initial, lowerbd, parameters.names, fast=True)

    def _renewed(self, optsum: OptSummary, initial) -> OptSummary:
        """The options of a fit, for another one that begins at these parameters of a fast fit."""
        new, ntheta = self._optsum_of_start(), len(self.theta)
        fast, free = copy(optsum), len(new.initial) - ntheta
        fast.names, fast.fast = new.names, True
        fast.final = fast.fmin = fast.finitial = fast.returnvalue = None
        fast.feval = 0
        fast.initial = initial if len(initial) == len(new.initial) else new.initial
        fast.initial_step = (self.fast_optsum or optsum).own_initial_step
        fast.lowerbd = np.concatenate([np.full(free, -np.inf), optsum.lowerbd[-ntheta:]])
        fast.upperbd = np.concatenate([np.full(free, np.inf), optsum.upperbd[-ntheta:]])
        return fast

    def _prepare_full(self) -> tuple[np.ndarray, np.ndarray]:
        """An `optsum` for all parameters, from the fast fit or its start.

        First steps of the parameters inside, and about the second derivatives in them.
        """
        fast, full, ntheta = self.fast_optsum, copy(self.optsum), len(self.theta)
        parameters = self._searched[False]
        theta = fast.initial if fast.final is None else fast.final
        mode, at = self._objective(True, 1, self._modes).at(self._checked(theta)[0])
        self._check_mode(mode, at)
        nuisance = {LOG_SHAPE: [at.shape], LOG_DISPERSION: [at.phi]}.get(parameters.nuisance, [])
        full.names, full.fast = parameters.names, False
        full.initial = np.concatenate(
            [self.feterm.to_basis @ at.beta, np.log(nuisance), theta[-ntheta:]]
        )
        free = np.full(len(full.initial) - ntheta, np.inf)
        full.lowerbd = np.concatenate([-free, fast.lowerbd[-ntheta:]])
        full.upperbd = np.concatenate([free, fast.upperbd[-ntheta:]])
        full.initial_step = None
        self.optsum = full
        steps = np.maximum(THETA_STEP * np.abs(at.theta), LEAST_STEP)
        if fast.own_initial_step is not None:
            steps = fast.own_initial_step[-ntheta:]
        self._gamma_root = np.linalg.cholesky(self._gamma_cov(at))
        first = [np.full(len(at.beta), BETA_STEP), np.full(len(nuisance), LOG_STEP)]
        steps = np.concatenate([*first, steps])
        return steps, first_curvature(self, at, steps, self._modes.working_weights)

    def _fast_curvature(self) -> np.ndarray:
        """Second derivatives, about, at the start of a fast fit."""
        mode, at = self._objective(True, 1, self._modes).at(self._checked(self.optsum.initial)[0])
        self._check_mode(mode, at)
        weights = self._modes.working(at.theta, at.beta, at.shape).working_weights
        rank, steps = len(at.beta), np.full(len(at.beta) + len(self.optsum.initial), LOG_STEP)
        return first_curvature(self, at, steps, weights)[rank:]

    def _check_mode(self, mode: Mode, at: Values) -> None:
        """Refuse parameters without a mode, or at which φ is next to nothing."""
        if not mode.found:
            raise NoMode(
                f"PIRLS found no mode at theta = {self._outward(at.theta)}; {self._remedy}"
            )
        if self._likelihood.dispersed and self._likelihood.is_perfect(at.phi):
            raise FitError(
                "the random effects fit the responses perfectly: there is no dispersion to estimate"
            )

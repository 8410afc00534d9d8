"""`Stages`: the searches of a generalized fit, and what each begins with.

A fit by gradients is one search in all parameters. Without gradients a fast search comes first, in
which PIRLS varies β, and the full search begins at its end. Where it ends at no minimum, or there
may be several minima, other starts are tried; see `ending`.
"""

from __future__ import annotations

import warnings
from copy import copy
from dataclasses import replace
from numbers import Integral

import numpy as np

from numbamm import config
from numbamm.blocks.gradient import objective_gradient
from numbamm.blocks.jit import compile_ahead
from numbamm.blocks.search import lbfgs
from numbamm.errors import ConvergenceWarning, FitError, OptionError
from numbamm.glm.gradient import laplace_gradient
from numbamm.glm.pirls import pirls
from numbamm.glm.quadrature import MOST_NODES
from numbamm.models.fitting.default_start import DefaultStart
from numbamm.models.fitting.ending import (
    LIGHT,
    SHAPE,
    SMALLER,
    Ending,
    ending,
    has_several_minima,
    levels_vary,
    other_starts,
)
from numbamm.models.fitting.first_curvature import first_curvature
from numbamm.models.fitting.generalized_start import by_linear_model
from numbamm.models.fitting.newton_finish import newton_finish
from numbamm.models.fitting.other_minimum import other_minimum, starts_beside
from numbamm.models.fitting.outcome import Outcome, best_of, compared
from numbamm.models.fitting.runaway import runaway_terms
from numbamm.models.generalized_estimates import NoMode, check_mode
from numbamm.models.spaces.generalized_space import GeneralizedSpace
from numbamm.models.spaces.laplace import gamma_covariance
from numbamm.models.spaces.parameters import LOG_SHAPE, Values
from numbamm.models.spaces.reordered import straightened
from numbamm.optimize import OptSummary, minimize
from numbamm.optimize.auto import AUTO, DERIVATIVE_FREE, NEWTON
from numbamm.optimize.registry import resolve
from numbamm.optimize.run import CUT_SHORT, INTERRUPTED, RESTART_GAIN, gradient_demand
from numbamm.options import flag

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
#: first; if fewer remain, none is begun.
PATIENCE, PATIENCE_TIMES, LEAST_REMAINING = 2000, 3, 30
#: Up to so many rows models of several parts are searched from other starts in any case, of
#: which there are so many at most.
FEW_ROWS, MOST_OTHERS = 100, 3
#: Ends of searches along a flat direction are other minima if they are higher by more.
BLURRED = 0.05
#: Attributes of a model that a search sets.
SET_BY_SEARCH = ("optsum", "fast_optsum", "_begun", "_default_start", "_gamma_root", "_modes")


#: The end of a search that was not let end by itself.
NO_MINIMUM = Ending(is_minimum=False, at_edge=False)


def kernels_for(optimizer: str | None) -> tuple:
    """The kernels that a fit will call, as far as the optimiser's name tells."""
    name = optimizer or config.get("optimizer")
    try:
        by_gradient = name == AUTO or resolve(name).traits.gradient != "none"
    except OptionError:  # raised again when the fit begins
        by_gradient = False
    return KERNELS + BY_GRADIENT if by_gradient else KERNELS


class Stages:
    """The searches of one generalized fit, from where it begins to its best end.

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
        Its `optsum` says how; it gets the options and the modes of the best end.
    fast : bool
    nagq : int
    **shown
        ``verbose``, ``progress`` and ``label``, for `minimize`.
    """

    def __init__(self, model, fast: bool, nagq: int, **shown) -> None:
        self.model, self._fast, self._nagq, self._shown = model, fast, nagq, shown
        #: Flat directions where the search ended, if that has been asked.
        self.flats: list | None = None

    def run(self) -> Ending:
        """Search; `optsum` has the best end, about which the result tells."""
        model = self.model
        ours = model._default_start.is_in(model.optsum) and model._bounds_are_usual()
        self._search_stages(SMALLER if ours else ())
        if model.optsum.returnvalue in CUT_SHORT:
            return Ending(is_minimum=True, at_edge=False)  # a warning has said so already
        end = ending(model)
        infinite = model.shape_has_limit and self._shape_is_infinite()
        rival = model.optsum.certificate is not None and model._work <= LIGHT
        rival = (rival and not levels_vary(model)) or has_several_minima(model)
        doubtful = not end.is_minimum or infinite or rival
        if ours and not model.optsum.is_limited and (doubtful or self._parts_are_doubtful()):
            end = self._search_elsewhere(end, with_factors=doubtful)
            infinite = model.shape_has_limit and self._shape_is_infinite()
        if infinite:
            end = self._search_at_infinite_shape()
        if ours and end.is_minimum and self._had_no_gradient():
            newton_finish(model)
        if ours and end.is_minimum and not self._fast and not model.optsum.is_limited:
            end = self._search_beside(end)
        return end

    def _parts_are_doubtful(self) -> bool:
        """Whether parameters of other parts may have another minimum, as they tell little here."""
        model = self.model
        costly = model._work > LIGHT or model.family_record.costly
        if model.composition is None or costly:
            return False
        return model.nobs <= FEW_ROWS or self._ends_are_blurred()

    def _ends_are_blurred(self) -> bool:
        """Whether searches end here and there along a direction in which the objective is flat."""
        from numbamm.models.parts.degenerate import flat_directions

        self.flats = flat_directions(self.model)
        return bool(self.flats)

    def _had_no_gradient(self) -> bool:
        """Whether a small model has a gradient that the search of the best end did not take."""
        model, optsum = self.model, self.model.optsum
        whole = not (self._fast or self._nagq > 1 or optsum.is_limited) and model._work <= LIGHT
        return whole and AUTO == optsum.optimizer and optsum.chosen == DERIVATIVE_FREE

    def _shape_is_infinite(self) -> bool:
        """Whether the objective is no higher for a Poisson distribution than at a search's end."""
        model, optsum = self.model, self.model.optsum
        parameters = model._searched[model._fast]
        mean = np.average(model.frame.y, weights=model.prior_weights)
        z = model.space_of(parameters).to_scaled(optsum.final)
        if not parameters.split(z).shape > LARGE_SHAPE * max(mean, 1.0):
            return False
        poisson = model.space_of(model.parameters(model._fast, np.inf), optsum.nagq)
        place = optsum.names.index(LOG_SHAPE)
        rounding = ROUNDING * (1.0 + abs(optsum.fmin))
        return poisson.objective(np.delete(z, place)) <= optsum.fmin + rounding

    def _search_at_infinite_shape(self) -> Ending:
        """Fit the rest with a Poisson distribution: a flat direction would blur the end."""
        model = self.model
        before, theta = model.fast_optsum or model.optsum, model.optsum.final[-len(model.theta) :]
        model._search_for(np.inf)
        model.optsum, model.fast_optsum = renewed(model, model.optsum, theta), None
        model.optsum.initial_step, model.optsum.nagq = None, 1 if self._fast else self._nagq
        self._search_stages(())
        model.fast_optsum = before  # whose start, with a shape, is the user's
        return ending(model)

    # ---- other starts -----------------------------------------------------------------------

    def _search_elsewhere(self, end: Ending, *, with_factors: bool) -> Ending:
        """Search from other starts, too; keep the lowest end, of the minima if there are any.

        Those are other values of further parameters, and the default start with θ times a factor,
        which may take all evaluations that remain.
        """
        model = self.model
        chosen, usual = model.optsum.optimizer, model.optsum.maxfeval
        ends, remaining = [self._outcome(end)], max(PATIENCE, PATIENCE_TIMES * self._evaluations)
        attempts = [({"start": start}, chosen) for start in model._start.others[:MOST_OTHERS]]
        if with_factors:
            flat = model.composition is not None and self._ends_are_blurred()
            by_factors = other_starts(model, chosen, end, flat)
            attempts += [({"factor": f}, another) for f, another in by_factors]
        for given, another in attempts:
            if remaining < LEAST_REMAINING:
                break
            self._renew_options(another if self._nagq == 1 else chosen, remaining)
            other = self._attempt(**given)
            if other is not None:
                ends.append(other)
            interrupted = model.optsum.returnvalue == INTERRUPTED
            remaining -= self._evaluations
            vars(model).update(ends[0].attributes)
            if interrupted:
                break
        best = best_of(ends)
        vars(model).update(best.attributes)
        self._restore_options(chosen, usual)
        if model.composition is None or not self._ends_are_blurred():
            return compared(best, ends)
        return compared(best, ends, least=BLURRED)

    def _search_beside(self, end: Ending) -> Ending:
        """Look for a minimum that is due to the approximation: it is reported, not taken."""
        model = self.model
        starts = starts_beside(model) if self._nagq == 1 else []
        if not starts:
            return end
        chosen, usual = model.optsum.optimizer, model.optsum.maxfeval
        kept = self._outcome(end)
        for start in starts:
            self._renew_options(NEWTON if chosen == AUTO else chosen, PATIENCE)
            other = self._attempt(**start)
            interrupted = model.optsum.returnvalue == INTERRUPTED
            vars(model).update(kept.attributes)
            if other is not None and other.end.is_minimum:
                here, there = (
                    o.attributes["optsum"].final[-len(model.theta) :] for o in (kept, other)
                )
                rise = other.objective - kept.objective
                if reported := other_minimum(model, here, there, rise):
                    return end._replace(other=reported)
                if other.counts and rise < -RESTART_GAIN:  # of smaller standard deviations
                    kept, self.flats = other, None
                    vars(model).update(kept.attributes)
                    self._restore_options(chosen, usual)
            if interrupted:
                break
        return kept.end

    def _renew_options(self, optimizer, maxfeval: int) -> None:
        """The options of another attempt, from where the first search began."""
        model = self.model
        before = model.fast_optsum or model.optsum
        model.optsum, model.fast_optsum = renewed(model, model.optsum, before.initial), None
        model.optsum.optimizer, model.optsum.nagq = optimizer, 1 if self._fast else self._nagq
        model.optsum.maxfeval = maxfeval
        model._default_start = DefaultStart.put(model.optsum, model.optsum.initial)

    def _attempt(self, factor=1.0, begin=None, start=None) -> Outcome | None:
        """A search from the default start, or another; None if cut off or failed.

        With θ times a factor; a full fit may begin at parameters that are given.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # of an attempt
                same = begin is None and start is None and np.all(factor == 1.0)
                self._search_stages(SMALLER if same else (), factor, begin, start)
            optsum = self.model.optsum
            if optsum.returnvalue == INTERRUPTED:
                return None
            cut_short = optsum.returnvalue in CUT_SHORT
            return self._outcome(NO_MINIMUM if cut_short else ending(self.model))
        except FitError:
            return None

    def _restore_options(self, chosen, maxfeval: int) -> None:
        """Put back what the user chose; what led to another end stands as its reason."""
        model = self.model
        for optsum in (model.optsum, model.fast_optsum):
            if optsum is not None:
                optsum.maxfeval = maxfeval
        if model.optsum.optimizer != chosen:
            model.optsum.chosen, model.optsum.optimizer = model.optsum.optimizer, chosen
            model.optsum.reason = "another start led to a lower objective"

    @property
    def _evaluations(self) -> int:
        """Evaluations of the last search, in all its stages."""
        both = self.model.fast_optsum, self.model.optsum
        return sum(o.feval or 0 for o in both if o is not None)

    def _outcome(self, end: Ending) -> Outcome:
        """What the last search has found, and how its end compares with others."""
        model = self.model
        attributes = {name: vars(model)[name] for name in SET_BY_SEARCH}
        model._set_theta(model.optsum.final[-len(model.theta) :])
        counts = end.is_minimum and not runaway_terms(model)
        return Outcome(end, float(model.optsum.fmin), counts, attributes)

    # ---- one search -------------------------------------------------------------------------

    def _search_stages(self, smaller, factor=1.0, begin=None, start=None) -> None:
        """The stages from the default start, or with another θ: smaller where there is no mode."""
        try:
            self._search_in_stages(factor, begin, start)
        except NoMode:
            for other in smaller:
                model = self.model  # where a full fit failed, its options are those of a full one
                model.optsum, model.fast_optsum = model.fast_optsum or model.optsum, None
                try:
                    self._search_in_stages(other)
                except NoMode:
                    continue
                return
            raise

    def _search_in_stages(self, factor, begin=None, start=None) -> None:
        model, fast = self.model, self._fast
        by_gradient = self._uses_gradient()
        model._modes, model._gamma_root = model._modes.replaced(), None
        self._begin(by_gradient, factor, start)
        if self._shown["verbose"]:
            at = model._searched[True].split(model.optsum.initial)
            model._pirls(at.theta, at.shape, vary_beta=True, verbose=True)
        if fast or not by_gradient:
            space = model.space_of(model._searched[True], modes=model._modes)
            if by_gradient:
                space.curvature = self._fast_curvature()
            self._search(space)
        if not fast and model.optsum.returnvalue not in CUT_SHORT:
            model.fast_optsum = model.optsum
            space = self._prepare_full()
            if begin is not None:
                model.optsum.initial = begin
            self._search(space)
        if by_gradient and model.optsum.optimizer in (AUTO, NEWTON):
            self._follow_valley()

    def _follow_valley(self) -> None:
        """Go on where λ has a curved valley, in other columns in which it is straight."""
        model, optsum = self.model, self.model.optsum
        if optsum.returnvalue in CUT_SHORT or not model._bounds_are_usual():
            return
        model._set_theta(optsum.final[-len(model.theta) :])
        scalings = straightened(model)
        if scalings is None:
            return
        twin, parameters = model.in_columns(scalings), model._searched[optsum.fast]
        space = twin.space_of(parameters, modes=twin._modes, root=model._gamma_root)
        mode, at = space.laplace.at(space.to_scaled(optsum.final))
        if not mode.found:
            return
        weights = twin._modes.working(at.theta, at.beta, at.shape).working_weights
        rank = len(at.beta) - len(parameters.beta)  # of coefficients that are not searched for
        steps = np.full(rank + len(optsum.final), LOG_STEP)
        space.curvature = first_curvature(twin, at, steps, weights)[rank:]
        again = copy(optsum)
        again.initial, again.initial_step = optsum.final.copy(), None
        try:
            minimize(space, again, **self._shown)
        except FitError:  # from there PIRLS finds no mode by itself
            return
        optsum.feval, optsum.log = optsum.feval + again.feval, optsum.log + again.log
        if again.fmin < optsum.fmin - RESTART_GAIN:
            optsum.final, optsum.fmin, optsum.restarts = again.final, again.fmin, again.restarts + 1
            optsum.certificate, optsum.gradient_norm = again.certificate, again.gradient_norm
            optsum.returnvalue = again.returnvalue

    def _begin(self, by_gradient: bool, factor, start=None) -> None:
        """Choose where the search begins, unless the user has: for gradients, by a linear model.

        With a factor other than one, for all θ or for each, at the default start with θ times this.
        """
        model = self.model
        start = model._start if start is None else start
        model._begun = start
        if not model._default_start.is_in(model.optsum):
            return
        if np.any(factor != 1.0):
            shape = SHAPE if model.shape_has_limit else start.shape
            model._begun = replace(start, theta=factor * start.theta, shape=shape)
        elif by_gradient and model.init == "glm" and model._bounds_are_usual():
            model._begun = by_linear_model(model, model._modes, start)
        model._default_start = DefaultStart.put(model.optsum, options_of_start(model).initial)

    def _search(self, space: GeneralizedSpace) -> None:
        """One stage of a fit: minimise in θ, or in all parameters."""
        model, laplace = self.model, space.laplace
        if space.gradient is not None and self._uses_gradient(space.parameters.fast):
            compile_ahead(laplace_gradient)
        try:
            minimize(space, model.optsum, **self._shown)
            laplace.recall()
        except FitError as error:
            if laplace.succeeded:
                raise
            theta = space.parameters.split(model.optsum.initial).theta
            raise NoMode(
                f"PIRLS found no mode at theta = {theta}, where the search would begin; "
                f"{model._remedy}"
            ) from error

    def _uses_gradient(self, fast: bool | None = None) -> bool:
        """Whether the optimiser will use gradients; then a full fit needs no fast one before."""
        model = self.model
        fast = self._fast if fast is None else fast
        nagq = 1 if fast else self._nagq
        n = len(model._searched[fast].names)
        demand = gradient_demand(
            model.optsum, n, has_gradient=nagq == 1, work=model._work, has_edges=model._has_edges
        )
        if nagq > 1 and demand == "required":
            raise OptionError(
                f"optimizer {model.optsum.optimizer!r} needs the gradient of the objective, and "
                f"there is none through quadrature (nagq={nagq}); choose a derivative-free one "
                "such as 'nlopt:LN_BOBYQA'"
            )
        return nagq == 1 and demand != "none"

    def _prepare_full(self) -> GeneralizedSpace:
        """The space of a full fit, and its options, from the fast fit or its start."""
        model, fast, full = self.model, self.model.fast_optsum, copy(self.model.optsum)
        parameters, ntheta = model._searched[False], len(model.theta)
        x = fast.initial if fast.final is None else fast.final
        at = self._values_at(x)
        full.names, full.fast = parameters.names, False
        between = model.user_between(parameters.coordinates(at))
        full.initial = np.concatenate([model.feterm.to_basis @ at.beta, between, x[-ntheta:]])
        free = np.full(len(full.initial) - ntheta, np.inf)
        full.lowerbd = np.concatenate([-free, fast.lowerbd[-ntheta:]])
        full.upperbd = np.concatenate([free, fast.upperbd[-ntheta:]])
        full.initial_step = None
        model.optsum = full
        steps = np.maximum(THETA_STEP * np.abs(at.theta), LEAST_STEP)
        if fast.own_initial_step is not None:
            steps = fast.own_initial_step[-ntheta:]
        model._gamma_root = np.linalg.cholesky(gamma_covariance(model._modes, at))
        first = [np.full(len(at.beta), BETA_STEP), np.full(len(between), LOG_STEP)]
        steps = np.concatenate([*first, steps])
        space = model.space_of(parameters, self._nagq, modes=model._modes, root=model._gamma_root)
        space.first_step = steps
        space.curvature = first_curvature(model, at, steps, model._modes.working_weights)
        return space

    def _fast_curvature(self) -> np.ndarray:
        """Second derivatives, about, at the start of a fast fit."""
        model = self.model
        at = self._values_at(model.optsum.initial)
        weights = model._modes.working(at.theta, at.beta, at.shape).working_weights
        rank, steps = len(at.beta), np.full(len(at.beta) + len(model.optsum.initial), LOG_STEP)
        return first_curvature(model, at, steps, weights)[rank:]

    def _values_at(self, x) -> Values:
        """The scaled parameters and γ at the mode of these parameters of a fast fit."""
        space = self.model.space_of(self.model._searched[True], modes=self.model._modes)
        mode, at = space.laplace.at(space.to_scaled(x))
        check_mode(self.model, mode, at)
        return at


def check_nagq(model, fast, nagq) -> None:
    """Refuse numbers of nodes that a model, or a fast fit, cannot use.

    Raises
    ------
    OptionError
    """
    flag("fast", fast)
    if isinstance(nagq, bool) or not isinstance(nagq, Integral) or nagq < 1:
        raise OptionError(f"nagq must be an integer of at least 1, not {nagq!r}")
    if nagq == 1:
        return
    if nagq > MOST_NODES:
        raise OptionError(f"nagq must be at most {MOST_NODES}, not {nagq}")
    if fast:
        raise OptionError("nagq above 1 belongs to the full fit: fast=True is for nagq=1 alone")
    if getattr(model, "_passes", None) is not None:  # ordinal models have none
        raise OptionError(
            f"nagq={nagq} needs the rows in memory, where these are too many: nagq=1, the Laplace "
            "approximation, is possible, and so is a frame of a part of the rows"
        )
    if any(term.relation is not None for term in model.reterms):
        raise OptionError(
            f"nagq={nagq} needs independent levels, and those of this model have a known "
            "covariance: nagq=1, the Laplace approximation, is possible"
        )
    if len(model.reterms) > 1:
        raise OptionError(
            f"nagq={nagq} needs a model with one random-effects term, scalar or vector-valued; "
            f"this one has {len(model.reterms)}: nagq=1, the Laplace approximation, is possible"
        )


def options_of_start(model) -> OptSummary:
    """An `optsum` for the fast fit's parameters, at their start."""
    parameters, start = model._searched[True], model._begun
    shape = min(start.shape, LARGEST_START) if model.shape_has_limit else start.shape
    at = Values(start.gamma, shape, None, start.theta)
    between = model.user_between(parameters.coordinates(at))
    initial = np.concatenate([between, start.theta])
    free = np.full(len(between), -np.inf)
    lowerbd = np.concatenate([free, model.scaled.structure.lowerbd])
    return OptSummary(initial, lowerbd, parameters.names, fast=True)


def renewed(model, optsum: OptSummary, initial) -> OptSummary:
    """The options of a fit, for another one that begins at these parameters of a fast fit."""
    new, ntheta = options_of_start(model), len(model.theta)
    fast, free = copy(optsum), len(new.initial) - ntheta
    fast.names, fast.fast = new.names, True
    fast.final = fast.fmin = fast.finitial = fast.returnvalue = None
    fast.feval = 0
    fast.initial = initial if len(initial) == len(new.initial) else new.initial
    fast.initial_step = (model.fast_optsum or optsum).own_initial_step
    fast.lowerbd = np.concatenate([np.full(free, -np.inf), optsum.lowerbd[-ntheta:]])
    fast.upperbd = np.concatenate([np.full(free, np.inf), optsum.upperbd[-ntheta:]])
    return fast

"""The searches of a fit: by the Laplace approximation, and from its end by quadrature."""

from __future__ import annotations

from copy import copy

import numpy as np

from numbamm.errors import FitError
from numbamm.glm.curvature import theta_curvatures
from numbamm.models.fitting.ending import LIGHT, Ending, ending
from numbamm.models.fitting.newton_finish import newton_finish
from numbamm.models.ordinal.joint_covariance import root_of_covariance
from numbamm.models.ordinal.quadrature_steps import quadrature_steps
from numbamm.optimize import OptSummary, minimize
from numbamm.optimize.auto import AUTO
from numbamm.optimize.run import CUT_SHORT, RESTART_GAIN, gradient_demand

#: What the start of θ is multiplied by where there is no mode, and where another search is made.
SMALLER, OTHERS = (0.3, 0.1, 0.03), (3.0, 0.3)
#: Up to so many rows other searches are made in any case: of 1,070 random designs of 15 to 120 rows
#: nine had a lower minimum elsewhere, due to the approximation as a rule.
FEW_ROWS = 200
#: The first steps of a search without gradients: in coefficients, in standard errors, and in θ.
STEPS = 0.5, 0.2, 0.05


class Search:
    """The searches of one fit; the model's `optsum` has the outcome.

    Parameters
    ----------
    model : CumulativeLinkMixedModel
    nagq : int
    **shown
        ``verbose`` and ``progress``, for `minimize`.
    """

    def __init__(self, model, nagq: int, **shown) -> None:
        self._model, self._nagq, self._shown = model, nagq, shown
        self._known: list[float] = []  # minima by the Laplace approximation, with quadrature

    def run(self) -> Ending:
        """Search; what is known of the end."""
        model = self._model
        ours = self._ours = model.starts_by_default()
        self._from_default((1.0, *SMALLER) if ours else (1.0,))
        if model.optsum.returnvalue in CUT_SHORT:
            return Ending(is_minimum=True, at_edge=False)
        end = ending(model)
        doubtful = not end.is_minimum or model.optsum.certificate is not None
        doubtful |= model.nobs <= FEW_ROWS
        several = ours and len(model.theta) > 0  # other starts, which differ in θ alone
        if several and doubtful and model._work <= LIGHT and not model.optsum.is_limited:
            end = self._elsewhere(end)
        return end

    def _from_default(self, factors) -> None:
        """Search from the start with θ times the first factor with which there is a mode."""
        initial = self._model.optsum.initial
        size = self._model.columns.parts.size
        for k, factor in enumerate(factors):
            begin = np.concatenate([initial[:size], factor * initial[size:]])
            try:
                self._stages(begin)
                return
            except FitError:
                if k + 1 == len(factors):
                    raise

    def _elsewhere(self, end: Ending) -> Ending:
        """Search from other θ, too; the lowest end is kept."""
        model = self._model
        initial, size, best = model.optsum.initial, model.columns.parts.size, copy(model.optsum)
        state, spent = (model._modes, model._gamma_root), best.feval
        for factor in OTHERS:
            try:
                new = self._stages(np.concatenate([initial[:size], factor * initial[size:]]))
            except FitError:
                continue
            spent += model.optsum.feval
            if not new:
                continue
            other = ending(model)
            lower = model.optsum.fmin < best.fmin - RESTART_GAIN
            if other.is_minimum >= end.is_minimum and (lower or other.is_minimum > end.is_minimum):
                best, end, state = copy(model.optsum), other, (model._modes, model._gamma_root)
        vars(model.optsum).update(vars(best))
        model._modes, model._gamma_root = state
        model.optsum.initial = initial
        return end

    def _stages(self, begin) -> bool:
        """From one start: with gradients by the Laplace approximation, then by quadrature.

        Returns
        -------
        bool
            Whether quadrature did not begin where it has begun before.
        """
        nagq, chosen, new = self._nagq, self._model.optsum, True
        initial = chosen.initial
        if nagq == 1 or chosen.optimizer != AUTO:
            self._once(begin, nagq)
        else:
            self._once(begin, 1)
            if chosen.returnvalue not in CUT_SHORT:
                new = all(abs(chosen.fmin - f) > RESTART_GAIN for f in self._known)
                self._known.append(float(chosen.fmin))
                if new:
                    self._through_quadrature()
        chosen.nagq, chosen.initial = nagq, initial
        return new

    def _through_quadrature(self) -> None:
        """From the minimum by the Laplace approximation, by steps or by another search."""
        model, nagq, chosen = self._model, self._nagq, self._model.optsum
        if self._ours and not chosen.is_limited and not self._shown.get("verbose"):
            parameters = model._searched[False]
            options = {"modes": model._modes, "root": model._gamma_root}
            exact = model.space_of(parameters, nagq, **options)
            if quadrature_steps(model.space_of(parameters, **options), exact, chosen):
                exact.laplace.recall()
                chosen.nagq = nagq
                return
        feval = chosen.feval
        self._once(chosen.final, nagq)
        newton_finish(model)
        chosen.feval += feval

    def _once(self, begin, nagq: int) -> None:
        """One search from these parameters."""
        model, optsum = self._model, self._model.optsum
        optsum.nagq, optsum.initial = nagq, np.array(begin)
        model._modes = model._modes.replaced()
        parameters = model._searched[False]
        blank = model.space_of(parameters, modes=model._modes)
        mode, at = blank.laplace.at(blank.to_scaled(optsum.initial))
        if not mode.found:
            raise FitError(
                f"no conditional mode is found at theta = {model.scaled.to_user(at.theta)}, where "
                f"the search would begin; {model._remedy}"
            )
        model._gamma_root = root_of_covariance(model._modes, at)
        space = model.space_of(parameters, nagq, modes=model._modes, root=model._gamma_root)
        size = len(at.beta)
        space.curvature = np.full(size, 2.0)
        if model.reterms:
            weights = model._modes.working_weights
            of_theta = theta_curvatures(model._modes.terms, at.theta, weights)
            space.curvature = np.concatenate([space.curvature, of_theta])
        own = optsum.own_initial_step
        if own is None:
            space.first_step = np.concatenate(
                [np.full(size, STEPS[0]), np.maximum(STEPS[1] * np.abs(at.theta), STEPS[2])]
            )
        minimize(space, optsum, **self._shown)
        space.laplace.recall()


def uses_gradient(model, nagq: int) -> bool:
    """Whether the optimiser will use gradients."""
    if nagq > 1:
        return model.optsum.optimizer == AUTO
    n = len(model._searched[False].names)
    demand = gradient_demand(model.optsum, n, has_gradient=True, work=model._work)
    return demand != "none"


def first_options(model) -> OptSummary:
    """The options of a fit that begins at the coefficients without random effects, and at λ = I."""
    start = model._start
    size = model.columns.parts.size
    initial = np.concatenate([model.columns.to_user @ start.gamma, start.theta])
    free = np.full(size, -np.inf)
    lower = np.concatenate([free, model.scaled.structure.lowerbd])
    return OptSummary(initial, lower, model._searched[False].names, fast=False)

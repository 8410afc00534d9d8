"""`Stages`: the searches of a generalized fit, what each begins with, and what may not be asked.

A fit by gradients is one search in all parameters. Without them a fast one, in which β varies
inside PIRLS, comes first, and the full one begins at its end.
"""

from __future__ import annotations

from copy import copy
from functools import partial
from numbers import Integral

import numpy as np

from numbamm.blocks.jit import announce_compilation
from numbamm.errors import FitError, OptionError
from numbamm.glm.gradient import laplace_gradient
from numbamm.glm.mode import Mode
from numbamm.models.curvature import first_curvature
from numbamm.models.laplace import LaplaceObjective
from numbamm.models.own_start import OwnStart
from numbamm.models.parameters import LOG_DISPERSION, LOG_SHAPE, Values
from numbamm.models.start import by_linear_model
from numbamm.optimize import OptSummary
from numbamm.optimize.certificate import Certificate
from numbamm.optimize.run import gradient_demand

#: The full fit's first step in a coefficient, in standard errors, and in θ, as a share of it.
BETA_STEP, THETA_STEP, LEAST_STEP = 0.5, 0.2, 0.05
#: The full fit's first step in log shape or log φ.
LOG_STEP = 0.1


class Stages:
    """What `GeneralizedLinearMixedModel` does between the beginning of a fit and its estimates."""

    def _begin(self, by_gradient: bool) -> None:
        """Choose where the search begins, unless the user has: for gradients, by a linear model."""
        self._begun, optsum = self._start, self.optsum
        if not self._own_start.is_in(optsum):
            return
        if by_gradient and self.init == "glm" and self._bounds_are_usual():
            self._begun = by_linear_model(self, self._modes, self._start)
        self._own_start = OwnStart.put(optsum, self._optsum_of_start().initial)

    def _search(self, fast: bool, nagq: int, steps, **options) -> None:
        """One stage of a fit: minimise in θ, or in all parameters."""
        if nagq == 1 and self._uses_gradient(nagq, fast):
            announce_compilation(laplace_gradient, 15)
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
        except FitError as error:
            if objective.succeeded:
                raise
            theta = self._searched[fast].split(self.optsum.initial).theta
            raise FitError(
                f"PIRLS found no mode at theta = {theta}, where the search would begin; another "
                f"start (init, optsum.initial) or link than {self.link} may help"
            ) from error

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
        nuisance = [np.log(start.shape)] if parameters.nuisance else []
        initial = np.concatenate([nuisance, start.theta])
        lowerbd = np.concatenate([np.full(len(nuisance), -np.inf), self._lowerbd])
        return OptSummary(initial, lowerbd, parameters.names)

    def _renewed(self, optsum: OptSummary, initial) -> OptSummary:
        """The options of a fit, for another one that begins at these parameters of a fast fit."""
        new, ntheta = self._optsum_of_start(), len(self.theta)
        fast, free = copy(optsum), len(new.initial) - ntheta
        fast.names = new.names
        fast.final = fast.fmin = fast.finitial = fast.returnvalue = None
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
        full.names = parameters.names
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
            raise FitError(
                f"PIRLS found no mode at theta = {self._outward(at.theta)}; another start (init, "
                f"optsum.initial) or link than {self.link} may help"
            )
        if self._likelihood.dispersed and self._likelihood.is_perfect(at.phi):
            raise FitError(
                "the random effects fit the responses perfectly: there is no dispersion to estimate"
            )

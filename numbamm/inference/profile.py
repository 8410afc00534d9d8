"""Profile likelihood: how the deviance rises as one parameter is moved and the others follow."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq
from scipy.optimize import minimize as slsqp
from scipy.special import ndtri

from numbamm import config
from numbamm.blocks.threads import blas_threads
from numbamm.errors import NumbammWarning, OptionError, did_you_mean
from numbamm.inference.components import Components
from numbamm.inference.result import Result

#: Steps from the estimate to the last ζ that is asked for, and most of them.
STEPS, MOST = 8, 60

#: A profile goes a little further than its intervals.
BEYOND = 1.05

#: Bounds of a search, which a bad first step must not leave: of a random effect's standard
#: deviation over σ in a typical row, and of the logarithm of σ over its estimate.
FAR, LOG_FAR = 1e4, 5.0

SIGMA = "sigma"


def profile(model, parameters=None, *, alpha: float = 0.01):
    """Profile the likelihood of a linear model.

    Parameters
    ----------
    model : LinearMixedModel
        Fitted. It is left as it is; one fitted by REML is fitted anew by maximum likelihood.
    parameters : str or sequence of str, optional
        Which ones: ``sigma``, standard deviations and correlations such as
        ``sd_Days|Subject`` and ``cor_Days.Intercept|Subject``, and coefficients by their names;
        all, if not given.
    alpha : float
        One minus the largest coverage that an interval is to have.

    Returns
    -------
    Profile

    Raises
    ------
    NotFittedError
        Before `fit`.
    OptionError
        If the model is not linear, or a parameter unknown.

    Notes
    -----
    ζ is the signed square root of the rise in -2 log-likelihood: normal, to the first order, at
    the true value of the parameter (Bates & Watts, 1988, chapter 6). The other parameters are
    optimised with the exact gradient in θ and σ: for a coefficient in a model without its
    column, for a standard deviation or a correlation under that value as a constraint.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    >>> mm.profile(m, "sigma").conf_int().round(1).loc["sigma"].tolist()
    [38.2, 67.7]
    """
    est = model.estimates
    if not hasattr(model, "_own_search"):
        raise OptionError("profile is for linear models: bootstrap() serves the generalized")
    if not 0 < alpha < 1:
        raise OptionError(f"alpha must lie between 0 and 1, not {alpha!r}")
    surface = _Surface(model, est.sigma if est.sigma_given else None)
    known = surface.names
    asked = [parameters] if isinstance(parameters, str) else parameters
    for name in asked or []:
        if name not in known:
            raise OptionError(
                f"unknown parameter {name!r}{did_you_mean(str(name), known)}; there are "
                f"{', '.join(known)}"
            )
    reach = BEYOND * ndtri(1 - alpha / 2)
    with blas_threads(config.get("threads")), warnings.catch_warnings():
        warnings.simplefilter("ignore", NumbammWarning)  # of singular fits on the way
        warnings.simplefilter("ignore", RuntimeWarning)  # of steps beyond the parameters' range
        curves = {name: surface.curve(name, reach) for name in (asked or known)}
    notes = ["Of the model fitted by maximum likelihood."] if est.reml else []
    return Profile(model.formula, curves, reach, notes)


@dataclass
class Curve:
    """ζ of one parameter.

    Attributes
    ----------
    estimate : float
    values, zeta : ndarray
        The parameter, ascending, and ζ there.
    lower, upper : float
        The parameter's range.
    """

    estimate: float
    values: np.ndarray
    zeta: np.ndarray
    lower: float
    upper: float

    @property
    def spline(self) -> CubicSpline:
        """ζ as a function of the parameter."""
        return CubicSpline(self.values, self.zeta)

    def limits(self, z: float) -> tuple[float, float]:
        """Where |ζ| first reaches z on either side.

        The end of the parameter's range where it does not; NaN if the profile ends before, or
        the estimate is undefined.
        """
        if len(self.values) < 2:
            return np.nan, np.nan
        return self._limit(-z), self._limit(z)

    def _limit(self, z: float) -> float:
        own, spline = np.searchsorted(self.values, self.estimate), self.spline
        side = range(own, 0, -1) if z < 0 else range(own, len(self.values) - 1)
        for k in side:
            a, b = sorted((k, k + 1 if z > 0 else k - 1))
            if (self.zeta[a] - z) * (self.zeta[b] - z) <= 0:
                return float(brentq(lambda v: spline(v) - z, self.values[a], self.values[b]))
        end = self.lower if z < 0 else self.upper
        return end if np.isfinite(end) else np.nan


class Profile:
    """Profiles of a model's parameters.

    Attributes
    ----------
    curves : dict of str to Curve
    """

    def __init__(self, formula: str, curves: dict, reach: float, notes: list[str]) -> None:
        self.formula, self.curves, self._reach, self._notes = formula, curves, reach, notes

    @property
    def frame(self):
        """``parameter``, ``value``, ``zeta``: a pandas frame with a line per evaluation."""
        import pandas as pd

        parts = [
            pd.DataFrame({"parameter": name, "value": c.values, "zeta": c.zeta})
            for name, c in self.curves.items()
        ]
        return pd.concat(parts, ignore_index=True)

    def conf_int(self, alpha: float = 0.05):
        """Profile intervals: the values that a likelihood-ratio test does not reject.

        Parameters
        ----------
        alpha : float
            One minus the coverage.

        Returns
        -------
        pandas.DataFrame
            Lower and upper limits in columns 0 and 1, a line per parameter; the end of a
            parameter's range where the deviance does not rise enough before it.
        """
        import pandas as pd

        z = float(ndtri(1 - alpha / 2)) if 0 < alpha < 1 else np.inf
        if z > self._reach:
            raise OptionError(f"the profile does not reach as far as alpha = {alpha!r}")
        limits = {name: curve.limits(z) for name, curve in self.curves.items()}
        return pd.DataFrame.from_dict(limits, orient="index", columns=[0, 1])

    def __repr__(self) -> str:
        return repr(self.summary())

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    def summary(self, alpha: float = 0.05) -> Result:
        """Estimates and intervals as a table."""
        table = self.conf_int(alpha).set_axis(["lower", "upper"], axis=1)
        table.insert(0, "estimate", [c.estimate for c in self.curves.values()])
        table = table.rename_axis("parameter").reset_index()
        undefined = [name for name, c in self.curves.items() if not len(c.values)]
        notes = [*self._notes, *(f"{name} is undefined: a variance is 0." for name in undefined)]
        notes = [*notes, f"{100 * (1 - alpha):g} % intervals."]
        return Result(f"Profile likelihood: {self.formula}", table, notes)


class _Surface:
    """-2 log-likelihood of a model in x = (θ times the sizes of Z's columns, log σ)."""

    def __init__(self, model, sigma) -> None:
        self._frame, self._sigma = model.frame, sigma
        self._model = self._fitted(model.frame)
        self._components = Components.of(model)
        self._size = np.append(self._model._column_sizes(), 1.0)
        est = self._model.estimates
        self._best = np.append(self._model.theta, np.log(est.sigma)) * self._size
        self._least = est.objective
        self._coefficients = [model.feterm.cnames[k] for k in model.feterm.kept]
        self._own = self._values(self._best)
        self._beta, self._bse = est.beta, np.sqrt(np.diag(est.cov))

    def _fitted(self, frame):
        """The model of a frame, by maximum likelihood."""
        from numbamm.models.linear import LinearMixedModel

        frame = replace(frame, reterms=[replace(t, lambda_=None) for t in frame.reterms])
        model = LinearMixedModel.of_frame(frame, sigma=self._sigma)
        return model.fit(optimizer="newton", progress=False)

    @property
    def names(self) -> list[str]:
        """All parameters."""
        sigma = [SIGMA] if self._sigma is None else []
        return [*sigma, *self._components.names, *self._coefficients]

    def curve(self, name: str, reach: float) -> Curve:
        """The profile of one parameter."""
        if name == SIGMA or name in self._components.names:
            return self._of_component(name, reach)
        j = self._coefficients.index(name)
        at = self._model.feterm.kept[j]
        x, frame = self._frame.X[:, at], self._frame
        columns = np.delete(np.arange(frame.X.shape[1]), at)
        rest = replace(frame, X=frame.X[:, columns], xnames=[frame.xnames[k] for k in columns])
        twin = self._fitted(replace(rest, y=frame.y - self._beta[j] * x))

        def deviance(v, start):
            return twin.refit(frame.y - v * x, optimizer="newton").objective, start

        return self._walk(deviance, self._beta[j], self._bse[j], (-np.inf, np.inf), reach)

    def _of_component(self, name: str, reach: float) -> Curve:
        if name == SIGMA:
            own = float(np.exp(self._best[-1]))
            return self._walk(
                lambda v, x: self._minimum(x, log_sigma=np.log(v)),
                own,
                own / np.sqrt(2 * self._model.nobs),
                (1e-4 * own, np.inf),
                reach,
            )
        k = self._components.names.index(name)
        own = self._own[k]
        correlation = name.startswith("cor_")
        if not np.isfinite(own):
            return Curve(own, np.array([]), np.array([]), np.nan, np.nan)
        size = 1.0 if correlation else max(own, 0.1 * float(np.exp(self._best[-1])))
        bounds = (-1.0, 1.0) if correlation else (0.0, np.inf)

        # a correlation can be anything where a variance vanishes
        ceiling = self._least_without_one(name) if correlation else np.inf

        def deviance(v, x):
            if v == 0.0 and not correlation:
                return self._minimum(x, zero=self._entries(name))
            start = x if correlation else self._with_sd(x, name, k, v)
            found = self._minimum(start, constraint=lambda y: (self._values(y)[k] - v) / size)
            return found if found[0] <= ceiling else (ceiling, x)

        return self._walk(deviance, own, 0.05 * size, bounds, reach)

    def _values(self, x) -> np.ndarray:
        """Standard deviations and correlations."""
        x = x / self._size
        return self._components.values(x[None, :-1], np.exp(x[-1:]))[0]

    def _entries(self, name: str) -> np.ndarray:
        """Positions in θ of the row of λ that a standard deviation belongs to."""
        mine, at = [], 0
        for term in self._components.terms:
            rows = np.array(term.inds) // term.p
            for r, column in enumerate(term.names):
                if f"sd_{column}|{term.group}" == name:
                    mine.append(at + np.flatnonzero(rows == r))
            at += len(term.inds)
        return mine[0]

    def _least_without_one(self, name: str) -> float:
        """The least deviance with one of a correlation's two variances at zero."""
        pair, group = name.removeprefix("cor_").rsplit("|", 1)
        term = next(t for t in self._components.terms if t.group == group and pair in _pairs(t))
        return min(
            self._minimum(self._best, zero=self._entries(f"sd_{one}|{group}"))[0]
            for one in _pairs(term)[pair]
        )

    def _with_sd(self, x, name: str, k: int, v: float) -> np.ndarray:
        """x with its row of λ stretched to a standard deviation."""
        x, mine = x.copy(), self._entries(name)
        now = self._values(x)[k]
        if now > 1e-3 * v:
            x[mine] *= v / now
        else:  # the diagonal entry, the last of its row
            x[mine[-1]] = v * np.exp(-x[-1]) * self._size[mine[-1]]
        return x

    def _minimum(self, x, log_sigma=None, zero=(), constraint=None):
        """The least deviance with something held, and where; the search begins at x."""
        x, free = x.copy(), np.ones(len(x), dtype=bool)
        x[list(zero)], free[list(zero)] = 0.0, False
        if log_sigma is not None or self._sigma is not None:
            x[-1], free[-1] = log_sigma if log_sigma is not None else np.log(self._sigma), False

        def whole(y):
            out = x.copy()
            out[free] = y
            return out

        def objective(y):
            value, gradient = self._deviance(whole(y))
            return value - self._least, gradient[free]

        held = [] if constraint is None else [{"type": "eq", "fun": lambda y: constraint(whole(y))}]
        options = {"ftol": 1e-10, "maxiter": 300}
        if not free.any():
            return self._deviance(x)[0], x
        far = np.append(np.full(len(x) - 1, FAR), LOG_FAR)
        middle = np.append(np.zeros(len(x) - 1), self._best[-1])
        bounds = np.column_stack([middle - far, middle + far])[free]
        found = slsqp(
            objective,
            np.clip(x[free], *bounds.T),
            jac=True,
            method="SLSQP",
            bounds=bounds,
            constraints=held,
            options=options,
        )
        return found.fun + self._least, whole(found.x)

    def _deviance(self, x) -> tuple[float, np.ndarray]:
        """-2 log-likelihood and its gradient."""
        model, x = self._model, x / self._size
        sigma = float(np.exp(x[-1]))
        before, model.optsum.sigma = model.optsum.sigma, sigma
        try:
            value, gradient = model.objective_gradient(x[:-1])
        finally:
            model.optsum.sigma = before
        r = model._response.scale * model.blocks.residual_norm()
        return value, np.append(gradient, 2 * model.nobs - 2 * (r / sigma) ** 2) / self._size

    def _walk(self, deviance, own: float, step: float, bounds, reach: float) -> Curve:
        """Evaluate on both sides of the estimate, in steps of ζ that are about equal."""
        sides = []
        for sign, end in ((-1.0, bounds[0]), (1.0, bounds[1])):
            values, zetas = [], []
            v, zeta, h, x = own, 0.0, step, self._best
            for _ in range(MOST):
                left = abs(end - v)
                if left <= 1e-5 * step or abs(zeta) >= reach:
                    break
                # a standard deviation can be 0; a correlation only comes near to ±1
                near = end if end == 0.0 else v + sign * 0.5 * left
                new = v + sign * h if h < 0.7 * left else near
                value, x = deviance(new, x)
                reached = sign * np.sqrt(max(0.0, value - self._least))
                if not np.isfinite(reached):
                    break
                taken = abs(new - v)
                rise = max(abs(reached - zeta), 1e-3)
                h = taken * np.clip(reach / STEPS / rise, 0.3, 2.0)
                v, zeta = new, reached
                values.append(v)
                zetas.append(zeta)
            sides.append((values, zetas))
        (low, below), (high, above) = sides
        return Curve(
            own, np.array([*low[::-1], own, *high]), np.array([*below[::-1], 0.0, *above]), *bounds
        )


def _pairs(term) -> dict:
    """The names of a term's columns two by two, by what a correlation calls them."""
    return {f"{b}.{a}": (a, b) for j, b in enumerate(term.names) for a in term.names[:j]}

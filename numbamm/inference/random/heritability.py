"""`heritability`: the share of a grouping factor in variance components, with its interval."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import chdtri, expit, logit, ndtri

from numbamm.blocks.threads import blas_threads
from numbamm.elsewhere import names_arguments
from numbamm.errors import FitError, OptionError, did_you_mean, shown
from numbamm.inference.comparison.fits import mixed_model
from numbamm.inference.random.rsquared import METHODS, residual_on_link_scale
from numbamm.models.residual_side.refusals import refuse_structure
from numbamm.optimize.differences import hessian, jacobian
from numbamm.options import grouping_factor, one_of, valid_alpha
from numbamm.report.result import Result
from numbamm.structures.joint import Joint

RESIDUAL = "Residual"
INTERVALS = ("delta", "profile")
#: A mean of the diagonal of K that is as many times more or less than 1 is noted.
UNUSUAL = 1.5
#: Shares that count as 0 and 1 in a profile.
LEAST = 1e-6


@names_arguments
def heritability(
    model,
    group: str,
    *,
    among: Iterable[str] | None = None,
    interval: str = "delta",
    alpha: float = 0.05,
    method: str = "lognormal",
) -> Result:
    """The share of a grouping factor in the variance, such as heritability, with an interval.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    group : str
        The grouping factor whose variance is the numerator, such as the animals.
    among : iterable of str, optional
        Grouping factors that make up the denominator, and ``"Residual"``; `group` is always one of
        them. All, if not given. The variance of the fixed effects is never among them.
    interval : {"delta", "profile"}
        The delta method on the logit scale; or the shares at which the likelihood ratio is not
        significant, of linear models and a scalar term.
    alpha : float
        One minus the level of the interval.
    method : str
        How the residual variance of a generalized model gets to the scale of the linear
        predictor, as for `r2`.

    Returns
    -------
    Result
        A row for the factor: ``estimate``, ``se``, ``lower`` and ``upper``.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        There is no such factor, or the model has no interval of that kind.

    See Also
    --------
    icc : Shares of all grouping factors at the diagonal of K as it is, without intervals.
    pedigree, phylogeny : Relationships of animals and of species.

    Notes
    -----
    The variance of a factor is σ²z'λλ'z averaged over the rows: with a known covariance K it is
    that of a level whose entry on the diagonal of K is one, such as an animal that is not inbred
    (`icc` takes K's entries as they are).
    In a linear model the share is a function of θ alone, whose covariance matrix is twice the
    inverse of the Hessian of the criterion (REML, if the fit was). For generalized models it is on
    the latent scale, and the residual variance on that scale is taken as known.

    Where the estimate is 0 or 1, the delta method has no interval.

    References
    ----------
    Nakagawa & Schielzeth, 2010, Biol. Rev. 85, 935-956; Wilson et al., 2010, J. Anim. Ecol. 79,
    13-26.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"), reml=True)
    >>> m.heritability("Batch").frame.round(2).loc["Batch"].tolist()
    [0.42, 0.22, 0.11, 0.8]
    """
    import pandas as pd

    model, group, alpha = mixed_model(model), grouping_factor(model, group), valid_alpha(alpha)
    one_of("interval", interval, INTERVALS)
    one_of("method", method, METHODS)
    share = _Share.of(model, group, among, method)
    x = model.theta
    estimate = share(x)
    with blas_threads():
        error = _standard_error(model, share)
        if interval == "profile":
            limits = _profiled(model, share, alpha)
        elif 0 < estimate < 1:
            half = ndtri(1 - alpha / 2) * error / (estimate * (1 - estimate))
            limits = expit(logit(estimate) + np.array([-half, half]))
        else:
            limits = np.full(2, np.nan)
    frame = pd.DataFrame(
        [[estimate, error, *limits]], [group], columns=["estimate", "se", "lower", "upper"]
    )
    return Result(f"Share of {group} in the variance", frame, _notes(model, share, interval, alpha))


@dataclass
class _Share:
    """The share as a function of θ.

    Attributes
    ----------
    moments : list of ndarray, shape (p, p)
        Mean of zz' over the rows, of each term.
    own, among : list of bool
        Whether each term is in the numerator, and in the denominator.
    residual : float
        Residual variance in units of σ² (of φ), or zero where it is not in the denominator.
    names : list of str
        The denominator.
    joint : Joint
    """

    moments: list[np.ndarray]
    own: list[bool]
    among: list[bool]
    residual: float
    names: list[str]
    joint: Joint

    @classmethod
    def of(cls, model, group: str, among, method: str) -> _Share:
        groups = list(dict.fromkeys(term.group for term in model.reterms))
        names = [*groups, RESIDUAL] if among is None else _names(among, groups)
        names = [name for name in [*groups, RESIDUAL] if name in names or name == group]
        residual = 0.0
        if RESIDUAL in names:
            residual = residual_on_link_scale(model, method) / model.sigma**2
        terms = model.reterms
        return cls(
            [term.z @ term.z.T / term.z.shape[1] for term in terms],
            [term.group == group for term in terms],
            [term.group in names for term in terms],
            residual,
            names,
            model.scaled.structure,
        )

    def variances(self, theta) -> np.ndarray:
        """Variance of each term in units of σ²."""
        lams = self.joint.matrices(np.asarray(theta))
        return np.array(
            [np.sum(lam * (M @ lam)) for lam, M in zip(lams, self.moments, strict=True)]
        )

    def __call__(self, theta) -> float:
        variances = self.variances(theta)
        total = self.residual + variances @ self.among
        return float(variances @ self.own / total) if total > 0 else np.nan

    def slopes(self, theta) -> np.ndarray:
        """Derivatives by θ."""
        h = 1e-6 * np.maximum(np.abs(theta), 1e-2)
        moves = zip(np.diag(h), h, strict=True)
        return np.array([(self(theta + e) - self(theta - e)) / (2 * d) for e, d in moves])


def _names(among, groups: list[str]) -> list[str]:
    if not isinstance(among, Iterable):
        raise OptionError(f"among must be names of variance components, not {shown(among)}")
    names = [among] if isinstance(among, str) else list(among)
    for name in names:
        if name not in (*groups, RESIDUAL):
            near = did_you_mean(str(name), [*groups, RESIDUAL])
            raise OptionError(
                f"among: {shown(name)} is no variance component of the model{near}; there are "
                f"{', '.join([*groups, RESIDUAL])}"
            )
    return names


def _standard_error(model, share: _Share) -> float:
    """By the delta method; NaN where the Hessian is not positive definite."""
    if model.residual_side is not None:
        return _error_beside_dispersions(model, share)
    theta, slopes = model.theta, share.slopes(model.theta)
    H = _hessian(model)
    active = np.abs(slopes) > 0
    try:
        covariance = 2 * np.linalg.inv(H)[-len(theta) :, -len(theta) :]
    except np.linalg.LinAlgError:
        return np.nan
    variance = slopes @ covariance @ slopes
    return float(np.sqrt(variance)) if active.any() and variance >= 0 else np.nan


def _error_beside_dispersions(model, share: _Share) -> float:
    """The same where the residuals' mean variance depends on parameters, too."""
    from numbamm.inference.profiling.residual_surface import ResidualSurface

    surface, side = ResidualSurface(model), model.residual_side
    weights = 1.0 if model.frame.weights is None else model.frame.weights

    def mean_variance(phi) -> float:
        return np.mean(np.exp(2 * side.scales.values(phi[: side.scales.size])) / weights)

    at_estimates = mean_variance(side.phi)

    def value(x) -> float:
        residual = share.residual * mean_variance(surface.phi(x)) / at_estimates
        return replace(share, residual=residual)(surface.theta_values(x))

    return float(surface.standard_errors(value))


def _hessian(model) -> np.ndarray:
    """Second derivatives of the criterion of the fit: in θ, after all else that was searched."""
    if model.is_linear:
        twin = model.twin()
        twin.optsum.reml, twin.optsum.sigma = model.criterion["reml"], model.criterion["sigma"]
        return twin.hessian()
    x = np.asarray(model.optsum.final, dtype=np.float64)
    step = 1e-4 * np.maximum(np.abs(x), 0.1)
    if model.optsum.nagq == 1:
        return jacobian(lambda at: model.objective_gradient(at)[1], x, step)
    return hessian(model.objective_at, x, 10 * step)


def _profiled(model, share: _Share, alpha: float) -> np.ndarray:
    """Limits where -2 log-likelihood, the other θ re-estimated, has risen by the quantile."""
    own = np.flatnonzero(share.own)
    if not model.is_linear:
        raise OptionError('interval="profile" is for linear models: take interval="delta"')
    refuse_structure(model, 'interval="profile"', 'take interval="delta"')
    if len(own) > 1 or model.reterms[own[0]].p > 1:
        raise OptionError(
            'interval="profile" is for a factor with one effect a level: take interval="delta"'
        )
    if model.is_streamed or not model.blocks.is_exact:
        raise OptionError('interval="profile" needs an exact fit: take interval="delta"')
    limit = float(chdtri(1, alpha))
    return np.array([_limit(model, share, int(own[0]), limit, side) for side in (-1.0, 1.0)])


def _limit(model, share: _Share, term: int, limit: float, side: float) -> float:
    """The share on one side of the estimate where the deviance has risen by `limit`.

    It is looked for step by step, so that each search begins near the end of the last one.
    """
    deviance = _Deviance(model, share, term)

    def excess(x: float) -> float:
        return deviance(float(expit(x))) - limit

    edge = float(logit(1 - LEAST))
    inside = float(np.clip(logit(share(model.theta)), -edge, edge))
    while abs(inside) < edge or inside * side < 0:
        outside = float(np.clip(inside + side, -edge, edge))
        if excess(outside) > 0:
            return float(expit(brentq(excess, *sorted((inside, outside)), xtol=1e-5)))
        inside = outside
    return 0.5 + side / 2


class _Deviance:
    """-2 log-likelihood at a share, less its minimum, with all other θ at their best."""

    def __init__(self, model, share: _Share, term: int) -> None:
        twin = model.twin()
        twin.optsum.reml, twin.optsum.sigma = model.criterion["reml"], model.criterion["sigma"]
        places = share.joint.split(np.arange(len(model.theta)))
        self._at = int(places[term][0])
        self._others = np.delete(np.arange(len(model.theta)), self._at)
        self._gradient: Callable = twin.objective_gradient
        self._share, self._term = share, term
        self._scale = np.maximum(np.abs(model.theta[self._others]), 0.1)
        self._least, self._near = twin.objective_at(model.theta), model.theta[self._others]

    def __call__(self, h: float) -> float:
        if not len(self._others):
            return self._gradient(self._theta(h, self._near)[0])[0] - self._least

        def value(z):
            theta, slopes = self._theta(h, z * self._scale)
            f, g = self._gradient(theta)
            return f, self._scale * (g[self._others] + g[self._at] * slopes)

        found = minimize(value, self._near / self._scale, jac=True, method="BFGS")
        if not np.isfinite(found.fun):
            raise FitError(f"the likelihood cannot be evaluated at a share of {h:.3g}")
        self._near = found.x * self._scale
        return found.fun - self._least

    def _theta(self, h: float, others) -> tuple[np.ndarray, np.ndarray]:
        """θ with this share, and the derivatives of its own θ by the others."""
        share, theta = self._share, np.empty(len(self._others) + 1)
        theta[self._others], theta[self._at] = others, 0.0
        ratio = h / (1 - h) / share.moments[self._term][0, 0]

        def rest(at) -> float:
            return float(share.residual + share.variances(at) @ share.among)

        theta[self._at] = own = np.sqrt(ratio * rest(theta))
        slopes = np.zeros(len(self._others))
        base = theta.copy()
        base[self._at] = 0.0
        for i, k in enumerate(self._others):
            step = np.zeros(len(theta))
            step[k] = 1e-6 * max(abs(theta[k]), 1e-2)
            slopes[i] = (rest(base + step) - rest(base - step)) / (2 * step[k])
        return theta, slopes * ratio / (2 * own) if own > 0 else slopes


def _notes(model, share: _Share, interval: str, alpha: float) -> list[str]:
    kind = "the delta method on the logit scale" if interval == "delta" else "profile likelihood"
    notes = [f"Share of {' + '.join(share.names)}; {100 * (1 - alpha):g} % interval by {kind}."]
    for term, among in zip(model.reterms, share.among, strict=True):
        if among and term.relation is not None:
            mean = float(term.relation.variances[term.refs].mean())
            if not 1 / UNUSUAL < mean < UNUSUAL:
                notes.append(
                    f"The diagonal of {term.relation.name} is {mean:.3g} on average over the rows, "
                    "and the share that of a level where it is 1: icc() takes it as it is."
                )
    if not model.is_linear:
        notes.append("On the scale of the linear predictor.")
    return notes

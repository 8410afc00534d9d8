"""New responses from a model: random effects and responses drawn from its distributions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from numbamm.errors import DataError, OptionError, did_you_mean
from numbamm.glm import family as families
from numbamm.inference.prediction.re_form import chosen_effects
from numbamm.inference.prediction.rows import Rows, row_weights
from numbamm.inference.random.components import Components

if TYPE_CHECKING:
    import pandas as pd

#: Parameters in order, or by name.
Vector = ArrayLike | Mapping[str, float]

#: Families into whose distributions prior weights, as counts of rows, do not enter.
UNWEIGHTED = ("bernoulli", "poisson", "negativebinomial")


def simulate(
    model,
    seed: int | np.random.Generator | None = None,
    *,
    newdata=None,
    re_form: str | Iterable[str] | None = "none",
    weights: str | ArrayLike | None = None,
    beta: Vector | None = None,
    theta: Vector | None = None,
    cov: Mapping[str, ArrayLike] | None = None,
    sigma: float | None = None,
    shape: float | None = None,
) -> pd.Series:
    """A response for every row, from the model at its estimates or at given parameters.

    Parameters
    ----------
    model : MixedModel
        Fitted, unless `beta`, `theta` and `sigma` are given.
    seed : int, numpy.random.Generator, optional
        What makes the draws reproducible.
    newdata : frame or dict of arrays, optional
        The rows to draw for; those of the fit, if not given. The response is not needed. Levels
        that the fit has not seen have random effects drawn like the others.
    re_form : None, str or list of str
        Which terms keep the random effects of the fit, as for `predict`: ``"none"``, so that
        all are drawn anew; None or ``"all"``; grouping factors; whole terms. New levels are
        drawn in any case.
    weights : str or array, optional
        Prior weights of new rows, numbers of trials for binomial models. If not given, the
        column that the fit had; ones, if it had none. Poisson, negative binomial and Bernoulli
        responses are drawn without.
    beta : array-like of shape (rank,), or dict by name, optional
        Coefficients of the kept columns.
    theta : array-like of shape (number of θ,), or dict by name, optional
    cov : dict, optional
        In the place of `theta`, covariance matrices of the random effects by grouping factor; of
        a single effect its variance.
    sigma : float, optional
        Residual standard deviation, or the square root of the dispersion; for families that
        have one.
    shape : float, optional
        Shape of the negative binomial.

    Returns
    -------
    pandas.Series
        Over the rows of the data, what `refit` takes; or over the new rows. NaN where a row was
        dropped or misses a value. Proportions for a binomial model.

    Raises
    ------
    DataError
        A column is missing, or numbers of trials are not whole.
    NotFittedError
        Parameters are missing that only a fit has.
    OptionError
        Parameters or options do not fit the model.
    """
    at = Truth.given(model, beta, theta, cov, sigma, shape)
    held = _held(model, re_form)
    if newdata is None:
        rows = Rows.of_fit(model, weights)
    else:
        given = weights_to_draw(model, weights)
        rows = Rows.new(model, newdata, range(len(model.reterms)), given)
    y = respond(model, rows, at, held, generator(seed))
    return rows.aligned(y, model.frame.response)


def generator(seed) -> np.random.Generator:
    """What draws; a generator is taken as it is."""
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"seed must be a whole number from 0 on, or a numpy Generator, not {seed!r}"
        ) from error


def respond(model, rows: Rows, at: Truth, held: list[bool], rng) -> np.ndarray:
    """A response for every row, NaN where a value is missing.

    Parameters
    ----------
    model : MixedModel
    rows : Rows
        With all terms.
    at : Truth
    held : list of bool
        Which terms keep the random effects of the fit, but for new levels.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (n,)
    """
    effects = []
    lambdas = Components.of(model).lambdas(at.theta)
    for k, (term, unseen, lam) in enumerate(zip(model.reterms, rows.unseen, lambdas, strict=True)):
        b = at.sigma * rng.standard_normal((term.nlevels + len(unseen), term.p)) @ lam.T
        if held[k]:
            b[: term.nlevels] = model.b[k]
        effects.append(b)
    eta = rows.linear_predictor(at.beta, effects)
    there = np.flatnonzero(~np.isnan(eta))
    w = trials_or_weights(model, rows)[there]
    y = np.full(len(eta), np.nan)
    mu = model._mean(eta[there])
    y[there] = draw(rng, model._family_code, mu, w, at.sigma**2, at.shape)
    return y


def trials_or_weights(model, rows: Rows) -> np.ndarray:
    """The prior weights by which responses are distributed, shape (n,).

    Raises
    ------
    DataError
        If numbers of trials are not whole.
    """
    if rows.weights is None or model.family in UNWEIGHTED:
        return np.ones(len(rows.X))
    w = rows.weights
    if model._family_code == families.BINOMIAL and (w % 1 > 0).any():
        raise DataError("numbers of trials must be whole to draw from a binomial distribution")
    return w


@dataclass
class Truth:
    """The parameters at which responses are drawn.

    Attributes
    ----------
    beta : ndarray, shape (rank,)
    theta : ndarray, shape (number of θ,)
    sigma : float
        1 for families without a dispersion.
    shape : float
        0 but for the negative binomial.
    """

    beta: np.ndarray
    theta: np.ndarray
    sigma: float
    shape: float

    @classmethod
    def given(cls, model, beta, theta, cov, sigma, shape) -> Truth:
        """What is given, and the rest as estimated."""
        beta = _vector(
            "beta", model.estimates.beta if beta is None else beta, model.feterm.kept_names
        )
        if model._family_code in families.DISPERSED:
            sigma = _positive("sigma", _own_sigma(model) if sigma is None else sigma)
        else:
            sigma = _absent("sigma", sigma, 1.0, "families with a dispersion")
        if model._family_code == families.NEGATIVE_BINOMIAL:
            shape = model.shape if shape is None else shape
            shape = shape if shape == np.inf else _positive("shape", shape)
        else:
            shape = _absent("shape", shape, 0.0, "the negative binomial")
        if cov is not None:
            if theta is not None:
                raise OptionError("theta and cov say the same: give one of them")
            theta = _theta(model, cov, sigma)
        elif theta is None:
            _ = model.estimates  # before a fit, θ is but a start
            theta = model.theta
        theta = _vector("theta", theta, model.theta_names)
        return cls(beta, theta, sigma, shape)


def _own_sigma(model) -> float:
    """The estimate, or before a fit what is known."""
    known = None if model.is_fitted else model.optsum.sigma
    return model.sigma if known is None else known


def _held(model, re_form) -> list[bool]:
    """The terms that keep the random effects of the fit."""
    chosen = chosen_effects(model, re_form)
    for term, some in zip(model.reterms, chosen, strict=True):
        if some.any() and not some.all():
            raise OptionError(
                f"re_form: a simulation keeps all random effects of a term, or draws them: "
                f"({' + '.join(term.cnames)} | {term.group})"
            )
    return [bool(some.any()) for some in chosen]


def weights_to_draw(model, given):
    """Prior weights of new rows, given or the column that the fit had, where they take part.

    Raises
    ------
    OptionError
        They take no part in the family's distribution, or the fit's are none of new rows.
    """
    refuse_weights(model.family, given)
    return None if model.family in UNWEIGHTED else row_weights(model, given)


def refuse_weights(family: str, given) -> None:
    """Refuse given weights that take no part in the family's distribution."""
    if given is not None and family in UNWEIGHTED:
        raise OptionError(f"weights take no part in the distribution of {family} responses")


def _theta(model, cov, sigma: float) -> np.ndarray:
    """θ at covariance matrices of the random effects, by grouping factor."""
    groups = [term.group for term in model.reterms]
    if not isinstance(cov, Mapping) or set(cov) != set(groups):
        raise OptionError(f"cov is a dict with covariance matrices for {', '.join(groups)}")
    return np.concatenate([_factor(term, cov[term.group]) for term in model.reterms]) / sigma


def _factor(term, V) -> np.ndarray:
    """The entries on a term's template of the Cholesky factor, which may lack rank."""
    whose = f"cov of '{term.group}'"
    if hasattr(V, "reindex"):
        V = V.reindex(index=term.cnames, columns=term.cnames)
    V = np.atleast_2d(_floats(whose, V))
    if V.shape != (term.p, term.p):
        columns = ", ".join(term.cnames)
        raise OptionError(f"{whose} is of order {term.p} ({columns}), not of shape {V.shape}")
    if not np.isfinite(V).all():
        raise OptionError(f"{whose} must have finite numbers for {', '.join(term.cnames)}")
    values, vectors = np.linalg.eigh(V)
    if not np.allclose(V, V.T) or values[0] < -1e-10 * abs(values[-1]):
        raise OptionError(f"{whose} is no covariance matrix")
    root = np.linalg.qr(np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T)[1].T
    entries = (root * np.where(np.diag(root) < 0, -1.0, 1.0)).ravel()
    others = np.delete(entries, term.inds)
    if (np.abs(others) > 1e-6 * np.sqrt(values[-1])).any():
        raise OptionError(f"{whose} has covariances that are none of the model's parameters")
    return entries[term.inds]


def _floats(name: str, values) -> np.ndarray:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise OptionError(f"{name} must be numbers, not {values!r}") from None


def _positive(name: str, value) -> float:
    if not (isinstance(value, Real) and 0 < value < np.inf):
        raise OptionError(f"{name} must be a positive number, not {value!r}")
    return float(value)


def _absent(name: str, value, default: float, whose: str) -> float:
    """A parameter that the family does not have."""
    if value is not None and value != default:
        raise OptionError(f"{name} belongs to {whose} alone")
    return default


def mean_range(family: int) -> tuple[float, float]:
    """The least and the greatest mean of which a family's responses can be drawn."""
    if family == families.BINOMIAL:
        return 0.0, 1.0
    if family in (families.POISSON, families.NEGATIVE_BINOMIAL):
        return 0.0, 1e18  # whole numbers of 64 bits
    if family in (families.GAMMA, families.INVERSE_GAUSSIAN):
        return float(np.finfo(np.float64).tiny), float(np.finfo(np.float64).max)
    return -np.inf, np.inf


def draw(rng, family: int, mu, w, phi: float, shape: float | None) -> np.ndarray:
    """Responses of the family.

    Parameters
    ----------
    rng : numpy.random.Generator
    family : int
        Code in `numbamm.glm.family`.
    mu, w : ndarray, shape (n,)
        Means and prior weights.
    phi, shape : float
        Dispersion, and shape of the negative binomial.

    Returns
    -------
    ndarray, shape (n,)

    Raises
    ------
    DataError
        A mean is none of the family, as a link that is not the usual one may give.
    """
    least, most = mean_range(family)
    outside = ~((mu >= least) & (mu <= most))
    if outside.any():
        name = next(name for name, code in families.NAMES.items() if code == family)
        raise DataError(
            f"no {name} response has a mean of {mu[outside][0]:.6g}, as the linear predictor "
            f"says in {outside.sum()} rows: the link lets it leave the family's range"
        )
    if family == families.BINOMIAL:
        return rng.binomial(w.astype(np.int64), mu) / w
    if family == families.POISSON:
        return rng.poisson(mu).astype(np.float64)
    if family == families.NEGATIVE_BINOMIAL:
        spread = rng.gamma(shape, 1 / shape, len(mu)) if shape < np.inf else 1.0
        return rng.poisson(mu * spread).astype(np.float64)
    if family == families.GAMMA:
        return rng.gamma(w / phi, mu * phi / w)
    if family == families.INVERSE_GAUSSIAN:
        return rng.wald(mu, w / phi)
    return rng.normal(mu, np.sqrt(phi / w))


def _vector(name: str, values, names: list[str]) -> np.ndarray:
    """Values in the order of the names; a mapping has them by name."""
    if hasattr(values, "keys"):
        unknown = [str(key) for key in values.keys() if key not in names]
        absent = [key for key in names if key not in values]
        if unknown or absent:
            hint = did_you_mean(unknown[0], names) if unknown else ""
            what = f"has no '{unknown[0]}'" if unknown else f"needs '{absent[0]}'"
            raise OptionError(f"{name} {what}{hint}: it has {', '.join(names)}")
        values = [values[key] for key in names]
    values = _floats(name, values)
    if values.shape != (len(names),) or not np.isfinite(values).all():
        listed = f" ({', '.join(names)})" if names else ""
        raise OptionError(f"{name} must be {len(names)} finite numbers{listed}, not {values!r}")
    return values

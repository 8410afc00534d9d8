"""New responses from a model: random effects and responses drawn from its distributions."""

from __future__ import annotations

import numpy as np

from numbamm.errors import DataError, OptionError
from numbamm.glm import family as families


def simulate(model, seed=None, *, beta=None, theta=None, sigma=None, shape=None):
    """A response for every row, from the model at its estimates or at given parameters.

    Parameters
    ----------
    model : MixedModel
        Fitted, unless `beta`, `theta` and `sigma` are given.
    seed : int, numpy.random.Generator, optional
        What makes the draws reproducible.
    beta : array-like, shape (rank,), optional
        Coefficients of the kept columns.
    theta : array-like, shape (number of θ,), optional
    sigma : float, optional
        Residual standard deviation, or the square root of the dispersion; for families that
        have one.
    shape : float, optional
        Shape of the negative binomial.

    Returns
    -------
    pandas.Series
        What `refit` takes, over the rows of the data; NaN where a row was dropped. Proportions
        for a binomial model.

    Raises
    ------
    DataError
        If numbers of trials are not whole.
    NotFittedError
        If parameters are missing that only a fit has.
    OptionError
        If parameters do not fit the model.
    """
    rng = np.random.default_rng(seed)
    beta = model.estimates.beta if beta is None else _vector("beta", beta, model.feterm.rank)
    theta = model.theta if theta is None else _vector("theta", theta, len(model.theta))
    family = model._family_code
    if family not in families.DISPERSED:
        sigma = _given("sigma", None if sigma == 1 else sigma, 1.0, "families with a dispersion")
    sigma = model.sigma if sigma is None else float(sigma)
    if family == families.NEGATIVE_BINOMIAL:
        shape = model.shape if shape is None else float(shape)
    else:
        shape = _given("shape", shape, 0.0, "the negative binomial")
    frame, at = model.frame, 0
    eta = frame.X[:, model.feterm.kept] @ beta
    if frame.offset is not None:
        eta = eta + frame.offset
    for term in model.reterms:
        lam = np.zeros((term.p, term.p))
        lam.ravel()[term.inds] = theta[at : at + len(term.inds)]
        at += len(term.inds)
        b = sigma * rng.standard_normal((term.nlevels, term.p)) @ lam.T
        eta = eta + np.einsum("pn,np->n", term.z, b[term.refs])
    w = np.ones(model.nobs) if frame.weights is None else frame.weights
    if family in (families.POISSON, families.NEGATIVE_BINOMIAL) or _one_trial(model):
        w = np.ones(model.nobs)  # there a prior weight counts rows, and is no precision
    elif family == families.BINOMIAL and (w != np.round(w)).any():
        raise DataError("numbers of trials must be whole to draw from a binomial distribution")
    y = draw(rng, family, model._mean(eta), w, sigma**2, shape)
    return model._aligned(y, frame.response)


def _one_trial(model) -> bool:
    return getattr(model, "family", None) == "bernoulli"


def _given(name: str, value, default: float, whose: str) -> float:
    """A parameter that the family does not have."""
    if value is not None:
        raise OptionError(f"{name} belongs to {whose} alone")
    return default


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
    """
    if family == families.BINOMIAL:
        return rng.binomial(w.astype(np.int64), mu) / w
    if family == families.POISSON:
        return rng.poisson(mu).astype(np.float64)
    if family == families.NEGATIVE_BINOMIAL:
        return rng.poisson(mu * rng.gamma(shape, 1 / shape, len(mu))).astype(np.float64)
    if family == families.GAMMA:
        return rng.gamma(w / phi, mu * phi / w)
    if family == families.INVERSE_GAUSSIAN:
        return rng.wald(mu, w / phi)
    return rng.normal(mu, np.sqrt(phi / w))


def _vector(name: str, values, length: int) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.shape != (length,) or not np.isfinite(values).all():
        raise OptionError(f"{name} must be {length} finite numbers, not {values!r}")
    return values

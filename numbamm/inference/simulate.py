"""New responses from a model: random effects and responses drawn from its distributions."""

from __future__ import annotations

import numpy as np

from numbamm.errors import OptionError
from numbamm.glm import family as families


def simulate(model, seed=None, *, beta=None, theta=None, sigma=None):
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
        Residual standard deviation, or the square root of the dispersion.

    Returns
    -------
    pandas.Series
        What `refit` takes, over the rows of the data; NaN where a row was dropped. Proportions
        for a binomial model.

    Raises
    ------
    NotFittedError
        If parameters are missing that only a fit has.
    OptionError
        If parameters do not fit the model.
    """
    rng = np.random.default_rng(seed)
    beta = model.estimates.beta if beta is None else _vector("beta", beta, model.feterm.rank)
    theta = model.theta if theta is None else _vector("theta", theta, len(model.theta))
    sigma = model.sigma if sigma is None else float(sigma)
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
    y = draw(rng, model._family_code, model._mean(eta), w, sigma**2, getattr(model, "shape", None))
    return model._aligned(y, frame.response)


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
        return rng.binomial(np.round(w).astype(np.int64), mu) / w
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

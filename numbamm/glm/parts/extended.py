"""Log-densities of the families of one predictor, for models with more of them.

Kept apart from the records in `families`, which plain models import, and do without jets.
"""

from __future__ import annotations

import math
from dataclasses import fields, replace
from functools import cache

import numpy as np

from numbamm.errors import OptionError
from numbamm.glm.family import Family
from numbamm.glm.parts.parameter import Parameter
from numbamm.glm.parts.special import HALF_LOG_TAU, log_factorial, log_rise, remainder


def poisson_density(y, mu):
    return y * math.log(mu) - mu - log_factorial(y)


def nbinom2_density(y, mu, shape):
    f = log_rise(shape, y) - log_factorial(y) - shape * math.log1p(mu / shape)
    return f + y * math.log(mu / (1.0 + mu / shape))


def binomial_density(y, mu, rest, w):
    hits = y * w
    f = log_factorial(w) - log_factorial(hits) - log_factorial(w - hits)
    return hits * math.log(mu) + (w - hits) * math.log(rest) + f


def gaussian_density(y, mu, w, dispersion):
    z = (y - mu) / dispersion
    return -0.5 * w * z * z - math.log(dispersion) + 0.5 * math.log(w) - HALF_LOG_TAU


def gamma_density(y, mu, w, dispersion):
    """The log-density, in terms that are small where φ is small and y close to μ."""
    shape = w / dispersion
    ratio = y / mu
    f = shape * (math.log(ratio) - ratio + 1.0) + 0.5 * math.log(shape)
    return f - HALF_LOG_TAU - remainder(shape) - math.log(y)


def inversegaussian_density(y, mu, w, dispersion):
    z = (y - mu) / mu
    f = -0.5 * w * z * z / (y * dispersion) - 0.5 * math.log(dispersion)
    return f + (0.5 * math.log(w) - HALF_LOG_TAU - 1.5 * math.log(y))


def _scipy(name: str, *arguments):
    import scipy.stats

    return getattr(scipy.stats, name)(*arguments)


def _nbinom(mu, shape):
    return _scipy("nbinom", shape, shape / (shape + mu))


def _wald(mu, w, dispersion):
    return _scipy("invgauss", mu * dispersion / w, 0, w / dispersion)


_COMMON = {"rows": None, "fused": {}, "dispersed": False, "has_shape": False, "dispersion": None}
_GAMMA = Parameter("dispersion", starts=tuple(np.arange(-9.0, 6.0, 1.5)), perfect=-1.0)
_CHANGES = {
    "poisson": {
        "density": poisson_density,
        "truncated": "truncated_poisson",
        "variance": lambda mu: 1.0 * mu,
        "cdf": lambda y, mu: _scipy("poisson", mu).cdf(y),
    },
    "negativebinomial": {
        "density": nbinom2_density,
        "parameters": (Parameter("shape", limit="poisson"),),
        "truncated": "truncated_nbinom2",
        "variance": lambda mu, shape: mu + mu**2 / shape,
        "cdf": lambda y, mu, shape: _nbinom(mu, shape).cdf(y),
        "draw": lambda rng, mu, shape: rng.poisson(
            mu * rng.gamma(shape, 1 / np.broadcast_to(shape, mu.shape))
        ).astype(np.float64),
        "quantile": lambda p, mu, shape: _nbinom(mu, shape).ppf(p),
        "zero": lambda mu, shape: np.exp(-shape * np.log1p(mu / shape)),
    },
    "binomial": {
        "density": binomial_density,
        "unit": True,
        "variance": lambda mu, w: mu * (1 - mu) / w,
        "cdf": lambda y, mu, w: _scipy("binom", w, mu).cdf(np.floor(y * w + 1e-9)),
    },
    "bernoulli": {
        "density": binomial_density,
        "unit": True,
        "variance": lambda mu: mu * (1 - mu),
        "cdf": lambda y, mu: np.where(y < 0, 0.0, np.where(y < 1, 1 - mu, 1.0)),
    },
    "gaussian": {
        "density": gaussian_density,
        "normal": False,
        "parameters": (Parameter("dispersion", words="standard deviation", perfect=-1.0),),
        "variance": lambda mu, w, dispersion: dispersion**2 / w + 0.0 * mu,
        "cdf": lambda y, mu, w, dispersion: _scipy("norm", mu, dispersion / np.sqrt(w)).cdf(y),
        "draw": lambda rng, mu, w, dispersion: rng.normal(mu, dispersion / np.sqrt(w)),
        "quantile": lambda p, mu, w, dispersion: _scipy("norm", mu, dispersion / np.sqrt(w)).ppf(p),
        "zero": lambda mu: 0.0 * mu,
    },
    "gamma": {
        "density": gamma_density,
        "parameters": (_GAMMA,),
        "variance": lambda mu, w, dispersion: dispersion * mu**2 / w,
        "cdf": lambda y, mu, w, dispersion: _scipy(
            "gamma", w / dispersion, 0, mu * dispersion / w
        ).cdf(y),
        "draw": lambda rng, mu, w, dispersion: rng.gamma(w / dispersion, mu * dispersion / w),
        "quantile": lambda p, mu, w, dispersion: _scipy(
            "gamma", w / dispersion, 0, mu * dispersion / w
        ).ppf(p),
        "zero": lambda mu: 0.0 * mu,
    },
    "inversegaussian": {
        "density": inversegaussian_density,
        "parameters": (Parameter("dispersion", perfect=-1.0),),
        "variance": lambda mu, w, dispersion: dispersion * mu**3 / w,
        "cdf": lambda y, mu, w, dispersion: _wald(mu, w, dispersion).cdf(y),
        "draw": lambda rng, mu, w, dispersion: rng.wald(mu, w / dispersion),
        "quantile": lambda p, mu, w, dispersion: _wald(mu, w, dispersion).ppf(p),
        "zero": lambda mu: 0.0 * mu,
    },
}


@cache
def extended(family: Family) -> Family:
    """The family by its log-density, with its parameters.

    Raises
    ------
    OptionError
        The family has no log-density of this kind.
    """
    if family.density is not None:
        return family
    if family.by_density:
        return _of_user(family)
    changes = _CHANGES.get(family.name)
    if changes is None:
        raise OptionError(
            f"the family {family} has no predictors besides that of its mean: dispersion, zi and "
            f"hurdle are for others, such as {', '.join(_CHANGES)}"
        )
    record = replace(family, **_COMMON, **changes)
    object.__setattr__(record, "own", family)
    object.__setattr__(record, "remake", extended)
    return record


def _of_user(family: Family) -> Family:
    """A family of the user's, whose log-density is that of a family of several parameters."""
    from numbamm.glm.logpdf import parameter_names

    names = parameter_names(family.name, family.logpdf)
    given = {f.name: getattr(family, f.name) for f in fields(family)}
    given |= {"logpdf": None, "density": family.logpdf, "has_shape": False}
    first = [Parameter(name) for name in names[:1]]
    given["parameters"] = (*first, *(Parameter(n, starts=(0.0, 1.5, -1.5)) for n in names[1:]))
    record = Family(**given)
    object.__setattr__(record, "own", family)
    object.__setattr__(record, "remake", extended)
    return record

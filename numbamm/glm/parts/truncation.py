"""Zero-truncated counts: moments, quantiles and draws from those without truncation."""

from __future__ import annotations

from inspect import signature
from typing import Any

import numpy as np

#: Attributes that families of positive counts share.
POSITIVE_COUNTS: dict[str, Any] = {
    "link": "log",
    "support": "counts of at least 1",
    "supports": lambda y: y >= 1,
    "counts": True,
    "discrete": True,
    "positive": True,
    "means": (0.0, 1e18),
    "bounds": (0.0,),
}


def truncated(law, variance) -> dict[str, Any]:
    """The functions of a zero-truncated family.

    Parameters
    ----------
    law : callable
        The distribution without truncation, as scipy has it: a function of ``mu`` and the
        family's parameters.
    variance : callable
        Its variance, of the same arguments.
    """
    names = list(signature(law).parameters)

    def mean(*at):
        mu = np.asarray(at[0], dtype=np.float64)
        rest = -np.expm1(law(*at).logpmf(0))
        return np.divide(mu, rest, out=np.ones_like(mu + rest), where=rest > 0)

    def spread(*at):
        rest, centre = -np.expm1(law(*at).logpmf(0)), mean(*at)
        with np.errstate(all="ignore"):
            squares = (variance(*at) + np.asarray(at[0]) ** 2) / rest
        return np.maximum(np.where(rest > 0, squares - centre**2, 0.0), 0.0)

    def cdf(y, *at):
        below = law(*at).pmf(0)
        return np.where(y >= 1, (law(*at).cdf(y) - below) / (1 - below), 0.0)

    def quantile(p, *at):
        below = law(*at).pmf(0)
        return np.maximum(law(*at).ppf(below + p * (1 - below)), 1.0)

    def draw(rng, *at):
        return quantile(rng.uniform(size=len(at[0])), *at)

    return {
        "expectation": _named(mean, names),
        "variance": _named(spread, names),
        "cdf": _named(cdf, ["y", *names]),
        "quantile": _named(quantile, ["p", *names]),
        "draw": _named(draw, ["rng", *names]),
        "zero": _named(lambda *at: np.zeros(np.shape(at[0])), names),
    }


def _named(function, names):
    """The function with arguments of these names, by which families are asked."""
    arguments = ", ".join(names)
    return eval(f"lambda {arguments}: f({arguments})", {"f": function})

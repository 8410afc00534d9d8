"""The zero-truncated negative binomial family; μ and the shape are those without truncation."""

from __future__ import annotations

import math

from numbamm.glm.family import Family
from numbamm.glm.parts.parameter import Parameter
from numbamm.glm.parts.special import log_factorial, log_not, log_rise
from numbamm.glm.parts.truncation import POSITIVE_COUNTS, truncated

WORDS = "zero-truncated negative binomial"


def density(y, mu, shape):
    log_zero = -shape * math.log1p(mu / shape)
    f = log_rise(shape, y) - log_factorial(y) + y * math.log(mu / (1.0 + mu / shape))
    return f + log_zero - log_not(log_zero)


def _law(mu, shape):
    from scipy.stats import nbinom

    return nbinom(shape, shape / (shape + mu))


FAMILY = Family(
    "truncated_nbinom2",
    words=WORDS,
    **POSITIVE_COUNTS,
    aliases=(
        "ztnbinom2",
        "truncatedlfnegativebinomialp",
        "truncated_nbinom",
        "truncated_negativebinomial",
        "ztnb",
        "zero-truncated negative binomial",
    ),
    density=density,
    parameters=(Parameter("shape", limit="truncated_poisson"),),
    **truncated(_law, variance=lambda mu, shape: mu + mu**2 / shape),
)

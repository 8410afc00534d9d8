"""`check_zeroinflation`: whether there are more zeros than the model expects."""

from __future__ import annotations

from numbers import Integral

import numpy as np

from numbamm.errors import OptionError
from numbamm.glm import family as families
from numbamm.inference.diagnostics.overdispersion import SIGNIFICANT
from numbamm.inference.prediction.simulate import generator
from numbamm.report.result import Result


def check_zeroinflation(model, n: int = 0, seed: int | None = None) -> Result:
    """The number of zeros in the response, against what the fitted model expects.

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
        Fitted; Poisson, negative binomial, or binomial with several trials.
    n : int
        How many responses to draw from the model, random effects drawn anew; 0 for none.
    seed : int, numpy.random.Generator, optional
        What makes these reproducible.

    Returns
    -------
    Result
        A line ``conditional``: zeros ``observed`` and ``expected`` given the modes of the random
        effects, their ``ratio``, and ``pvalue``, the probability of so many zeros or more. With
        `n`, a line ``simulated`` that says the same of the responses drawn.

    Raises
    ------
    NotFittedError
    OptionError
        The family has no zeros, or the responses are single trials.

    Notes
    -----
    The expected number is Σ P(y = 0), with P by the family at each row's conditional mean; its
    p-value is by the normal approximation with variance Σ P (1 - P). Since the means were
    estimated from the same rows it is on the large side. Prior weights of counts are numbers of
    rows.
    """
    import pandas as pd
    from scipy.stats import norm

    estimates, y = model.estimates, model.frame.y
    if isinstance(n, bool) or not isinstance(n, Integral) or n < 0:
        raise OptionError(f"n must be a number of responses to draw, not {n!r}")
    code = model._family_code
    if code in families.DISPERSED:
        raise OptionError(f"the {model.family} family has no zeros to count")
    if code == families.BINOMIAL and not model._is_counts:
        raise OptionError("zeros of single trials are what the model fits: there is no excess")
    rows = np.ones(len(y)) if code == families.BINOMIAL else model._prior
    P = _zero(code, estimates.shape or model.shape, estimates.fitted, model._prior)
    observed, expected = rows @ (y == 0), rows @ P
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (observed - 0.5 - expected) / np.sqrt(rows @ (P * (1 - P)))
    lines = {"conditional": (observed, expected, float(norm.sf(z)))}
    if n:
        rng = generator(seed)
        used = model.frame.rows
        drawn = np.array([rows @ (model.simulate(rng).to_numpy()[used] == 0) for _ in range(n)])
        p = (1 + np.sum(drawn >= observed)) / (1 + n)
        lines["simulated"] = (observed, drawn.mean(), float(p))
    frame = pd.DataFrame.from_dict(
        lines, orient="index", columns=["observed", "expected", "pvalue"]
    )
    frame.insert(2, "ratio", frame["observed"] / frame["expected"])
    note = "No sign of zero-inflation."
    if (frame["pvalue"] < SIGNIFICANT).all():
        note = "More zeros than the model expects."
        if model.family == "poisson":
            note += " A negative binomial family may serve."
    return Result(f"Zeros of the {model.family} response", frame, [note])


def _zero(family: int, shape: float | None, mu, w) -> np.ndarray:
    """Probability of a zero in each row, `w` being the trials of the binomial family."""
    if family == families.BINOMIAL:
        return np.exp(w * np.log1p(-mu))
    if family == families.NEGATIVE_BINOMIAL and shape < np.inf:
        return np.exp(-shape * np.log1p(mu / shape))
    return np.exp(-mu)

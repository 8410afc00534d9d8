"""`check_zeroinflation`: whether there are more zeros than the model expects."""

from __future__ import annotations

from numbers import Integral

import numpy as np

from numbamm.elsewhere import names_arguments
from numbamm.errors import OptionError
from numbamm.inference.diagnostics.overdispersion import SIGNIFICANT
from numbamm.inference.prediction.simulate import generator
from numbamm.report.result import Result


@names_arguments
def check_zeroinflation(model, n: int = 0, seed: int | None = None) -> Result:
    """Compare the number of zeros in the response with the number that the model expects.

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
        A fitted Poisson or negative binomial model, or a binomial one with several trials.
    n : int
        Number of responses to simulate, with new random effects; 0 for none.
    seed : int, numpy.random.Generator, optional
        Makes the simulation reproducible.

    Returns
    -------
    Result
        A row ``conditional``: zeros ``observed`` and ``expected`` given the conditional modes of
        the random effects, their ``ratio``, and ``pvalue``, the probability of at least as many
        zeros. With `n`, a row ``simulated`` with the same for the simulated responses.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        The family has no zeros, or the responses are single trials.

    See Also
    --------
    check_overdispersion : More variation than the family implies.

    Notes
    -----
    The expected number is Σ P(y = 0), with the family's probabilities at each row's conditional
    mean. The p-value uses the normal approximation with variance Σ P (1 - P). It is rather too
    large, since the means were estimated from the same rows. Prior weights of counts are numbers
    of equal rows.

    Examples
    --------
    >>> import numbamm as mm
    >>> cbpp = mm.datasets.load("cbpp")
    >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    >>> g = mm.glmm(formula, cbpp, "binomial")
    >>> found = g.check_zeroinflation().frame
    >>> int(found["observed"].iloc[0]), round(float(found["expected"].iloc[0]), 2)
    (22, 18.99)
    """
    import pandas as pd
    from scipy.stats import norm

    estimates, y = model.estimates, model.frame.y
    if isinstance(n, bool) or not isinstance(n, Integral) or n < 0:
        raise OptionError(f"n must be a number of responses to simulate, at least 0, not {n!r}")
    family = model.family_record
    continuous = model.composition is not None and not model.fitted_distribution.zeros().any()
    if (family.zero is None and not family.by_density) or continuous:
        raise OptionError(
            f"responses of the {family} family are not counts: there are no zeros to check"
        )
    single = family.proportions and not model.may_be_overdispersed
    if single and (model.composition is None or not (model.prior_weights > 1).any()):
        raise OptionError(
            "the model fits the zeros of single trials themselves: there can be no excess of them"
        )
    rows = model.prior_weights if family.counts else np.ones(len(y))
    if model.composition is not None:
        P = model.fitted_distribution.zeros()
    else:
        P = family.zeros(estimates.fitted, model.prior_weights, estimates.shape or model.shape)
    observed, expected = rows @ (y == 0), rows @ P
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (observed - 0.5 - expected) / np.sqrt(rows @ (P * (1 - P)))
    lines = {"conditional": (observed, expected, float(norm.sf(z)))}
    if n:
        rng = generator(seed)
        used = model.frame.rows
        simulated = np.array([rows @ (model.simulate(rng).to_numpy()[used] == 0) for _ in range(n)])
        p = (1 + np.sum(simulated >= observed)) / (1 + n)
        lines["simulated"] = (observed, simulated.mean(), float(p))
    frame = pd.DataFrame.from_dict(
        lines, orient="index", columns=["observed", "expected", "pvalue"]
    )
    frame.insert(2, "ratio", frame["observed"] / frame["expected"])
    note = "No sign of zero-inflation."
    if (frame["pvalue"] < SIGNIFICANT).all():
        note = "More zeros than the model expects."
        if family.wider:
            note += f" A {family.wider} family may help."
    return Result(f"Zeros of the {family} response", frame, [note])

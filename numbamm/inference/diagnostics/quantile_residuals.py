"""`quantile_residuals`: residuals that are standard normal if the model is right."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from numbamm.errors import OptionError
from numbamm.inference.diagnostics.influence import influence
from numbamm.inference.prediction.simulate import generator

#: Number of responses that are drawn for each row, and in all.
DRAWS, MOST_DRAWS, FEWEST_DRAWS = 500, 20_000_000, 50


def quantile_residuals(model, seed: int | None = 0) -> np.ndarray:
    """Residuals of the rows used, standard normal given the random effects if the model is right.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    seed : int, optional
        Seed of the draws for generalized models.

    Returns
    -------
    ndarray, shape (nobs,)
        For linear models studentized residuals, NaN where the leverage is 1; normalized ones,
        where residuals are correlated. For generalized ones
        Φ⁻¹ of the place of the response among responses drawn at the conditional means, random
        among equal ones.

    Raises
    ------
    OptionError
        A family of the user's own does not say how responses are drawn.

    References
    ----------
    Dunn & Smyth, 1996, J. Comput. Graph. Stat. 5, 236.
    """
    side = model.residual_side
    if side is not None and side.texts.residual is not None:
        return model.residuals("normalized").to_numpy()[model.frame.rows]
    if model.is_linear:
        return influence(model)["studentized"].to_numpy()[model.frame.rows]
    if model.has_categories:
        raise OptionError(
            "ordered categories have no such residuals: simulated_residuals() has those that have"
        )
    if model.composition is not None:
        law, y = model.fitted_distribution, model.frame.y
        below = law.below(y)
        place = below + (law.cdf(y) - below) * generator(seed).uniform(size=len(y))
        return ndtri(np.clip(place, np.finfo(float).tiny, 1 - np.finfo(float).epsneg))
    y, mu, rng = model.frame.y, model.estimates.fitted, generator(seed)
    mu = np.clip(mu, *model.family_record.means)
    w = np.ones(len(y)) if model.frame.weights is None else model.frame.weights
    draws = int(np.clip(MOST_DRAWS // len(y), FEWEST_DRAWS, DRAWS))
    below, equal = np.zeros(len(y)), np.zeros(len(y))
    for _ in range(draws):
        drawn = model.family_record.draws(rng, mu, w, model.sigma**2, model.shape)
        below += drawn < y
        equal += drawn == y
    place = below + (equal + 1) * rng.uniform(size=len(y))
    return ndtri(place / (draws + 1))

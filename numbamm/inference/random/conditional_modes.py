"""`ranef` and `coef`: conditional modes of the random effects, and coefficients by level."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtri

from numbamm.inference.random.effect_frames import EffectFrames
from numbamm.options import flag, valid_alpha


def ranef(model, condvar: bool = False, alpha: float = 0.05) -> EffectFrames | pd.DataFrame:
    """Conditional modes of the random effects.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    condvar : bool
        Return also conditional standard deviations and intervals, all in one frame.
    alpha : float
        One minus the coverage of these intervals.

    Returns
    -------
    EffectFrames, a dict of str to pandas.DataFrame, or pandas.DataFrame
        For each grouping factor a frame with a row per level and a column per random effect;
        its method `plot` draws them.
        With `condvar` one frame with a row per random effect and level, and columns ``group,
        term, level, condval, condsd, lower, upper``: the grouping factor, the column left of the
        bar, the factor's level, the conditional mode, its standard deviation given β, θ and σ,
        and a normal interval.

    Raises
    ------
    NotFittedError, OptionError
    """
    if flag("condvar", condvar):
        return _with_intervals(model, alpha)
    return EffectFrames(frames_by_factor(model.reterms, model.b), model, "ranef")


def frames_by_factor(terms, effects) -> dict[str, pd.DataFrame]:
    """Effects of each term as frames by grouping factor; terms on one factor stand side by side.

    Parameters
    ----------
    terms : list of ReMat
    effects : list of ndarray, shape (levels, p)
        For each term a row per level and a column per random effect.
    """
    frames: dict = {}
    for term, values in zip(terms, effects, strict=True):
        frame = pd.DataFrame(values, index=pd.Index(term.levels, name=term.group))
        frame.columns = term.cnames
        before = frames.get(term.group)
        frames[term.group] = frame if before is None else pd.concat([before, frame], axis=1)
    return frames


def _with_intervals(model, alpha: float) -> pd.DataFrame:
    """Modes, their conditional standard deviations and normal intervals, a row per mode."""
    half = ndtri(1 - valid_alpha(alpha) / 2)
    modes, variances = ranef(model), model.condvar()
    parts = []
    for group, frame in modes.items():
        q, p = frame.shape
        sd = np.sqrt(np.einsum("jaa->ja", variances[group].to_numpy().reshape(q, p, p)))
        part = pd.DataFrame({"group": group, "term": np.repeat(frame.columns.to_numpy(), q)})
        part["level"] = np.tile(frame.index.to_numpy(), p)
        part["condval"], part["condsd"] = frame.to_numpy().T.ravel(), sd.T.ravel()
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    table["lower"] = table["condval"] - half * table["condsd"]
    table["upper"] = table["condval"] + half * table["condsd"]
    return table


def coef(model) -> dict[str, pd.DataFrame]:
    """Coefficients by level: fixed effects plus conditional modes of the random effects.

    Parameters
    ----------
    model : MixedModel
        A fitted model.

    Returns
    -------
    dict of str to pandas.DataFrame
        For each grouping factor a frame with a row per level and a column per coefficient: the
        fixed effects plus the factor's random effects of the same names, then random effects
        without a fixed effect of that name.

    Raises
    ------
    NotFittedError
    """
    fixed = model.params
    frames = {}
    for group, modes in model.ranef().items():
        frame = pd.DataFrame(
            np.tile(fixed.to_numpy(), (len(modes), 1)), index=modes.index, columns=fixed.index
        )
        frames[group] = frame.add(modes, fill_value=0.0)[
            [*fixed.index, *(name for name in modes if name not in fixed)]
        ]
    return frames

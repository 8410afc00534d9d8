"""What a fit says of single levels: random effects with intervals, and coefficients."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtri

from numbamm.options import flag, valid_alpha


def ranef(
    model, condvar: bool = False, alpha: float = 0.05
) -> dict[str, pd.DataFrame] | pd.DataFrame:
    """Conditional modes of the random effects.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    condvar : bool
        Give them with their conditional standard deviations and intervals, in one frame.
    alpha : float
        One minus the coverage of these intervals.

    Returns
    -------
    dict of str to pandas.DataFrame, or pandas.DataFrame
        For each grouping factor a frame with a line per level and a column per random effect.
        With `condvar` one frame of a line each, ``group, term, level, condval, condsd, lower,
        upper``: the grouping factor, the column left of the bar, the factor's level, the mode,
        its conditional standard deviation where β, θ and σ are known, and a normal interval.

    Raises
    ------
    NotFittedError, OptionError
    """
    if flag("condvar", condvar):
        return _with_intervals(model, alpha)
    frames: dict = {}
    for term, b in zip(model.reterms, model.b, strict=True):
        frame = pd.DataFrame(b, index=pd.Index(term.levels, name=term.group))
        frame.columns = term.cnames
        seen = frames.get(term.group)
        frames[term.group] = frame if seen is None else pd.concat([seen, frame], axis=1)
    return frames


def _with_intervals(model, alpha: float) -> pd.DataFrame:
    """Modes, their conditional standard deviations and normal intervals, a line each."""
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
        For each grouping factor a frame with a line per level and a column per coefficient:
        those of the fixed effects, to which the factor's random effects of the same names are
        added, and the random effects that belong to no fixed one.

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

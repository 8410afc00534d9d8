"""`ranef` and `coef`: conditional modes of the random effects, and coefficients by level."""

from __future__ import annotations

from typing import Literal, overload

import numpy as np
import pandas as pd
from scipy.special import ndtri

from numbamm.elsewhere import names_arguments
from numbamm.options import flag, grouping_factor, valid_alpha
from numbamm.report.drawn import EffectFrames


@overload
def ranef(
    model, group: None = None, *, condvar: Literal[False] = False, alpha: float = 0.05
) -> EffectFrames: ...
@overload
def ranef(model, group: str, *, condvar: bool = False, alpha: float = 0.05) -> pd.DataFrame: ...
@overload
def ranef(
    model, group: str | None = None, *, condvar: Literal[True], alpha: float = 0.05
) -> pd.DataFrame: ...
@names_arguments
def ranef(
    model, group: str | None = None, *, condvar: bool = False, alpha: float = 0.05
) -> EffectFrames | pd.DataFrame:
    """Conditional modes of the random effects.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    group : str, optional
        The grouping factor whose random effects are wanted; all, if not given.
    condvar : bool
        Return also conditional standard deviations and intervals, all in one frame.
    alpha : float
        One minus the coverage of these intervals.

    Returns
    -------
    EffectFrames, a dict of str to pandas.DataFrame, or pandas.DataFrame
        For each grouping factor a frame with a row per level and a column per random effect; its
        method `plot` draws them. One frame, if `group` is given.
        With `condvar` one frame with a row per random effect and level, and columns ``group,
        term, level, estimate, se, lower, upper``: the grouping factor, the column left of the
        bar, the factor's level, the conditional mode, its standard deviation given β, θ and σ,
        and a normal interval.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        There is no such grouping factor, or an option has an unusable value.

    See Also
    --------
    LinearMixedModel.coef : With the fixed effects added.
    LinearMixedModel.condvar : Their conditional variances.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
    >>> m.ranef()["Subject"].loc["308"].round(2).to_dict()
    {'Intercept': 2.82, 'Days': 9.08}
    """
    wanted = None if group is None else grouping_factor(model, group)
    alpha = valid_alpha(alpha)
    if flag("condvar", condvar):
        return _with_intervals(model, wanted, alpha)
    frames = frames_by_factor(model.reterms, model.b)
    found = EffectFrames(frames, "Random effects", model, "ranef")
    return found if wanted is None else found[wanted]


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


def _with_intervals(model, wanted: str | None, alpha: float) -> pd.DataFrame:
    """Modes, their conditional standard deviations and normal intervals, a row per mode."""
    half = ndtri(1 - alpha / 2)
    modes, variances = frames_by_factor(model.reterms, model.b), model.condvar()
    parts = []
    for group, frame in modes.items():
        if wanted not in (None, group):
            continue
        q, p = frame.shape
        sd = np.sqrt(np.einsum("jaa->ja", variances[group].to_numpy().reshape(q, p, p)))
        part = pd.DataFrame({"group": group, "term": np.repeat(frame.columns.to_numpy(), q)})
        part["level"] = np.tile(frame.index.to_numpy(), p)
        part["estimate"], part["se"] = frame.to_numpy().T.ravel(), sd.T.ravel()
        parts.append(part)
    none = {"group": [], "term": [], "level": [], "estimate": np.zeros(0), "se": np.zeros(0)}
    table = pd.concat(parts or [pd.DataFrame(none)], ignore_index=True)
    table["lower"] = table["estimate"] - half * table["se"]
    table["upper"] = table["estimate"] + half * table["se"]
    return table


@overload
def coef(model, group: None = None) -> EffectFrames: ...
@overload
def coef(model, group: str) -> pd.DataFrame: ...
@names_arguments
def coef(model, group: str | None = None) -> EffectFrames | pd.DataFrame:
    """Coefficients by level: fixed effects plus conditional modes of the random effects.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    group : str, optional
        The grouping factor whose coefficients are wanted; all, if not given.

    Returns
    -------
    EffectFrames, a dict of str to pandas.DataFrame, or pandas.DataFrame
        For each grouping factor a frame with a row per level and a column per coefficient: the
        fixed effects plus the factor's random effects of the same names, then random effects
        without a fixed effect of that name; its method `plot` draws them. One frame, if `group` is
        given.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        There is no such grouping factor.

    See Also
    --------
    LinearMixedModel.ranef : The random effects alone.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
    >>> m.coef()["Subject"].loc["308"].round(2).to_dict()
    {'Intercept': 254.22, 'Days': 19.54}
    """
    wanted, fixed = None if group is None else grouping_factor(model, group), model.params
    frames: dict = {}
    for group, modes in frames_by_factor(model.reterms, model.b).items():
        frame = pd.DataFrame(
            np.tile(fixed.to_numpy(), (len(modes), 1)), index=modes.index, columns=fixed.index
        )
        frames[group] = frame.add(modes, fill_value=0.0)[
            [*fixed.index, *(name for name in modes if name not in fixed)]
        ]
    found = EffectFrames(frames, "Coefficients", model, "coef")
    return found if wanted is None else found[wanted]

"""`profiled_pairs`: what contours of pairs of parameters need of their profiles."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from scipy.interpolate import CubicSpline

from numbamm.errors import OptionError
from numbamm.inference.profiling.curve import Curve
from numbamm.report.plots.contours import Profiled

#: Values of ζ that differ by less are one: the deviance is flat at the end of a range.
SAME = 1e-6

#: Largest number of parameters, for which there are 66 panels.
MOST = 12


def profiled_pairs(curves: Mapping[str, Curve], names: list[str]) -> dict[str, Profiled]:
    """Profiles as functions of ζ, with the ζ of the other parameters along each.

    Parameters
    ----------
    curves : dict of str to Curve
    names : list of str
        Names of the columns of each curve's `others`.

    Raises
    ------
    OptionError
        There are too many parameters, or one whose values along other profiles are unknown.
    """
    refuse_many(curves)
    unknown = [name for name in curves if name not in names]
    if unknown:
        raise OptionError(
            f"there are no pairs with {unknown[0]}: take sigma, standard deviations, correlations "
            "and coefficients"
        )
    found = {}
    for name, curve in curves.items():
        rising = _rising(curve.zeta)
        zeta = curve.zeta[rising]
        traces = {
            other: _function(
                zeta, _zeta_of(curves[other], curve.others[rising, names.index(other)])
            )
            for other in curves
            if other != name
        }
        found[name] = Profiled(curve.estimate, _function(zeta, curve.values[rising]), traces)
    return found


def refuse_many(names: Collection[str]) -> None:
    """Raise an `OptionError` if pairs of the parameters are more than can be seen in a figure."""
    if len(names) > MOST:
        panels = len(names) * (len(names) - 1) // 2
        raise OptionError(
            f"pairs of {len(names)} parameters are {panels} panels: name up to {MOST} of them, "
            f'plot([...], kind="pairs"); there are {", ".join(names)}'
        )


def _rising(zeta) -> np.ndarray:
    """Positions of values from which ζ rises strictly."""
    highest = np.maximum.accumulate(zeta)
    return np.flatnonzero(np.append(True, zeta[1:] > highest[:-1] + SAME))


def _zeta_of(curve: Curve, values) -> np.ndarray:
    """ζ of a parameter at some of its values; at an end of its profile beyond it."""
    return curve.spline(np.clip(values, curve.values[0], curve.values[-1]))


def _function(zeta, values):
    """Values as a function of ζ, NaN beyond the profile or where values are unknown."""
    known = np.isfinite(values)
    if known.sum() < 2:
        return lambda z: np.full(np.shape(z), np.nan)
    return CubicSpline(zeta[known], values[known], extrapolate=False)

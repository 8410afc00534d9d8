"""`read_dispersion`: standard deviations of rows from ``dispersion="~ x"`` or ``"power(x)"``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from numbamm.blocks.residual.scales import LogLinear
from numbamm.errors import DataError, FormulaError, shown
from numbamm.formula.levels import as_array, level_codes, positions, type_hint
from numbamm.formula.parts.dispersion_text import FITTED, DispersionText
from numbamm.models.residual_side.texts import DISPERSION

#: Where the mean of a column is more than this many times its range, rows in which it is zero have
#: a standard deviation that may not be representable, and σ is that of rows at the mean.
FAR = 30.0


class ConstPower:
    """d = c + |v|^δ = m^δ(e^κ + |v / m|^δ), φ = (κ, δ), so that φ do not depend on v's unit.

    Parameters
    ----------
    v : ndarray, shape (n,)
        Positive.
    size_of_v : float, optional
        m; by default the median of v.
    """

    size = 2

    def __init__(self, v, size_of_v: float | None = None) -> None:
        self.m = float(np.median(v)) if size_of_v is None else size_of_v
        self.v, self.log_m = v / self.m, float(np.log(self.m))

    def values(self, phi) -> np.ndarray:
        """log d, shape (n,)."""
        with np.errstate(over="ignore"):
            return phi[1] * self.log_m + np.log(np.exp(phi[0]) + self.v ** phi[1])

    def slopes(self, phi) -> np.ndarray:
        """Derivatives of log d by φ, shape (2, n)."""
        power = self.v ** phi[1]
        d = np.exp(phi[0]) + power
        return np.array([np.exp(phi[0]) / d, self.log_m + power * np.log(self.v) / d])

    def take(self, rows) -> ConstPower:
        """The same for some rows, in another order."""
        return ConstPower(self.v[rows] * self.m, self.m)

    def parameters(self, phi) -> np.ndarray:
        """c and δ."""
        return np.array([np.exp(phi[0] + phi[1] * self.log_m), phi[1]])


@dataclass
class Deviations:
    """A part of log d, and what users see of its parameters.

    Attributes
    ----------
    part : LogLinear or ConstPower
    names : list of str
        Names of φ.
    start : ndarray
    sizes : ndarray
        What φ are multiplied by to be of ordinary size.
    shown : list of str
        Names of the parameters that users see.
    are_positive : ndarray of bool
        Which of these are positive.
    strata : pandas.Index or None
        Labels of the strata that have parameters of their own.
    origins : ndarray, shape (size,)
        What was taken off the columns of W; zero but for those far from zero.
    typical : list of str
        Where the standard deviation is σ, in words, if that is not where columns are zero.
    """

    part: Any
    names: list[str]
    start: np.ndarray
    sizes: np.ndarray
    shown: list[str]
    are_positive: np.ndarray
    strata: pd.Index | None = None
    origins: np.ndarray | float = 0.0
    typical: list[str] = field(default_factory=list)

    def parameters(self, phi) -> np.ndarray:
        """What users see of φ."""
        return self.part.parameters(phi) if isinstance(self.part, ConstPower) else phi


def log_linear(W, names: list[str], offset=None) -> Deviations:
    """log d = offset + Wφ."""
    k = W.shape[1]
    sizes = W.std(axis=0) if len(W) else np.ones(k)
    sizes = np.where(sizes > 0, sizes, 1.0)
    return Deviations(
        LogLinear(W, offset), names, np.zeros(k), sizes, names, np.zeros(k, dtype=bool)
    )


def of_cells(codes, labels: list[str]) -> Deviations:
    """A standard deviation for each cell of rows, relative to that of the first one."""
    W = (codes[:, None] == np.arange(1, len(labels))).astype(np.float64)
    names = [f"log_sd_{label}" for label in labels[1:]]
    own = log_linear(W, names)
    own.shown, own.are_positive = [], np.zeros(0, dtype=bool)  # users see the standard deviations
    own.sizes = np.ones(len(names))
    return own


def read_dispersion(text: DispersionText, frame, fitted=None) -> Deviations:
    """The standard deviations that a text asks for.

    Parameters
    ----------
    text : DispersionText
    frame : ModelFrame
        With the columns that it uses.
    fitted : ndarray, shape (n,), optional
        Fitted means, where they are the covariate.

    Raises
    ------
    DataError, FormulaError
        A covariate does not suit its function; the message names it.
    """
    if text.function is None:
        return _of_formula(text, frame)
    v = fitted if text.covariate == FITTED else _covariate(text, frame)
    return _FUNCTIONS[text.function](text, frame, v)


def _of_formula(text, frame) -> Deviations:
    W, names = frame.parts[DISPERSION]
    constant = [j for j, name in enumerate(names) if name == "Intercept"]
    if not constant:
        raise FormulaError(
            f"dispersion={text.text!r} leaves the intercept out, which is log σ: write it with "
            "one, '~ x'; a factor has a standard deviation for each level in '~ f', too"
        )
    others = [j for j in range(len(names)) if j != constant[0]]
    W, names = W[:, others], [names[j] for j in others]
    centred = W - W.mean(axis=0)
    rank = np.linalg.matrix_rank(centred / np.where(np.abs(W).max(0) > 0, np.abs(W).max(0), 1.0))
    if rank < len(names):
        raise DataError(
            f"dispersion={text.text!r}: {', '.join(names)} and the intercept are linearly "
            "dependent in the rows used: leave one out"
        )
    return _about_origins(W, [f"dispersion.{name}" for name in names], names)


def _about_origins(W, names: list[str], columns: list[str], value=float) -> Deviations:
    """log d = Wφ, with columns far from zero about their means.

    Parameters
    ----------
    W : ndarray, shape (n, size)
    names : list of str
        Of φ.
    columns : list of str
        What users call the columns.
    value : callable
        What users see of a mean.
    """
    means = W.mean(axis=0)
    far = np.abs(means) > FAR * np.ptp(W, axis=0)
    origins = np.where(far, means, 0.0)
    own = log_linear(W - origins, names)
    own.origins = origins
    own.typical = [f"{columns[j]} is {value(means[j]):.6g}" for j in np.flatnonzero(far)]
    return own


def _refuse_far(text, v) -> None:
    """Refuse strata with parameters of their own of values far from zero.

    With one intercept for all, they cannot be about a mean, and σ may not be representable.
    """
    if text.by is not None and abs(v.mean()) > FAR * np.ptp(v):
        raise DataError(
            f"dispersion={text.text!r}: '{text.covariate}' hardly varies for its distance from 0 "
            f"(1 in a power), where all strata of '{text.by}' have the same standard deviation: "
            f"subtract its mean, or divide by it in a power, or write '~ {text.covariate} * "
            f"{text.by}', which lets the strata differ"
        )


def _covariate(text, frame) -> np.ndarray:
    column = frame.part_columns[text.covariate]
    values = as_array(column)
    if hasattr(column, "cat") or values.dtype.kind not in "iufb":
        raise DataError(f"dispersion={text.text!r}: '{text.covariate}' must be numbers")
    return values.astype(np.float64)


def _positive(text, v, rows: str = "of those used") -> np.ndarray:
    """|v|, refused where it is zero."""
    zero = np.flatnonzero(v == 0)
    if len(zero):
        what = "the fitted mean" if text.covariate == FITTED else f"'{text.covariate}'"
        raise DataError(
            f"dispersion={text.text!r}: {what} is 0 in row {zero[0]} {rows} (counting from "
            "0), where the standard deviation would be 0 or infinite: write '~ x' or 'exp(x)'"
        )
    return np.abs(v)


def _by_stratum(text, frame, v, name: str, value=float) -> Deviations:
    if text.by is None:
        return _about_origins(v[:, None], [name], [text.covariate], value)
    _refuse_far(text, v)
    codes, labels = level_codes(frame.part_columns[text.by])
    W = v[:, None] * (codes[:, None] == np.arange(len(labels)))
    own = log_linear(W, [f"{name}[{text.by}={label}]" for label in labels])
    own.strata = labels
    return own


def _power(text, frame, v) -> Deviations:
    return _by_stratum(text, frame, np.log(_positive(text, v)), "power", np.exp)


def _exp(text, frame, v) -> Deviations:
    return _by_stratum(text, frame, v, "rate")


def _constpower(text, frame, v) -> Deviations:
    part = ConstPower(_positive(text, v))
    names, shown = ["log_const", "power"], ["const", "power"]
    start, positive = np.array([0.0, 1.0]), np.array([True, False])  # c is the median at first
    return Deviations(part, names, start, np.ones(2), shown, positive)


def _fixed(text, frame, v) -> Deviations:
    if (v <= 0).any():
        row = int(np.flatnonzero(v <= 0)[0])
        raise DataError(
            f"dispersion={text.text!r}: '{text.covariate}' is not positive in row {row} of those "
            "used (counting from 0): it is proportional to the variance"
        )
    return log_linear(np.zeros((len(v), 0)), [], 0.5 * np.log(v))


def new_part(text: DispersionText, of_fit: Deviations, new, means) -> Any:
    """The standard deviations of rows that the fit did not have.

    Parameters
    ----------
    text : DispersionText
    of_fit : Deviations
    new : NewColumns
    means : ndarray, shape (n,)
        Means of the rows, where they are the covariate.

    Returns
    -------
    LogLinear or ConstPower

    Raises
    ------
    DataError
        A covariate does not suit its function, or a stratum was never seen.
    """
    if text.function is None:
        W = new.parts[DISPERSION]
        return LogLinear(W[:, [name != "Intercept" for name in new.names]] - of_fit.origins)
    v, rows = means if text.covariate == FITTED else _covariate(text, new), "of the new data"
    if text.function == "fixed":
        if (v <= 0).any():
            raise DataError(
                f"dispersion={text.text!r}: '{text.covariate}' is not positive in row "
                f"{int(np.flatnonzero(v <= 0)[0])} {rows} (counting from 0)"
            )
        return LogLinear(np.zeros((len(v), 0)), 0.5 * np.log(v))
    if text.function == "constpower":
        return ConstPower(_positive(text, v, rows), of_fit.part.m)
    v = v if text.function == "exp" else np.log(_positive(text, v, rows))
    if of_fit.strata is None:
        return LogLinear(v[:, None] - of_fit.origins)
    codes = positions(new.part_columns[text.by], of_fit.strata)
    unseen = new.part_columns[text.by][codes < 0].drop_duplicates().tolist()
    if unseen:
        raise DataError(
            f"dispersion={text.text!r}: no row of the fit has {text.by} = "
            f"{', '.join(map(shown, unseen[:5]))}{type_hint(unseen, of_fit.strata)}, so that "
            "nothing is known of its standard deviation"
        )
    return LogLinear(v[:, None] * (codes[:, None] == np.arange(len(of_fit.strata))))


_FUNCTIONS = {"power": _power, "exp": _exp, "constpower": _constpower, "fixed": _fixed}

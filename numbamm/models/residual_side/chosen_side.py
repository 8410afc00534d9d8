"""`side_of`: whether a linear model has a residual side, after checks of its response."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numbamm.errors import DataError, OptionError
from numbamm.formula.checks import check_gaussian, refuse_counts
from numbamm.models.residual_side.fitted_means import first_means

if TYPE_CHECKING:
    from numbamm.models.residual_side.side import ResidualSide


def side_of(frame, texts, sigma) -> ResidualSide | None:
    """The residual side that texts describe; None without.

    Parameters
    ----------
    frame : ModelFrame
    texts : Texts or None
    sigma : float or None
        The residual standard deviation, if it is known.

    Raises
    ------
    DataError, FormulaError, OptionError
        The response or a column does not suit; the message says which.
    """
    if texts is None:
        check_gaussian(frame, sigma_known=sigma is not None)
        return None
    from numbamm.models.residual_side.side import ResidualSide  # first use compiles its kernels

    refuse_counts(frame, "a linear model")
    if (frame.y == frame.y[0]).all():
        raise DataError(
            f"the response '{frame.response}' is constant ({frame.y[0]:g}): "
            "there is no variance to explain; check the column and the rows used"
        )
    side = ResidualSide(texts, frame, first_means(frame) if texts.uses_fitted else None)
    if sigma is not None and side.reading.cells is not None:
        raise OptionError(
            f"sigma is known, but residual={texts.residual.text!r} estimates a standard deviation "
            "for each visit or stratum: leave sigma out"
        )
    return side


def refuse_tail(texts, tail: str | None) -> None:
    """Refuse a tail that cannot hold levels whose residuals are correlated."""
    if texts is not None and tail not in (None, "auto", "dense"):
        raise OptionError(
            f"tail={tail!r}: residual and dispersion need the dense tail; leave tail at 'auto'"
        )


def refuse_stream(texts) -> None:
    """Refuse a residual side of rows that stream."""
    if texts is not None:
        raise OptionError(
            "residual and dispersion need the rows in memory, and they stream: fit to a frame"
        )

"""`Texts`: what the user wrote about residuals, taken apart before the data are read."""

from __future__ import annotations

from typing import Any, NamedTuple

#: Name of the log-linear formula of standard deviations, in designs and in tables.
DISPERSION = "dispersion"


class Texts(NamedTuple):
    """What the user wrote about residuals, taken apart before the data are read.

    Attributes
    ----------
    residual : ResidualText or None
    dispersions : list of DispersionText
    """

    residual: Any
    dispersions: list

    @classmethod
    def of(cls, residual, dispersion) -> Texts | None:
        """Of the arguments; None if there is nothing."""
        if residual is None and dispersion is None:
            return None
        from numbamm.formula.parts.dispersion_text import dispersion_texts
        from numbamm.formula.parts.residual_text import residual_text

        parsed = None if residual is None else residual_text(residual)
        return cls(parsed, [] if dispersion is None else dispersion_texts(dispersion))

    @property
    def frame_options(self) -> dict:
        """What `model_frame` has to provide."""
        columns = set() if self.residual is None else self.residual.columns
        columns = columns.union(*(d.columns for d in self.dispersions))
        formulas = [d.text for d in self.dispersions if d.function is None]
        parts = {DISPERSION: formulas[0]} if formulas else {}
        return {"needs_terms": False, "parts": parts, "part_columns": sorted(columns)}

    @property
    def uses_fitted(self) -> bool:
        """Whether the fitted means are a covariate."""
        from numbamm.formula.parts.dispersion_text import FITTED

        return any(d.covariate == FITTED for d in self.dispersions)

"""`Lines`: the predictors ν of a model's further parameters, as functions of ψ."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from numbamm.design.femat import FeMat


@dataclass
class Line:
    """One predictor: ν = offset + Xψ.

    Attributes
    ----------
    name : str
        Of the part: ``"dispersion"``, ``"zi"``, or that of a constant parameter.
    feterm : FeMat
        The columns X, and the basis in which their coefficients are searched for.
    offset : ndarray, shape (n,)
    """

    name: str
    feterm: FeMat
    offset: np.ndarray

    @property
    def rank(self) -> int:
        """Number of coefficients."""
        return self.feterm.rank

    @property
    def names(self) -> list[str]:
        """Names of the coefficients: those of columns, or of the parameter if it is constant."""
        if self.feterm.cnames == ["Intercept"]:
            return [self.name] * self.rank
        return [f"{self.name}.{name}" for name in self.feterm.kept_names]


class Lines:
    """All predictors but that of the mean, and their coefficients ψ side by side.

    ψ is in scaled coordinates: coefficients of an orthogonal basis of each part's columns.

    Parameters
    ----------
    lines : list of Line
        Those of the family's parameters in turn, then that of the zeros, if there is one.
    """

    def __init__(self, lines: list[Line]) -> None:
        self.lines = lines
        ends = np.cumsum([0, *(line.rank for line in lines)])
        self.slices = [slice(a, b) for a, b in pairwise(ends)]
        self.size = int(ends[-1])
        self.to_user = np.zeros((self.size, self.size))
        for line, at in zip(lines, self.slices, strict=True):
            self.to_user[at, at] = line.feterm.to_basis

    @property
    def names(self) -> list[str]:
        """Names of ψ."""
        return [name for line in self.lines for name in line.names]

    def values(self, psi) -> np.ndarray:
        """ν of every row, shape (number of lines, n)."""
        psi = np.asarray(psi, dtype=np.float64)
        return np.array(
            [
                line.offset + line.feterm.basis @ psi[at]
                for line, at in zip(self.lines, self.slices, strict=True)
            ]
        )

    def pull_back(self, psi, slopes) -> np.ndarray:
        """Derivatives in ψ from those in every ν, shape (number of lines, n)."""
        parts = [line.feterm.basis.T @ s for line, s in zip(self.lines, slopes, strict=True)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def rows(self, chosen) -> Lines:
        """The same of some rows."""
        return Lines(
            [
                replace(
                    line,
                    offset=line.offset[chosen],
                    feterm=replace(line.feterm, basis=line.feterm.basis[chosen]),
                )
                for line in self.lines
            ]
        )

"""`Parameter`: a further parameter of a family's distribution, besides the mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from numbamm.glm.parts.density_rows import BETWEEN_1_AND_2, IDENTITY, LARGEST, LOG, NEAR_1, NEAR_2


@dataclass(frozen=True)
class Parameter:
    """A parameter that is estimated; its link has a linear predictor ν.

    Attributes
    ----------
    name : str
        As the functions of the family name it.
    link : int
        `IDENTITY`, `LOG` or `BETWEEN_1_AND_2`.
    starts : tuple of float
        Values of ν from which a search may begin; the best of them is taken.
    words : str
        What it is, for tables and messages.
    limit : str
        The simpler family at an end of the range, if there is one.
    at : float
        The end of ν at which that is: +∞ or -∞.
    ends : mapping of float to str
        What is said where ν goes to another end of its range, by the sign of that: 1 or -1.
    perfect : float
        The sign of the end of ν at which responses are reproduced exactly; 0 if there is none.
    """

    name: str
    link: int = LOG
    starts: tuple[float, ...] = tuple(np.arange(-12.0, 13.0, 2.0))
    words: str = ""
    limit: str = ""
    at: float = np.inf
    ends: Mapping[float, str] = field(default_factory=dict)
    perfect: float = 0.0

    def __str__(self) -> str:
        return self.words or self.name

    @property
    def link_name(self) -> str:
        """The name of the link, for tables."""
        return {IDENTITY: "identity", LOG: "log", BETWEEN_1_AND_2: "logit of power - 1"}[self.link]

    def value(self, nu) -> np.ndarray:
        """The parameter at its predictor."""
        nu = np.asarray(nu, dtype=np.float64)
        if self.link == LOG:
            return np.exp(np.clip(nu, -LARGEST, LARGEST))
        if self.link == BETWEEN_1_AND_2:
            return 1.0 + 1.0 / (1.0 + np.exp(-np.clip(nu, -NEAR_1, NEAR_2)))
        return nu

    def slope(self, nu) -> np.ndarray:
        """Its derivative in the predictor."""
        value = self.value(nu)
        if self.link == LOG:
            return value
        if self.link == BETWEEN_1_AND_2:
            return (value - 1.0) * (2.0 - value)
        return np.ones_like(value)

    def predictor(self, value) -> np.ndarray:
        """ν of a value of the parameter."""
        value = np.asarray(value, dtype=np.float64)
        with np.errstate(all="ignore"):
            if self.link == LOG:
                return np.log(value)
            if self.link == BETWEEN_1_AND_2:
                return np.log(value - 1.0) - np.log(2.0 - value)
        return value

"""`RowDistribution`: the distribution of each row's response, at given predictors of all parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numbamm.errors import DataError
from numbamm.glm.family import Family
from numbamm.glm.parts.mixture import HURDLE, PLAIN


@dataclass
class RowDistribution:
    """A family, and zeros besides.

    Attributes
    ----------
    family : Family
        Of a hurdle, that of the responses above zero.
    mixture : int
        `PLAIN`, `INFLATED` or `HURDLE`.
    mu, w : ndarray, shape (n,)
        The family's μ, and prior weights.
    parameters : dict of str → ndarray, shape (n,)
        The family's parameters.
    p : ndarray, shape (n,)
        The probability of the part of the zeros; 0 without one.
    """

    family: Family
    mixture: int
    mu: np.ndarray
    w: np.ndarray
    parameters: dict[str, np.ndarray]
    p: np.ndarray

    @classmethod
    def at(cls, parts, link, eta, nu, w) -> RowDistribution:
        """At predictors η, shape (n,), and ν, shape (number of lines, n)."""
        known = parts.family.parameters
        values = {p.name: p.value(line) for p, line in zip(known, nu, strict=False)}
        zero = np.zeros(len(eta))
        if parts.mixture != PLAIN:
            with np.errstate(over="ignore"):
                zero = 1.0 / (1.0 + np.exp(-nu[-1]))
        mu = np.clip(link.mean(eta), *parts.family.means)
        return cls(parts.family, parts.mixture, mu, w, values, zero)

    def _ask(self, function, **more):
        return self.family._given(function, mu=self.mu, w=self.w, shape=self.parameters, **more)

    @property
    def conditional(self) -> np.ndarray:
        """Means of the family, without the zeros of the other part."""
        if self.family.expectation is None:
            return self.mu
        return self._ask(self.family.expectation)

    def mean(self) -> np.ndarray:
        """Means of the responses."""
        return (1 - self.p) * self.conditional

    def variance(self) -> np.ndarray:
        """Variances of the responses.

        Raises
        ------
        OptionError
            The family has no variance function.
        """
        inner = self._ask(self.family._known("variance"))
        return (1 - self.p) * inner + self.p * (1 - self.p) * self.conditional**2

    def zeros(self) -> np.ndarray:
        """Probabilities of a zero."""
        if self.mixture == HURDLE:
            return self.p
        return self.p + (1 - self.p) * self._ask(self.family._known("zero"))

    def cdf(self, y) -> np.ndarray:
        """F(y)."""
        if self.family.cdf is None:
            self.family._known("cdf")
        inner = self._ask(self.family.cdf, y=np.asarray(y, dtype=np.float64))
        if self.mixture == PLAIN:
            return inner
        return np.where(np.asarray(y) >= 0, self.p, 0.0) + (1 - self.p) * inner

    def below(self, y) -> np.ndarray:
        """F(y-), the probability of less than y."""
        y = np.asarray(y, dtype=np.float64)
        if self.family.discrete:
            step = 1.0 / self.w if self.family.proportions else 1.0
            return np.where(y > 0, self.cdf(y - step), 0.0)
        at_zero = (y == 0) & (self.zeros() > 0)
        below = np.where(at_zero, 0.0, self.cdf(y))
        return self._less_top(y, below)

    def _less_top(self, y, below):
        """`below`, with the probability of a response at the upper end left out, if it has one."""
        largest = self.family.largest
        if largest is None:
            return below
        less = np.full(len(y), np.nextafter(largest, -np.inf))
        return np.where(y >= largest, self.cdf(less), below)

    def quantile(self, p) -> np.ndarray:
        """Quantiles."""
        p = np.broadcast_to(np.asarray(p, dtype=np.float64), self.mu.shape)
        if self.mixture == PLAIN:
            return self._inner_quantile(p)
        with np.errstate(all="ignore"):
            share = np.clip((p - self.p) / (1 - self.p), 0.0, 1.0)
        return np.where(p <= self.p, 0.0, self._inner_quantile(share))

    def _inner_quantile(self, p) -> np.ndarray:
        family = self.family
        if family.quantile is not None:
            return self._ask(family.quantile, p=p)
        low, high = np.zeros(len(p)), np.maximum(self.mu, 1e-300)  # responses of at least 0
        while (rising := self._ask(family.cdf, y=high) < p).any() and (high < 1e300).all():
            high = np.where(rising, 2 * high, high)
        for _ in range(200):
            middle = 0.5 * (low + high)
            less = self._ask(family.cdf, y=middle) < p
            low, high = np.where(less, middle, low), np.where(less, high, middle)
        return np.where(self._ask(family.cdf, y=np.zeros(len(p))) >= p, 0.0, high)

    def draw(self, rng) -> np.ndarray:
        """Random responses.

        Raises
        ------
        DataError
            A mean is outside the family's range.
        OptionError
            The family has no function to draw.
        """
        function = self.family._known("draw")
        if not np.isfinite(self.mu).all():
            raise DataError("some means are not finite: check the parameters")
        at = {name: np.broadcast_to(v, self.mu.shape) for name, v in self.parameters.items()}
        known = {"mu": self.mu, "w": self.w, "shape": at}
        y = self.family._given(function, rng=rng, **known)
        return y if self.mixture == PLAIN else np.where(rng.uniform(size=len(y)) < self.p, 0.0, y)

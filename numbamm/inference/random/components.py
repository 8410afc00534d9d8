"""`Components`: standard deviations and correlations of the random effects, from θ and σ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numbamm.models.varcorr import correlated

#: What parameters of the response's distribution besides its mean are called.
SIGMA, SHAPE = "sigma", "shape"


@dataclass(frozen=True)
class Component:
    """What one term contributes: its names and its template of λ."""

    group: str
    names: tuple[str, ...]
    inds: tuple[int, ...]

    @property
    def p(self) -> int:
        """Number of columns."""
        return len(self.names)

    def lambdas(self, theta) -> np.ndarray:
        """λ for each line of θ, shape (lines, p, p)."""
        lam = np.zeros((len(theta), self.p * self.p))
        lam[:, list(self.inds)] = theta
        return lam.reshape(-1, self.p, self.p)


class Components:
    """Names and values of the standard deviations and correlations that a model estimates.

    Parameters
    ----------
    terms : sequence of Component
        In the order of θ.
    """

    def __init__(self, terms) -> None:
        self.terms = list(terms)

    @classmethod
    def of(cls, model) -> Components:
        """Those of a model."""
        return cls(
            Component(t.group, tuple(map(str, t.cnames)), tuple(map(int, t.inds)))
            for t in model.reterms
        )

    def lambdas(self, theta) -> list[np.ndarray]:
        """λ of each term at one θ, shape (p, p)."""
        parts = self._split(np.asarray(theta)[None])
        return [t.lambdas(part)[0] for t, part in zip(self.terms, parts, strict=True)]

    def rectified(self, theta) -> np.ndarray:
        """θ, line by line, with the same λλ', and each column of λ beginning positive."""
        parts = []
        for term, part in zip(self.terms, self._split(theta), strict=True):
            part, column = part.copy(), np.array(term.inds) % term.p
            for c in range(term.p):
                mine = np.flatnonzero(column == c)
                first = np.argmax(part[:, mine] != 0, axis=1)
                leading = np.take_along_axis(part[:, mine], first[:, None], axis=1)
                part[:, mine] *= np.where(leading < 0, -1.0, 1.0)
            parts.append(part)
        return np.hstack(parts) + 0.0  # no negative zeros

    def _split(self, theta) -> list[np.ndarray]:
        """The columns of θ that belong to each term."""
        stops = np.cumsum([len(t.inds) for t in self.terms])
        return np.split(theta, stops[:-1], axis=1)

    @property
    def names(self) -> list[str]:
        """As lme4 has them: ``sd_Days|Subject``, ``cor_Days.Intercept|Subject``; term by term."""
        names = []
        for term in self.terms:
            names += [f"sd_{name}|{term.group}" for name in term.names]
            names += [
                f"cor_{term.names[j]}.{term.names[i]}|{term.group}" for i, j in self._pairs(term)
            ]
        return names

    def values(self, theta, sigma) -> np.ndarray:
        """Standard deviations and correlations, shape (lines, number of names).

        Parameters
        ----------
        theta : ndarray, shape (lines, number of θ)
        sigma : ndarray, shape (lines,)

        Returns
        -------
        ndarray
            Correlations are NaN where a variance is zero.
        """
        parts = []
        for term, part in zip(self.terms, self._split(theta), strict=True):
            lam = term.lambdas(part)
            sd = np.sqrt((lam**2).sum(axis=2))
            parts.append(sigma[:, None] * sd)
            for i, j in self._pairs(term):
                product = sd[:, i] * sd[:, j]
                inner = np.einsum("lc,lc->l", lam[:, i], lam[:, j])
                out = np.full(len(lam), np.nan)
                np.divide(inner, product, out=out, where=product > 0)
                parts.append(np.clip(out, -1.0, 1.0)[:, None])
        return np.hstack(parts)

    @staticmethod
    def _pairs(term) -> list[tuple[int, int]]:
        some = correlated(term.inds, term.p)
        return [(i, j) for i in range(term.p) for j in range(i + 1, term.p) if some[j, i]]

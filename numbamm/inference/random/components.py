"""`Components`: standard deviations, correlations and so on of the random effects, from θ and σ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numbamm.structures.joint import Joint
from numbamm.structures.structure import Structure

#: Names of the residual standard deviation and of the negative binomial's shape in all tables.
SIGMA, SHAPE = "sigma", "shape"


@dataclass(frozen=True)
class Component:
    """One random-effects term: the names of its columns and its covariance structure.

    Attributes
    ----------
    group : str
        Name of the grouping factor.
    names : tuple of str
        Names of the columns.
    structure : Structure
    """

    group: str
    names: tuple[str, ...]
    structure: Structure

    @property
    def leads(self) -> list[tuple[str, tuple[int, ...]]]:
        """Name of each standard deviation and correlation, and its one effect or two.

        As lme4 has them: ``sd_Days|Subject``, ``cor_Days.Intercept|Subject``.
        """
        names, group, pairs = self.names, self.group, self.structure.correlations
        sds = [(f"sd_{name}|{group}", (j,)) for j, name in self.structure.deviations([*names])]
        return sds + [(f"cor_{names[j]}.{names[i]}|{group}", (i, j)) for i, j in pairs]

    @property
    def shapes(self) -> list[str]:
        """Names of what else the structure estimates: ``rho_visit[1]..visit[4]|Subject``."""
        return [f"{name}|{self.group}" for name in self.structure.shape_labels([*self.names])]


class Components:
    """Names and values of the standard deviations and correlations that a model estimates.

    Parameters
    ----------
    terms : sequence of Component
        In the order of θ.
    """

    def __init__(self, terms) -> None:
        self.terms = list(terms)
        self.joint = Joint.of(self.terms)

    @classmethod
    def of(cls, model) -> Components:
        """The components of a model."""
        return cls(
            Component(t.group, tuple(map(str, t.cnames)), t.structure) for t in model.reterms
        )

    @property
    def names(self) -> list[str]:
        """Of all standard deviations, correlations and other parameters, term by term."""
        parts = [[*(name for name, _ in term.leads), *term.shapes] for term in self.terms]
        return [name for part in parts for name in part]

    def values(self, theta, sigma) -> np.ndarray:
        """Standard deviations and correlations, shape (rows, number of names).

        Parameters
        ----------
        theta : ndarray, shape (rows, number of θ)
        sigma : ndarray, shape (rows,)

        Returns
        -------
        ndarray
            Correlations are NaN where a variance is zero.
        """
        parts = []
        own = self.joint.split(np.asarray(theta))
        for term, lam, part in zip(self.terms, self.joint.matrices(theta), own, strict=True):
            sd = np.sqrt((lam**2).sum(axis=2))
            some = [j for j, _ in term.structure.deviations([*term.names])]
            parts.append(sigma[:, None] * sd[:, some])
            for i, j in term.structure.correlations:
                product = sd[:, i] * sd[:, j]
                inner = np.einsum("lc,lc->l", lam[:, i], lam[:, j])
                out = np.full(len(lam), np.nan)
                np.divide(inner, product, out=out, where=product > 0)
                parts.append(np.clip(out, -1.0, 1.0)[:, None])
            parts.append(term.structure.shape_values(part))
        return np.hstack(parts) if parts else np.zeros((len(sigma), 0))

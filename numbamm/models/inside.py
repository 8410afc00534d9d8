"""`Inside`: a model's parameters and terms in columns of ordinary size, in which it is fitted.

A search moves in them, and the gradient is found there; users see those of their own columns. See
`design.scaling`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from numbamm.blocks.search.certificate import NULL
from numbamm.design.remat import ReMat
from numbamm.errors import OptionError


class Inside:
    """What a model knows of the columns inside, from its `reterms` and their `scalings`."""

    def _by_term(self, theta, change: str) -> np.ndarray:
        parts, at = [], 0
        for term, scaling in zip(self.reterms, self.scalings, strict=True):
            part = theta[at : at + len(term.inds)]
            parts.append(getattr(scaling, change)(part) if scaling else part)
            at += len(term.inds)
        return np.concatenate(parts)

    def _inward(self, theta) -> np.ndarray:
        """θ of the columns inside, from θ of the user's; see `design.scaling`."""
        return self._by_term(theta, "inward")

    def _outward(self, theta) -> np.ndarray:
        """θ of the user's columns, from θ of those inside."""
        return self._by_term(theta, "outward")

    def _coordinates(self):
        """Changes of all parameters to those inside, and back; None where they are the same."""
        return (self._inward, self._outward) if any(self.scalings) else None

    def _lacks_rank(self, theta) -> bool:
        """Whether some λ inside, in columns of size one, is singular."""
        at = 0
        for term, size in zip(self.reterms, self._inside_sizes, strict=True):
            part = theta[at : at + len(term.inds)]
            at += len(term.inds)
            if len(part) == 1:
                least = abs(size[0] * part[0])
            else:
                lam = np.zeros((term.p, term.p))
                lam.ravel()[term.inds] = part
                least = np.linalg.svd(size[:, None] * lam, compute_uv=False)[-1]
            if least < NULL:
                return True
        return False

    @cached_property
    def _inside_sizes(self) -> list[np.ndarray]:
        """Root mean squares of the columns inside, term by term."""
        return [root_mean_squares(term, self._root) for term in self._inside]

    def _refuse_bounds(self, lower, upper) -> None:
        """The columns inside mix the user's, so that no other bounds on θ can be kept there."""
        if (np.isinf(upper).all() and np.array_equal(lower, self._lowerbd)) or not any(
            self.scalings
        ):
            return
        groups = [t.group for t, s in zip(self.reterms, self.scalings, strict=True) if s]
        raise OptionError(
            "lowerbd and upperbd cannot be changed where random effects belong to columns far "
            f"from 0 or of odd size (those on {', '.join(groups)}): centre and scale the columns"
        )

    @property
    def _inside(self) -> list[ReMat]:
        """The terms in the columns inside."""
        return [
            scaling.inside(term) if scaling else term
            for scaling, term in zip(self.scalings, self.reterms, strict=True)
        ]


def root_mean_squares(term, root) -> np.ndarray:
    """Sizes of a term's columns of Z, each row times its root, shape (p,)."""
    z = term.z if root is None else term.z * root
    return np.sqrt(np.mean(z**2, axis=1))


def slopes_outward(inward: Callable[[np.ndarray], np.ndarray], x, slopes) -> np.ndarray:
    """The gradient in the user's parameters, from that in the parameters inside.

    Parameters
    ----------
    inward : callable
        The parameters inside of the user's.
    x : ndarray, shape (n,)
        The user's.
    slopes : ndarray, shape (n,)
        The gradient at ``inward(x)``.
    """
    moves = np.diag(1e-5 * np.maximum(np.abs(x), 0.1))
    by_each = [(inward(x + h) - inward(x - h)) / (2 * h.max()) for h in moves]
    return np.array(by_each) @ slopes

"""`RelatedTail`: a sparse tail whose effects have known sparse precision matrices between levels.

With Cov(b) = σ²(K ⊗ λλ') of a term, b = λv and v of precision Q ⊗ I, Q = K⁻¹,

    Ω = Λ'TΛ + Q ⊗ I        log|Ω| - p log|Q|

take the places of Ω = Λ'TΛ + I and log|Ω|. Pedigrees, trees and Gaussian Markov fields have a Q of
a few non-zeros a row, so that Ω stays sparse. The gradient has the same form as ever, since T alone
depends on the data; the average information has V̇ = Z(Λ̇KΛ' + ΛKΛ̇')Z', in which Kc is a solve with
the factor of Q.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.information import NO_CHANGES
from numbamm.blocks.layout import NLEVEL, ROW, P
from numbamm.blocks.tail.sparse_pattern import related_entries
from numbamm.blocks.tail.sparse_solutions import tail_directions
from numbamm.blocks.tail.sparse_tail import Factor, SparseTail


class RelatedTail(SparseTail):
    """A sparse tail of terms with related levels; see the module."""

    def __init__(self, terms, xy, sqrtw=None, layout=None, **options) -> None:
        super().__init__(terms, xy, sqrtw, layout, **options)
        self._relations = {k: terms[self.layout.order[k]].relation for k in self.layout.related}
        self._places, self._values = related_entries(self.layout, self._symbolic.pattern)
        p, nlevel = self.layout.table[1 : 1 + self.layout.nterm, [P, NLEVEL]].T
        starts = np.cumsum(p * nlevel) - p * nlevel
        self._starts = {k: int(starts[k]) for k in self._relations}
        self._logdet = float(sum(p[k] * r.logdet_precision for k, r in self._relations.items()))

    def _add_relations(self, f: Factor) -> float:
        f.omega[self._places] += self._values
        return -self._logdet

    def penalty(self, u) -> float:
        """u'(Q ⊗ I)u, with Q = I for terms without a known covariance; u in the table's order."""
        total = float(u @ u)
        for k in self._relations:
            own = self.of_term(k, u)
            total += float(np.sum(own * (self.layout.related[k] @ own)) - np.sum(own * own))
        return total

    def of_term(self, k: int, u) -> np.ndarray:
        """The part of a term with related levels, shape (levels, p)."""
        p, q = int(self.layout.table[1 + k, P]), self._relations[k].size
        return u[self._starts[k] : self._starts[k] + p * q].reshape(q, p)

    def related(self, k: int, values) -> np.ndarray:
        """K times columns of the levels of a term; unchanged where levels are independent."""
        return self._relations[k].times(values) if k in self._relations else values

    def _directions(self, f: Factor, entries, u, c, slope, h) -> None:
        tail_directions(self._table, f.work, entries, NO_CHANGES, u, c, slope, h)
        spread = c.copy()
        for k, relation in self._relations.items():
            p, first = int(self.layout.table[1 + k, P]), int(self.layout.table[1 + k, ROW])
            own = slice(first, first + p * relation.size)
            spread[own] = relation.times(c[own].reshape(-1, p)).ravel()
        h[:] = 0.0
        unused = np.zeros_like(slope)
        tail_directions(self._table, f.work, entries, NO_CHANGES, u, spread, unused, h)

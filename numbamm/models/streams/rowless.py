"""A linear model whose rows are not in memory, in other columns: by linear maps of A."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from numbamm.blocks.layout import Layout, Pattern
from numbamm.blocks.maps.other_columns import in_other_columns
from numbamm.blocks.tail.protocol import CrossProduct
from numbamm.models.centred_response import CentredResponse
from numbamm.models.spaces.scaled import ScaledTerms


def with_scalings(model, scalings):
    """A twin of a model, fitted as it is, in other scaled columns of its random effects."""
    twin = model.twin()
    twin.scaled = ScaledTerms(twin.reterms, model.scaled.root, scalings)
    changes = []
    for term, old, new in zip(model.reterms, model.scalings, scalings, strict=True):
        before, after = (np.eye(term.p) if s is None else s.T for s in (old, new))
        changes.append(np.linalg.solve(after.T, before.T))
    nx = model.feterm.rank
    layout = _layout(twin, nx)
    A = in_other_columns(model.layout, model.blocks.A, layout, changes, np.eye(nx + 1))
    product = CrossProduct(layout, A, model.frame.y, model.frame.covered)
    twin.blocks = model.blocks.of_product(twin.scaled.terms, product)
    return twin


def _layout(model, nx: int) -> Layout:
    """The layout of a model's terms with another number of columns of X."""
    terms = [
        replace(covered, structure=term.structure)
        for covered, term in zip(model.frame.covered, model.reterms, strict=True)
    ]
    layout = Pattern.of(terms, model.blocks.most_dense).layout(nx)
    layout.places = layout.places[:, :0]
    return layout


class WithoutColumn:
    """Fits of a linear model without a column x of X to y - vx, for any v.

    With B the model's basis, whose columns are orthogonal and of length √n, x = Bξ and
    y = Bγ + s e. The other columns span BQ, with Q orthogonal. Of y - vx, they leave
    d'(γ - vξ) Bd + s e, where d is the direction of B that BQ lacks.

    Parameters
    ----------
    model : LinearMixedModel
    j : int
        Position of the column among the kept ones.
    """

    def __init__(self, model, j: int) -> None:
        self.model, fe, response = model, model.feterm, model.scaled_response
        coordinates = np.linalg.inv(fe.to_basis)
        self._xi = coordinates[:, j]
        others = np.delete(coordinates, j, axis=1)
        Q, R = np.linalg.qr(others, mode="complete")
        rank = len(coordinates)
        self._Q, self._d = Q[:, : rank - 1], Q[:, rank - 1]
        self._gamma = response.gamma0.copy()
        if fe.constant is not None:
            at = int(np.flatnonzero(fe.kept == fe.constant)[0])
            self._gamma += response.mean / fe.constant_value * coordinates[:, at]
        kept = [name for k, name in enumerate(fe.kept_names) if k != j]
        self._twin = model.twin()
        self._twin.feterm = replace(
            fe,
            cnames=kept,
            kept=np.arange(rank - 1),
            to_basis=np.linalg.inv(R[: rank - 1]),
            constant=None,
            constant_value=None,
        )
        self._layout = _layout(self._twin, rank - 1)

    def at(self, v: float):
        """The model's twin, fitted by maximum likelihood to y - vx."""
        twin, scale = self._twin, self.model.scaled_response.scale
        gamma = self._gamma - v * self._xi
        left = self._d @ gamma
        size = float(np.hypot(left, scale))
        rank = len(gamma)
        columns = np.zeros((rank + 1, rank))
        columns[:rank, :-1], columns[:rank, -1] = self._Q, left / size * self._d
        columns[rank, -1] = scale / size
        same = [np.eye(term.p) for term in twin.reterms]
        A = in_other_columns(self.model.layout, self.model.blocks.A, self._layout, same, columns)
        product = CrossProduct(self._layout, A, self.model.frame.y, self.model.frame.covered)
        twin.blocks = self.model.blocks.of_product(twin.scaled.terms, product)
        twin.scaled_response = CentredResponse(self.model.frame.y, size, 0.0, self._Q.T @ gamma)
        return twin.refit(reml=False, optimizer="newton", progress=False)

"""`Scaling`: a random-effects term in columns that are centred and of ordinary size.

θ belongs to the columns that the user wrote. Where those lie far from 0 (calendar years) or are
very large or small, λ is nearly singular, its entries differ by orders of magnitude, A loses
digits, and an optimiser that starts at the identity fails. Such a term is fitted in scaled columns,

    z_scaled = T⁻ᵀ z,   b_scaled = T b,   λ_scaled λ_scaled' = T λλ' T'

which is the same model. Columns of ordinary size are not changed.

See docs/mathematics.md, "Columns of ordinary size".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numbamm.design.absent import is_absent
from numbamm.design.magnitude import sums_of_squares
from numbamm.design.remat import ReMat
from numbamm.shortrepr import ShortRepr
from numbamm.structures.structure import Structure

#: Root mean squares between 1/ORDINARY and ORDINARY, and means up to ORDINARY standard
#: deviations, are ordinary: such columns are not changed.
ORDINARY = 20.0


@dataclass(repr=False)
class Scaling(ShortRepr):
    """Change of columns of one term.

    Attributes
    ----------
    T : ndarray, shape (p, p)
        ``b_scaled = T @ b``; such that the scaled λ has the structure of the term's λ.
    z : ndarray, shape (p, n)
        The scaled columns.
    structure : Structure
        That of the term.
    """

    T: np.ndarray
    z: np.ndarray
    structure: Structure

    @classmethod
    def of_term(cls, term: ReMat, sqrtw=None) -> Scaling | None:
        """The scaling that a term needs; None if its columns are of ordinary size.

        Parameters
        ----------
        term : ReMat
        sqrtw : ndarray, shape (n,), optional
            Square roots of the weights.

        Raises
        ------
        DataError
            A column's squares do not fit into float64.
        """
        w = None if sqrtw is None else sqrtw**2
        sums_of_squares(term.z.T, lambda j: f"'{term.cnames[j]}' in the term of '{term.group}'", w)
        w = np.ones(term.z.shape[1]) if w is None else w
        T, z, structure = np.eye(term.p), term.z.copy(order="F"), term.structure
        # Row by row: numpy reduces columns of one effect, an array of one row, ten times slower.
        constants = [row[0] != 0 and bool((row == row[0]).all()) for row in z]
        for block in structure.mixable:
            constant = next((j for j in block if constants[j]), None)
            for j in block:
                if constant is not None and j != constant:
                    T[constant, j] = _centre(z[j], w) / z[constant, 0]
        of_levels = 1.0 if term.relation is None else term.relation.scale
        for group in structure.of_one_size:
            size = of_levels * np.sqrt(np.mean([w @ z[j] ** 2 / len(w) for j in group]))
            if size > 0 and not 1 / ORDINARY <= size <= ORDINARY:
                z[group] /= size
                T[group] *= size
        return None if np.array_equal(T, np.eye(term.p)) else cls(T, z, structure)

    @classmethod
    def of_moments(cls, structure: Structure, constants, mean, spread, share) -> Scaling | None:
        """The scaling that a term needs, from moments of its columns, weighted or not.

        Parameters
        ----------
        structure : Structure
        constants : ndarray of bool, shape (p,)
            Columns of one value other than zero.
        mean, spread : ndarray, shape (p,)
            Means, and sums of squares about them over the sum of the weights.
        share : float
            Sum of the weights over the number of rows.
        """
        T, mean = np.eye(structure.p), mean.copy()
        for block in structure.blocks:
            constant = next((j for j in block if constants[j]), None)
            for j in block:
                far = abs(mean[j]) > ORDINARY * np.sqrt(spread[j])
                if constant is not None and j != constant and far:
                    T[constant, j], mean[j] = mean[j] / mean[constant], 0.0
        for group in structure.of_one_size:
            size = np.sqrt(np.mean([share * (mean[j] ** 2 + spread[j]) for j in group]))
            if size > 0 and not 1 / ORDINARY <= size <= ORDINARY:
                T[group] *= size
        return None if np.array_equal(T, np.eye(structure.p)) else cls(T, None, structure)

    @classmethod
    def by(cls, term: ReMat, T) -> Scaling:
        """The change of a term's columns by T."""
        z = term.z if is_absent(term.z) else np.asfortranarray(np.linalg.solve(T.T, term.z))
        return cls(T, z, term.structure)

    def columns(self, z) -> np.ndarray:
        """The scaled columns of rows whose columns are z, shape (p, n)."""
        return np.linalg.solve(self.T.T, z)

    def scaled(self, term: ReMat) -> ReMat:
        """The term in scaled columns."""
        return term.in_columns(self)

    def to_scaled(self, theta) -> np.ndarray:
        """θ of the scaled columns, from θ of the user's."""
        return self.structure.nearest(lower(self.T @ self.structure.matrix(theta))[0])

    def to_user(self, theta) -> np.ndarray:
        """θ of the user's columns, from θ of the scaled ones."""
        return self.structure.nearest(
            lower(np.linalg.solve(self.T, self.structure.matrix(theta)))[0]
        )

    def effects(self, theta, u, b) -> tuple[np.ndarray, np.ndarray]:
        """u and b of the user's columns, from those of the scaled ones; shapes (levels, p).

        Parameters
        ----------
        theta : ndarray
            θ of the user's columns.
        u, b : ndarray, shape (levels, p)
            Effects at ``to_scaled(theta)``.
        """
        rotation = lower(self.T @ self.structure.matrix(theta))[1]
        return u @ rotation.T, np.linalg.solve(self.T, b.T).T

    def variances(self, V) -> np.ndarray:
        """Covariances of b of the user's columns, from the scaled ones; shapes (levels, p, p)."""
        back = np.linalg.inv(self.T)
        return back @ V @ back.T

    def gradient(self, theta, G) -> np.ndarray:
        """The gradient in θ of the user's columns, shape (number of θ,).

        Parameters
        ----------
        theta : ndarray
            θ of the user's columns.
        G : ndarray, shape (p, p)
            The gradient in λ of the scaled columns, at ``to_scaled(theta)``.
        """
        rotation = lower(self.T @ self.structure.matrix(theta))[1]
        by_entry = (self.T.T @ G @ rotation.T).ravel()[self.structure.entries]
        return self.structure.slopes(theta, by_entry)


def in_ordinary_columns(term: ReMat, sqrtw=None) -> ReMat:
    """The term in scaled columns if it needs them, else as it is."""
    scaling = Scaling.of_term(term, sqrtw)
    return scaling.scaled(term) if scaling else term


def _centre(column, w) -> float:
    """Centre a column in place if it lies far from 0; returns the weighted mean, or 0 if not."""
    mean = w @ column / w.sum()
    mean += w @ (column - mean) / w.sum()  # a second pass: exact to rounding
    rest = column - mean
    if abs(mean) <= ORDINARY * np.sqrt(w @ rest**2 / w.sum()):
        return 0.0
    column[:] = rest
    return float(mean)


def lower(matrix) -> tuple[np.ndarray, np.ndarray]:
    """L and the rotation Q with matrix = L Q', L lower triangular with no negative diagonal."""
    Q, R = np.linalg.qr(matrix.T)
    sign = np.where(np.diag(R) < 0, -1.0, 1.0)
    return (R * sign[:, None]).T, Q * sign

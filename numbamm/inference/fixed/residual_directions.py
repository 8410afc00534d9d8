"""Derivatives of the response's covariance with residual parameters φ, and products with them.

V = σ²(R(φ) + Z(I ⊗ Γ)Z'). Beside the directions of `response_covariance` there are σ²∂R/∂φ, one
for each φ. With S = R + Z(I ⊗ Γ)Z' and K = Λ(Λ'Z'R⁻¹ZΛ + I)⁻¹Λ',

    S⁻¹ = R⁻¹ - U K U',   U = R⁻¹Z

so that nothing has the order of all rows squared. Rows that share a level, or a residual group,
are a component; components are independent. The columns of Z are stored by their places within a
component, so that one dense column holds a column of each component.

See docs/mathematics.md, "Residual covariance".
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
from scipy.linalg import block_diag
from scipy.sparse.csgraph import connected_components

from numbamm.blocks.layout import ROTATED_WAY
from numbamm.design import directions as design
from numbamm.inference.fixed.response_covariance import BATCH, Directions, independent
from numbamm.memory import refuse_beyond
from numbamm.optimize.differences import jacobian

#: Half-width of differences of the gradient, where φ are of ordinary size.
STEP = 1e-4
#: φ of ordinary size with less information are known: their standard errors are beyond any range.
NOTHING = 1e-2


def residual_directions(model) -> Directions:
    """The independent directions of a linear model with a residual part, and products with them.

    The parameters are log σ², unless σ is given; φ; and the free entries of Γ for scaled columns.

    Raises
    ------
    DataError
        A component is too large for dense matrices of its random effects.
    """
    terms, theta = model.scaled.terms, model.scaled.to_scaled(model.theta)
    for term, own in zip(terms, model.scaled.structure.split(theta), strict=True):
        term.theta = own
    out = _Sums(model, terms).directions()
    # variances of effects count as small or not beside that of a typical row
    typical = np.exp(model.residual_side.shift(model.residual_side.phi))
    out.sizes = [size / typical for size in out.sizes]
    out = _without_known(model.residual_side, out, _bend(model, out))
    return out.along(*independent(out.traces, sigma_given=True))


def _without_known(side, directions: Directions, bend) -> Directions:
    """Leave out φ of which there is no information, such as a nugget at its bound."""
    total = len(directions.combinations)
    first = len(bend) - side.size
    phi = np.arange(first, first + side.size)
    information = np.diag(directions.traces)[phi] / side.sizes**2
    known = phi[information < NOTHING]
    kept = np.delete(np.eye(total), known, axis=1)
    out = directions.along(kept, kept.T)
    bend[known], bend[:, known] = 0.0, 0.0
    out.bend = bend
    names = [side.names[k - first].removeprefix("residual.") for k in known]
    out.known = [name.removesuffix("_angle") for name in names]
    return out


def _bend(model, directions: Directions) -> np.ndarray:
    """What ∂²V/∂φ∂φ adds to the Hessian of -2 log-likelihood, shape (log σ² and φ, the same).

    The Hessian in φ is found from differences of the exact gradient of the objective, in which σ²
    is profiled. The rest of it is known from the directions.
    """
    size = model.residual_side.size
    first = len(directions.combinations) - sum(t.structure.size for t in directions.terms)
    free = first - size  # 1 if σ² is estimated
    H, phi = _curvature(model), slice(free, first)
    if free:  # the Hessian at a fixed σ², from that of the profile
        u = directions.squares[0, phi]  # -∂r²/∂φ / σ²
        H = H + np.outer(u, u) / directions.squares[0, 0]
    out = np.zeros((first, first))
    out[phi, phi] = (H + H.T) / 2 - directions.observed[phi, phi]
    return out


def _curvature(model) -> np.ndarray:
    """Second derivatives of the model's objective by φ, by differences of the gradient.

    Random effects stay relative to a typical row's standard deviation, as in the directions.
    """
    side, space = model.residual_side, model.space
    phi, theta = space.split(space.to_scaled(model.x))

    def slopes(phi):
        return space.gradient(np.concatenate([phi, theta]))[1][: side.size]

    return jacobian(slopes, phi, STEP / side.sizes)


class _Residuals:
    """R of the rows in the order of the data, and its derivatives, at the model's φ.

    With the standard deviations D and the correlations C, of which Q is the inverse, R = DCD. For
    the logarithm of a standard deviation ∂R = LR + RL with L diagonal, for a correlation it is
    ∂R = D ∂C D. Where σ is estimated, L has mean zero: a covariate far from zero would else have
    nearly the direction of σ.
    """

    def __init__(self, side, has_sigma: bool) -> None:
        at = side.rows.at(side.phi)
        self._rows, self._matrices, self._product = (
            at.of.rows,
            at.matrices,
            at.of.correlations.product,
        )
        self._root = at.root if at.of.sqrtw is None else at.root * at.of.sqrtw[at.of.rows]
        self._slopes = at.of.scales.slopes(side.phi[: at.of.scales.size])
        if has_sigma and len(self._slopes):
            self._slopes = self._slopes - self._slopes.mean(axis=1, keepdims=True)
        self.size = side.size

    def _as_given(self, M) -> np.ndarray:
        out = np.empty_like(M)
        out[..., self._rows, :] = M
        return out

    def solve(self, M) -> np.ndarray:
        """R⁻¹M, shape (n, columns)."""
        scaled = self._root[:, None] * M[self._rows]
        return self._as_given(self._root[:, None] * self._product(self._matrices.Q, scaled))

    def moves(self, M) -> np.ndarray:
        """∂R M for each φ, shape (φ, n, columns)."""
        d, lines = 1 / self._root[:, None], self._slopes[:, :, None]
        r = d * M[self._rows]
        e = self._matrices.times(r)
        by_sd = d * (lines * e + self._times_each(lines * r))
        by_shape, _ = self._matrices.moves(e, r)
        return self._as_given(np.concatenate([by_sd, d * by_shape]))

    def _times_each(self, stack) -> np.ndarray:
        return np.array([self._matrices.times(r) for r in stack]).reshape(stack.shape)

    def trace(self) -> np.ndarray:
        """tr(R⁻¹∂R) of each φ."""
        _, diagonal, _ = self._matrices.traces()
        return np.concatenate([2 * self._slopes.sum(axis=1), diagonal.sum(axis=1)])

    def traces(self) -> np.ndarray:
        """tr(R⁻¹∂R R⁻¹∂R) of all pairs of φ."""
        both, diagonal, pairs = self._matrices.traces()
        lines = self._slopes
        by_sd = 2 * lines @ (lines.T + self._product(both, lines.T))
        across = 2 * lines @ diagonal.T
        return np.block([[by_sd, across], [across.T, pairs]])


class _Components:
    """Components, and the places of the columns of Z in them.

    Attributes
    ----------
    of_rows : ndarray of int, shape (n,)
        The component of each row.
    number, width : int
        How many components there are, and columns of Z in the widest.
    Z : ndarray, shape (n, width)
        Each row's entries, at the places of their columns.
    """

    def __init__(self, terms, groups) -> None:
        nodes, starts = [groups], [0, int(groups.max()) + 1]
        related = [term.way == ROTATED_WAY for term in terms]  # all of their levels are as one
        for term, as_one in zip(terms, related, strict=True):
            nodes.append((np.zeros_like(term.refs) if as_one else term.refs) + starts[-1])
            starts.append(starts[-1] + (1 if as_one else term.nlevels))
        ends = np.tile(groups, len(nodes)), np.concatenate(nodes)
        graph = sp.coo_array((np.ones(len(ends[0]), dtype=bool), ends), shape=(starts[-1],) * 2)
        self.number, label = connected_components(graph, directed=False)
        self.of_rows = label[groups]
        self.order = np.argsort(self.of_rows, kind="stable")
        self.counts = np.bincount(self.of_rows, minlength=self.number)
        self.parts, self.width = [], 0
        pieces = []
        for term, start, as_one in zip(terms, starts[1:], related, strict=False):
            of_levels = label[start : start + term.nlevels]
            place = np.arange(term.nlevels) if as_one else _ranks(of_levels)
            most = int(place.max()) + 1
            self.parts.append((self.width, most, term.p))
            self.width += most * term.p
            pieces.append((place[term.refs], term.z))
        order = self.width
        refuse_beyond(
            8 * (6 * self.number * order**2 + 4 * order * len(groups)),
            f"small-sample degrees of freedom where rows connect {order} random effects",
            'use ddf="wald"',
        )
        self.Z = np.zeros((len(groups), self.width))
        each = np.arange(len(groups))
        for (first, _, p), (place, z) in zip(self.parts, pieces, strict=True):
            for a in range(p):
                self.Z[each, first + place * p + a] = z[a]
        for (first, q, _), term, as_one in zip(self.parts, terms, related, strict=True):
            if as_one:  # columns ZR of independent effects
                own, R = self.Z[:, first : first + q], term.relation.root
                own[:, : R.shape[1]], own[:, R.shape[1] :] = own @ R, 0.0

    def sums(self, X, Y) -> np.ndarray:
        """X'Y of the rows of each component, shape (number, columns of X, columns of Y)."""
        if self.number == 1 or X.shape[1] == 0:
            return np.broadcast_to((X.T @ Y)[None], (self.number, X.shape[1], Y.shape[1]))
        out = np.empty((self.number, X.shape[1], Y.shape[1]))
        for part, rows, starts in self._batches(X.shape[1] * Y.shape[1]):
            both = X[rows][:, :, None] * Y[rows][:, None, :]
            out[part] = np.add.reduceat(both, starts, axis=0)
        return out

    def _batches(self, each: int) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Components in batches, their rows, and where in these each component begins."""
        stops = np.cumsum(self.counts)
        first = 0
        while first < self.number:
            before = stops[first] - self.counts[first]
            last = int(np.searchsorted(stops, before + max(BATCH // max(each, 1), 1)))
            last = min(max(last, first + 1), self.number)
            rows = self.order[before : stops[last - 1]]
            starts = stops[first:last] - self.counts[first:last] - before
            yield slice(first, last), rows, starts
            first = last

    def times(self, X, M) -> np.ndarray:
        """X_c M_c for the rows of each component, shape (n, columns of M)."""
        if self.number == 1 or X.shape[1] == 0:
            return X @ M[0]
        out = np.empty((len(X), M.shape[2]))
        step = max(1, BATCH // (M.shape[1] * M.shape[2]))
        for start in range(0, len(X), step):
            rows = slice(start, start + step)
            out[rows] = np.einsum("na,nab->nb", X[rows], M[self.of_rows[rows]])
        return out

    def by_levels(self, X, k: int) -> np.ndarray:
        """Columns of term k, shape (..., places, p)."""
        first, places, p = self.parts[k]
        return X[..., first : first + places * p].reshape(*X.shape[:-1], places, p)


def _ranks(labels) -> np.ndarray:
    """The rank of each entry among those with the same label, in order."""
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], labels[order])
    out = np.empty(len(labels), dtype=np.int64)
    out[order] = np.arange(len(labels)) - starts
    return out


class _Sums:
    """The products with the directions of all parameters, relative to σ² unless said otherwise.

    The columns of V⁻¹[X r] and their products with directions are n × (rank + 1) matrices.
    """

    def __init__(self, model, terms) -> None:
        self.model, self.terms, self.sigma2 = model, terms, model.sigma**2
        side, frame = model.residual_side, model.frame
        self.state = _Residuals(side, has_sigma=not model.estimates.sigma_given)
        self.nphi, self.groups = side.size, side.reading.groups
        self.E = design.units(terms) if terms else []
        self.parts = parts = _Components(terms, self.groups)
        kept = model.feterm.kept
        X = frame.X[:, kept] @ model.feterm.to_basis
        y = frame.y if frame.offset is None else frame.y - frame.offset
        Xr = np.column_stack([X, y - frame.X[:, kept] @ model.estimates.beta])
        self.U = self.state.solve(parts.Z)
        lam = block_diag(
            np.zeros((0, 0)),
            *(
                np.kron(np.eye(places), term.lambda_)
                for (_, places, _), term in zip(parts.parts, terms, strict=True)
            ),
        )
        self.A = parts.sums(parts.Z, self.U)
        omega = lam.T @ self.A @ lam + np.eye(parts.width)
        self.H = lam @ np.swapaxes(np.linalg.inv(np.linalg.cholesky(omega)), 1, 2)
        self.K = self.H @ np.swapaxes(self.H, 1, 2)
        self.SZ = self.U - parts.times(self.U, self.K @ self.A)  # S⁻¹Z
        self.M = parts.sums(parts.Z, self.SZ)
        self.a = self._solved(Xr)  # S⁻¹[X r]
        self.B = parts.sums(parts.Z, self.a)
        self.information = X.T @ self.a[:, :-1]

    def _solved(self, G) -> np.ndarray:
        """S⁻¹G."""
        inner = self.K @ self.parts.sums(self.U, G)
        return self.state.solve(G) - self.parts.times(self.U, inner)

    def directions(self) -> Directions:
        """The products with the directions of log σ², if it is estimated, φ and Γ."""
        model, s2, x = self.model, self.sigma2, len(self.information)
        n_gamma = len(self.E[0]) if self.E else 0
        v = 0 if model.estimates.sigma_given else 1
        f, total = v + self.nphi, v + self.nphi + n_gamma
        first, second = np.zeros((total, x + 1, x + 1)), np.zeros((total, total, x + 1, x + 1))
        traces = np.zeros((total, total))
        phi, gamma = slice(v, f), slice(f, total)
        E_B = self._times_units(self.B)
        first[gamma] = np.einsum("cqx,scqy->sxy", self.B, E_B)
        second[gamma, gamma] = np.einsum("scqx,cqr,tcry->stxy", E_B, self.M, E_B, optimize=True)
        traces[gamma, gamma] = self._gamma_traces()
        g = self.state.moves(self.a)
        first[phi] = np.einsum("nx,iny->ixy", self.a, g)
        for j in range(self.nphi):
            at = v + j
            later = g[j:].transpose(0, 2, 1).reshape(-1, len(self.a))
            pairs = (later @ self._solved(g[j])).reshape(-1, x + 1, x + 1)
            second[at:f, at], second[at, at:f] = pairs, pairs.transpose(0, 2, 1)
            BG = self.parts.sums(self.SZ, g[j])  # Z'S⁻¹ (∂R) S⁻¹[X r]
            second[gamma, at] = np.einsum("scqx,cqy->sxy", E_B, BG)
            second[at, gamma] = second[gamma, at].transpose(0, 2, 1)
        traces[phi, phi], traces[phi, gamma] = self._phi_traces()
        traces[gamma, phi] = traces[phi, gamma].T
        reml = model.estimates.reml
        information = self.information / s2
        phi_matrix = np.linalg.inv(information)
        X, r = slice(-1), -1
        across = first[:, r, X] / s2
        squares = second[:, :, r, r] / s2 - across @ phi_matrix @ across.T
        if v:
            first[0], second[0, v:], second[v:, 0] = 0.0, first[v:], first[v:]
            first[0, X, X] = self.information
            second[0, 0] = first[0]
            traces[0, 0], squares[0, 0] = model.nobs, model.nobs - reml * x
            traces[0, phi] = traces[phi, 0] = self._phi_trace()
            traces[0, gamma] = traces[gamma, 0] = self._gamma_trace()
            squares[0, v:] = squares[v:, 0] = first[v:, r, r] / s2
        return Directions(
            combinations=np.eye(total),
            coordinates=np.eye(total),
            phi=phi_matrix,
            P=first[:, X, X] / s2,
            Q=second[:, :, X, X] / s2,
            traces=traces,
            squares=squares,
            slopes=self._slopes(phi_matrix if reml else np.zeros_like(phi_matrix)),
            terms=self.terms,
            lambdas=[t.lambda_ for t in self.terms],
            sizes=[t.root_mean_squares(model.scaled.root) for t in self.terms],
            reml=reml,
        )

    def _times_units(self, B) -> np.ndarray:
        """E_s B of each direction of Γ, shape (directions, components, width, columns of B)."""
        number = len(self.E[0]) if self.E else 0
        out = np.zeros((number, *B.shape))
        for k, E in enumerate(self.E):
            first, places, p = self.parts.parts[k]
            part = slice(first, first + places * p)
            levels = B[:, part].reshape(len(B), places, p, -1)
            product = np.einsum("sab,clbx->sclax", E, levels)
            out[:, :, part] = product.reshape(number, len(B), places * p, -1)
        return out

    def _gamma_traces(self) -> np.ndarray:
        """tr(S⁻¹ZE_sZ'S⁻¹ZE_tZ')."""
        number = len(self.E[0]) if self.E else 0
        out = np.zeros((number, number))
        for k, E in enumerate(self.E):
            for m, F in enumerate(self.E):
                rows = self.parts.by_levels(np.swapaxes(self.M, 1, 2), k)  # (c, width, places, p)
                block = self.parts.by_levels(np.moveaxis(rows, 1, -1), m)  # (c, l, a, l', b)
                flat = block.transpose(0, 1, 3, 2, 4).reshape(-1, E.shape[1] * F.shape[1])
                S = (flat.T @ flat).reshape(E.shape[1], F.shape[1], E.shape[1], F.shape[1])
                out += np.einsum("sab,tcd,bcad->st", E, F, S, optimize=True)
        return out

    def _gamma_trace(self) -> np.ndarray:
        """tr(S⁻¹ZE_sZ')."""
        number = len(self.E[0]) if self.E else 0
        return sum(
            (np.einsum("sab,ab->s", E, M) for E, M in zip(self.E, self._diagonal(), strict=True)),
            np.zeros(number),
        )

    def _diagonal(self) -> list[np.ndarray]:
        """Σ over levels of the diagonal blocks of Z'S⁻¹Z, for each term."""
        out = []
        for k in range(len(self.terms)):
            rows = self.parts.by_levels(np.swapaxes(self.M, 1, 2), k)
            block = self.parts.by_levels(np.moveaxis(rows, 1, -1), k)
            out.append(np.einsum("clalb->ab", block))
        return out

    def _phi_trace(self) -> np.ndarray:
        """tr(S⁻¹∂R) of each φ."""
        out = self.state.trace()
        for part in self._column_batches(self.parts.width):
            UH = self.parts.times(self.U, self.H[:, :, part])
            out -= np.einsum("na,ina->i", UH, self.state.moves(UH))
        return out

    def _phi_traces(self) -> tuple[np.ndarray, np.ndarray]:
        """tr(S⁻¹∂R S⁻¹∂R) of all pairs of φ, and tr(S⁻¹∂R S⁻¹ZE_sZ')."""
        state, parts, nphi = self.state, self.parts, self.nphi
        both = state.traces()
        inner = np.zeros((nphi, parts.number, parts.width, parts.width))
        UH = parts.times(self.U, self.H)
        for part in self._column_batches(parts.width):
            moved = state.moves(UH[:, part])
            for j in range(nphi):
                both[:, j] -= 2 * np.einsum("ina,na->i", moved, state.solve(moved[j]))
                inner[j, :, :, part] = parts.sums(UH, moved[j])
        both += np.einsum("icab,jcba->ij", inner, inner, optimize=True)
        return (both + both.T) / 2, self._across_traces()

    def _across_traces(self) -> np.ndarray:
        """tr(S⁻¹∂R S⁻¹ZE_sZ'), shape (φ, directions of Γ)."""
        out = np.zeros((self.nphi, len(self.E[0]) if self.E else 0))
        for k, E in enumerate(self.E):
            first, places, p = self.parts.parts[k]
            for levels in self._column_batches(places, p):
                part = slice(first + levels.start * p, first + levels.stop * p)
                left = self.SZ[:, part].reshape(len(self.SZ), -1, p)
                right = self.state.moves(self.SZ[:, part])
                right = right.reshape(self.nphi, *left.shape)
                out += np.einsum("sab,nla,inlb->is", E, left, right, optimize=True)
        return out

    def _column_batches(self, width: int, each: int = 1) -> Iterator[slice]:
        """Parts of so many columns, or groups of `each`, for which moves fit into memory."""
        step = max(1, BATCH // (len(self.groups) * max(self.nphi, 1) * each))
        for start in range(0, width, step):
            yield slice(start, min(start + step, width))

    def _slopes(self, phi) -> list[np.ndarray]:
        """∂(-2 log-likelihood)/∂Γ of each term; `phi` is zero under maximum likelihood."""
        out = []
        for k, diagonal in enumerate(self._diagonal()):
            first, places, p = self.parts.parts[k]
            B = self.B[:, first : first + places * p].reshape(-1, p, self.B.shape[2])
            S = np.einsum("jax,jby->abxy", B, B) / self.sigma2
            out.append(diagonal - np.einsum("abxy,xy->ab", S[..., :-1, :-1], phi) - S[..., -1, -1])
        return out

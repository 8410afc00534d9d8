"""`ModeFinder`: one generalized model's rows and buffers, and its conditional modes.

The file is long since the modes of a model, their buffers and what follows are one object.
"""

from __future__ import annotations

import threading
from copy import copy
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np

from numbamm.blocks.gradient import objective_gradient
from numbamm.blocks.layout import NLEVEL, NX, ORDER, P, Pattern
from numbamm.blocks.search.certificate import judge
from numbamm.blocks.solve import solve
from numbamm.blocks.tail.choice import check_size
from numbamm.blocks.threads import ThreadLocal
from numbamm.blocks.variances import (
    chosen_parts,
    conditional_variances,
    leverages,
    row_variances,
    tail_block,
)
from numbamm.glm.family import Family
from numbamm.glm.gradient import laplace_gradient, laplace_normal
from numbamm.glm.link import Link
from numbamm.glm.logistic import entropies
from numbamm.glm.pirls import pirls
from numbamm.glm.quadrature import nodes, quadrature
from numbamm.glm.row_kernels import LINES, WEIGHT
from numbamm.glm.working import CANONICAL, EXPECTED, LINK, Working
from numbamm.shortrepr import ShortRepr
from numbamm.structures.joint import Joint

#: PIRLS stops when Σ W Δη² + |Δu|² falls below this, in units of the size of φ. Convergence is
#: quadratic, so that the mode is then exact to rounding.
TOLERANCE = 1e-13


@dataclass(repr=False)
class Mode(ShortRepr):
    """Outcome of PIRLS.

    Attributes
    ----------
    deviance, penalty, logdet : float
        Σ w d, u'u and log|L_Z|² at the mode.
    iterations : int
        Negative if the mode was not found; `numbamm.glm.pirls` names the outcomes.
    """

    deviance: float
    penalty: float
    logdet: float
    iterations: int

    @property
    def found(self) -> bool:
        """Whether the mode was found; otherwise the other numbers are not to be used."""
        return self.iterations >= 0


class ModeFinder:
    """Finds modes at given parameters, starting from the mode found last.

    Parameters
    ----------
    terms : sequence of ReMat
    basis : ndarray, shape (n, nx)
        Fixed-effects columns.
    y, weights, offset : ndarray, shape (n,)
    family : Family
    link : Link
    information : int
        `EXPECTED` or `OBSERVED`: the information in the Laplace determinant.
    scale : float
        The size of φ.
    lines : int
        Lines of the link's table that are left for the row kernel's own use.
    joint_rows : bool
        Whether several rows have one density; see `working.JOINT`.
    """

    #: Whether modes are found by conjugate gradients, without a factor.
    is_iterative = False

    def __init__(
        self,
        terms,
        basis,
        y,
        weights,
        offset,
        family: Family,
        link: Link,
        information,
        scale,
        lines: int = 0,
        joint_rows: bool = False,
    ) -> None:
        self.terms, self.scale, self.joint = terms, scale, Joint.of(terms)
        writable = partial(np.require, dtype=np.float64, requirements=["C", "W"])  # one numba type
        y, weights, basis, self.offset = (writable(a) for a in (y, weights, basis, offset))
        kind = _Kind(family, link, information, lines, joint_rows)
        pattern, rows = self._pattern(terms), (y, weights, entropies(y), basis)
        self.varied = self._buffers(pattern, basis.shape[1], kind, *rows)
        self.held = self.varied.with_columns(pattern, 0)
        self._check_size()
        self.q = sum(t.nranef for t in terms)
        self.u, self._last_search = np.zeros(self.q), None

    #: Whether `gradient` gives derivatives.
    has_gradient = True

    @staticmethod
    def _pattern(terms) -> Pattern:
        return Pattern.of(terms)

    @property
    def _buffers(self) -> type[_Buffers]:
        """The class of the buffers."""
        return _Buffers

    def _check_size(self) -> None:
        """Refuse buffers that do not fit into memory."""
        check_size(self.varied.layout, self.terms, copies=2)  # one with the columns of X

    def replaced(self, **parts) -> ModeFinder:
        """A finder with another ``kind``, ``y``, ``weights`` or ``scale``, starting at u = 0."""
        other = copy(self)
        other.scale = parts.pop("scale", self.scale)
        other.varied, other.held = self.varied.replaced(**parts), self.held.replaced(**parts)
        other.u, other._last_search = np.zeros(self.q), None
        return other

    def without_terms(self) -> ModeFinder:
        """A finder for the model without random effects, whose mode is in γ alone."""
        other, rows = copy(self), self.rows
        parts = self.kind, rows.y, rows.weights, rows.entropy, rows.basis
        other.terms, other.q, other.u, other._last_search = [], 0, np.zeros(0), None
        other.joint = Joint([])
        other.varied, other.held = _Buffers(Pattern.of([]), rows.basis.shape[1], *parts), None
        return other

    def working(self, theta, gamma, shape: float) -> ModeFinder:
        """A finder with the blocks and the factor of the working linear model at u and γ.

        It uses the expected information, so that all pivots are positive.
        """
        finder = self.replaced(kind=self.kind._replace(information=EXPECTED))
        finder.u = self.u
        finder(theta, gamma.copy(), vary=True, shape=shape, tolerance=np.inf)
        return finder

    def linear_model(self, sigma: float):
        """The working linear model, of a finder that `working` made.

        Parameters
        ----------
        sigma : float
            The residual standard deviation at a working weight of 1; 0 to estimate it.

        Returns
        -------
        callable
            -2 log-likelihood and its gradient in θ, at a θ.
        callable
            u and γ, at the θ of the last call.
        """
        rows, (adjoint, _) = self.rows, self.varied.for_gradient()
        table, index, degrees = rows.table, rows.index, np.array([len(rows.y), 0])

        def value_and_gradient(theta):
            entries = self.joint.entries(theta)
            out = np.empty(len(entries))
            arrays = table, index, rows.A, rows.work, adjoint
            value = objective_gradient(entries, *arrays, degrees, 0.0, sigma, out)
            return value, self.joint.slopes(theta, out)

        def solution():
            x, b = np.zeros((2, self.q + int(table[0, NX]) + 1))
            solve(table, index, rows.work, x, b)
            return x[:-1]

        return value_and_gradient, solution

    @property
    def kind(self) -> _Kind:
        """Family, link and information."""
        return self.varied.kind

    @property
    def rows(self) -> Working:
        """The rows, in the layout in which γ varies (with X columns)."""
        return self.varied.rows

    @property
    def working_weights(self) -> np.ndarray:
        """Expected information of the rows at the last mode with γ varying, shape (n,)."""
        return self.rows.eta[WEIGHT]

    def __call__(self, theta, gamma, *, vary: bool, shape=0.0, tolerance=None, trace=None) -> Mode:
        """The mode at θ.

        Parameters
        ----------
        theta : ndarray, shape (number of θ,)
        gamma : ndarray, shape (nx,)
            Coefficients of the basis; changed in place if they vary.
        vary : bool
            Whether to minimise over the coefficients, too.
        shape : float
            Shape of the negative binomial.
        tolerance : float, optional
            The default is `TOLERANCE`. Infinity takes no step: u and gamma stay, and the factor
            is computed there.
        trace : ndarray, optional
            See `pirls`.

        Returns
        -------
        Mode
        """
        searched = tolerance is None
        at_mode = searched and trace is None and self._is_mode(theta, gamma, vary, shape)
        if searched:
            tolerance = np.inf if at_mode else TOLERANCE
        x, rows = self._at(gamma, vary)
        number = self._prepared(shape, rows)
        base = self.offset if vary else self.offset + rows.basis @ gamma
        out = np.full(3, np.nan)
        path = np.empty((0, 2)) if trace is None else trace
        iterations = self._pirls(self._entries(theta), x, number, base, vary, tolerance, path, out)
        if iterations < 0 and np.any(self.u):
            self.u = np.zeros(self.q)  # the warm start may be the cause
            given = None if searched else tolerance
            return self(theta, gamma, vary=vary, shape=shape, tolerance=given, trace=trace)
        if iterations >= 0 and not at_mode:
            self.u = x[: self.q].copy()
            if vary:
                gamma[:] = x[self.q :]
            if searched:
                self._last_search = self.u, vary, np.array(theta), gamma.copy(), shape
        return Mode(*out, iterations)

    def _prepared(self, shape, rows) -> float:
        """Make the rows ready for the shape; what kernels get as the shape."""
        return float(shape)

    def _number(self, shape) -> float:
        """What kernels get as the shape, of rows that are ready for it."""
        return float(shape)

    def _pirls(self, entries, x, shape, base, vary, tolerance, trace, out) -> int:
        """See `pirls.pirls`."""
        rows = (self.varied if vary else self.held).rows
        return pirls(entries, x, shape, self.scale, base, rows, tolerance, trace, out)

    def _entries(self, theta) -> np.ndarray:
        """The entries of λ as a contiguous array, which kernels need."""
        return np.ascontiguousarray(self.joint.entries(np.asarray(theta)), dtype=np.float64)

    @property
    def state(self) -> tuple:
        """The start of the next search; assign an earlier `state` to restore it."""
        return self.u, self._last_search

    @state.setter
    def state(self, state: tuple) -> None:
        self.u, self._last_search = state

    def _is_mode(self, theta, gamma, vary: bool, shape: float) -> bool:
        """Whether u, and γ if it varies, are the result of a search at these parameters."""
        if self._last_search is None:
            return False
        u, varied, at_theta, at_gamma, at_shape = self._last_search
        if u is not self.u or at_shape != shape or varied < vary:
            return False
        return bool((at_theta == theta).all() and (at_gamma == gamma).all())

    def _at(self, gamma, vary: bool) -> tuple[np.ndarray, Working]:
        """PIRLS's variables, x = (u, γ) or x = u, and the rows in that layout."""
        if vary:
            return np.concatenate([self.u, gamma]), self.varied.rows
        return self.u.copy(), self.held.rows

    def gradient(self, theta, gamma, *, vary: bool, shape: float, phi: float) -> np.ndarray:
        """Derivatives of the Laplace objective at the mode that the last call found.

        Parameters
        ----------
        theta, gamma, vary, shape
            The arguments of that call.
        phi : float
            Dispersion, or 1.

        Returns
        -------
        ndarray, shape (nx + 1 + number of θ,)
            Derivatives in γ (zeros if it varies with the mode), in log(shape) (0 for a family
            without a shape) and in θ.
        """
        x, rows = self._at(gamma, vary)
        entries, before = self._entries(theta), len(gamma) + 1
        out = np.zeros(before + len(entries))
        laplace_gradient(
            entries,
            x,
            self._number(shape),
            float(phi),
            rows,
            *(self.varied if vary else self.held).for_gradient(),
            np.zeros(2, dtype=np.int64),
            out,
        )
        if self.joint.is_free:
            return out
        return np.concatenate([out[:before], self.joint.slopes(theta, out[before:])])

    def certify(self, theta, gamma, *, vary: bool, shape: float, phi: float):
        """The certificate of a singular θ at the mode that the last call found.

        Parameters
        ----------
        theta, gamma, vary, shape, phi
            As for `gradient`.

        Returns
        -------
        float, float, callable
            See `blocks.certificate.judge`.
        """
        self.gradient(theta, gamma, vary=vary, shape=shape, phi=phi)
        buffers = self.varied if vary else self.held
        rows, (adjoint, scratch) = buffers.rows, buffers.for_gradient()
        laplace_normal(scratch[3], float(phi), rows, adjoint)
        arrays = rows.A, rows.work, adjoint
        return judge(theta, self.joint, buffers.layout, *arrays, len(rows.y))

    def quadrature(self, k: int, shape=0.0, dispersion=1.0) -> float:
        """Adaptive Gauss–Hermite quadrature of the likelihood at the mode found with β held.

        Parameters
        ----------
        k : int
            Number of nodes in each dimension.
        shape, dispersion : float

        Returns
        -------
        float
            -2 log-likelihood without the constant of the family.
        """
        rows, term = self.held.rows, self.terms[0]
        x, logw = nodes(k)
        return quadrature(
            self.u,
            self._number(shape),
            float(dispersion),
            rows,
            x,
            logw,
            np.zeros(term.p, dtype=np.int64),
            np.empty((3, term.nlevels)),
            np.empty((term.nlevels, term.p)),
        )

    @property
    def order(self) -> int:
        """Order m of the dense tail."""
        return int(self.rows.table[0, ORDER])

    def x_factor(self) -> np.ndarray:
        """L_X, the block of γ in the last factor with γ varying, shape (nx, nx)."""
        layout, nx = self.varied.layout, int(self.rows.table[0, NX])
        return tail_block(layout, self.rows.work, slice(self.order - 1 - nx, self.order - 1))

    def leverages(self) -> np.ndarray:
        """Diagonal of the hat matrix of the last working model with γ varying, shape (n,)."""
        rows = self.rows
        return leverages(self.varied.layout, rows.work, rows.refs, rows.zw, rows.xyw)

    def conditional_variances(self) -> list[np.ndarray]:
        """Variances of b, divided by φ, at the last mode with β held: (levels, p, p) by term."""
        return conditional_variances(self.held.layout, self.held.rows.work)

    def variances_of(self, levels: dict) -> dict[int, np.ndarray]:
        """`conditional_variances` by term, of chosen levels, or of all if there are none."""
        return chosen_parts(self.conditional_variances(), levels)

    def row_variances(self, terms, x, cov) -> np.ndarray:
        """Variances, divided by φ, of x'γ̂ + z'b̂ - z'b in the last working model with γ varying.

        `cov` is the covariance matrix of γ̂, divided by φ; see `variances.row_variances`.
        """
        return row_variances(self.varied.layout, self.rows.work, terms, x, cov)

    def by_term(self, u) -> list[np.ndarray]:
        """Copies of the random effects of each term, in the caller's order, shapes (levels, p)."""
        layout = self.varied.layout
        parts, at = [None] * layout.nterm, 0
        for k in layout.order:
            term = self.terms[k]
            parts[k] = u[at : at + term.nranef].copy().reshape(term.nlevels, term.p)
            at += term.nranef
        return parts


class _Kind(NamedTuple):
    """What determines a generalized model apart from its rows."""

    family: Family
    link: Link
    information: int
    lines: int = 0
    joint_rows: bool = False


@lru_cache
def _model(kind: _Kind) -> np.ndarray:
    """The array `Working.model`; cached, so that all buffers of a fit share one."""
    family, link, information, _, joint_rows = kind
    return np.array(
        [
            *family.addresses(link),
            information,
            family.is_canonical(link),
            family.barrier(link),
            family.dispersed,
            link.is_bounded(family.proportions),
            link.heavy,
            family.has_shape,
            joint_rows,
            family.informed,
        ],
        dtype=np.int64,
    )


class _Buffers(ThreadLocal):
    """Layout and rows for a given number of X columns, with separate scratch for each thread."""

    def __init__(self, pattern: Pattern, nx: int, kind: _Kind, y, weights, entropy, basis) -> None:
        self.layout, self._nx = pattern.layout(nx), nx
        terms = pattern.terms
        self._shared = {
            "y": y,
            "weights": weights,
            "entropy": entropy,
            "basis": basis,
            "refs": np.array([t.refs for t in terms], dtype=np.int32).reshape(-1, len(y)),
            "z": np.concatenate([np.zeros((0, len(y))), *(t.z for t in terms)]).T.copy(),
            "table": self.layout.table,
            "index": self.layout.index,
            "places": self.layout.places,
        }
        self._set_kind(kind)
        super().__init__()

    def with_columns(self, pattern: Pattern, nx: int) -> _Buffers:
        """The same rows in the layout with another number of X columns."""
        other = copy(self)
        other.layout, other._nx = pattern.layout(nx), nx
        other._shared = {
            **self._shared,
            "table": other.layout.table,
            "index": other.layout.index,
        }
        other._drop_buffers()
        return other

    def _drop_buffers(self) -> None:
        super()._drop_buffers()
        self._rows_of_thread = threading.local()

    def _set_kind(self, kind: _Kind) -> None:
        self.kind, self._model = kind, _model(kind)

    def __getstate__(self) -> dict:
        return {k: v for k, v in super().__getstate__().items() if k != "_model"}

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        self._set_kind(self.kind)  # addresses of kernels differ between processes

    def __copy__(self) -> _Buffers:
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    def replaced(self, **parts) -> _Buffers:
        """A copy with another ``kind``, ``y`` or ``weights`` that shares each thread's scratch."""
        other = copy(self)
        other._rows_of_thread = threading.local()
        if "kind" in parts:
            other._set_kind(parts.pop("kind"))
            if other.kind.family is not self.kind.family:  # its scratch may differ in size
                other._local = threading.local()
        if "y" in parts:
            parts["entropy"] = entropies(parts["y"])
        other._shared = {**self._shared, **parts}
        return other

    @property
    def rows(self) -> Working:
        """The rows, with the calling thread's scratch."""
        if not hasattr(self._rows_of_thread, "rows"):
            self._rows_of_thread.rows = Working(self._model, **self._shared, **self._scratch())
        return self._rows_of_thread.rows

    @property
    def _size_work(self) -> int:
        return self.layout.size_work

    def _scratch(self) -> dict[str, np.ndarray]:
        """The calling thread's scratch, which copies made by `replaced` share."""
        if not hasattr(self._local, "scratch"):
            layout, z = self.layout, self._shared["z"]
            q = int((layout.table[1 : 1 + layout.nterm, [P, NLEVEL]].prod(axis=1)).sum())
            self._local.scratch = {
                "A": np.zeros(layout.size_a),
                "work": np.zeros(self._size_work),
                "B": np.zeros(0 if self._model[CANONICAL] else layout.size_a),
                "zw": np.empty_like(z),
                "xyw": np.empty((len(z), self._nx + 1)),
                "eta": np.empty((LINES, len(z))),
                "link": np.empty((self._lines_of_link, len(z))),
                "vectors": np.empty((3, q + self._nx + 1)),
            }
        return self._local.scratch

    @property
    def _lines_of_link(self) -> int:
        """Lines of the link's table."""
        lines = self.kind.lines
        return 6 + lines if self._model[LINK] or lines else self.kind.family.table_lines

    def for_gradient(self) -> tuple[np.ndarray, np.ndarray]:
        """The calling thread's buffers for gradients, allocated at the first one."""
        if not hasattr(self._local, "for_gradient"):
            n = len(self._shared["y"])
            self._local.for_gradient = np.zeros(self.layout.size_adjoint), np.empty((4, n))
        return self._local.for_gradient

"""`ModeFinder`: one generalized model's rows and buffers, and its conditional modes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numbamm.blocks.layout import NX, ORDER, build_layout
from numbamm.blocks.variances import conditional_variances, leverages, tail_block
from numbamm.glm.pirls import OBSERVED, pirls
from numbamm.glm.quadrature import nodes, quadrature

#: The iteration stops when Σ W Δη² + |Δu|² falls below, in units of φ's size. With a canonical
#: link the next step would be about the square of the last, so that the mode is exact to rounding;
#: with another link steps shrink by a factor only, and the last one must be small itself.
CANONICAL_TOLERANCE, TOLERANCE = 1e-13, 1e-18


@dataclass
class Mode:
    """Outcome of PIRLS.

    Attributes
    ----------
    deviance, penalty, logdet : float
        Σ -2 w t, u'u and log|L_Z|² at the mode.
    iterations : int
        Negative if the mode was not found; `numbamm.glm.pirls` names the outcomes.
    """

    deviance: float
    penalty: float
    logdet: float
    iterations: int

    @property
    def found(self) -> bool:
        """Whether the numbers can be used."""
        return self.iterations >= 0


class ModeFinder:
    """Finds modes at given parameters, starting from the last one that was found.

    Parameters
    ----------
    terms : sequence of ReMat
    basis : ndarray, shape (n, nx)
        Fixed-effects columns.
    y, weights, offset : ndarray, shape (n,)
    family, link, information : int
        Codes.
    canonical : bool
        Whether expected and observed information agree.
    scale : float
        The size of φ.
    """

    def __init__(
        self, terms, basis, y, weights, offset, family, link, information, canonical, scale
    ) -> None:
        self.terms, self.basis, self.y = terms, np.ascontiguousarray(basis), y
        self.weights, self.offset = weights, offset
        self.model = np.array([family, link, information], dtype=np.int64)
        self.tolerance = CANONICAL_TOLERANCE if canonical else TOLERANCE
        self.scale = scale
        signed = information == OBSERVED and not canonical
        self.varied, self.held = (_Buffers(terms, nx, signed) for nx in (basis.shape[1], 0))
        self.q = sum(t.nranef for t in terms)
        self.u = np.zeros(self.q)

    def __call__(self, theta, gamma, *, vary: bool, shape=0.0, tolerance=None, trace=None) -> Mode:
        """The mode at θ.

        Parameters
        ----------
        theta : ndarray, shape (number of θ,)
        gamma : ndarray, shape (nx,)
            Coefficients of the basis; changed in place if they vary.
        vary : bool
            Minimise over the coefficients, too.
        shape : float
            Shape of the negative binomial.
        tolerance : float, optional
            Infinity leaves u and gamma as they are, and only factors there.
        trace : ndarray, optional
            See `pirls`.

        Returns
        -------
        Mode
        """
        buffers = self.varied if vary else self.held
        base = self.offset if vary else self.offset + self.basis @ gamma
        trace = np.empty((0, 2)) if trace is None else trace
        x = np.concatenate([self.u, gamma if vary else gamma[:0]])
        out = np.full(3, np.nan)
        iterations = pirls(
            np.ascontiguousarray(theta, dtype=np.float64),
            x,
            self.model,
            float(shape),
            self.scale,
            self.y,
            self.weights,
            base,
            self.basis,
            buffers.refs,
            buffers.z,
            buffers.layout.table,
            buffers.layout.index,
            buffers.layout.places,
            buffers.A,
            buffers.B,
            buffers.work,
            buffers.zw,
            buffers.xyw,
            buffers.eta,
            buffers.vectors,
            self.tolerance if tolerance is None else tolerance,
            trace,
            out,
        )
        if iterations >= 0:
            self.u = x[: self.q].copy()
            if vary:
                gamma[:] = x[self.q :]
        elif np.any(self.u):
            self.u = np.zeros(self.q)  # a warm start may be the trouble
            return self(theta, gamma, vary=vary, shape=shape, tolerance=tolerance, trace=trace)
        return Mode(*out, iterations)

    def quadrature(self, k: int, shape=0.0, dispersion=1.0) -> float:
        """Adaptive Gauss–Hermite quadrature of the likelihood at the mode found with β held.

        Parameters
        ----------
        k : int
            Nodes a dimension.
        shape, dispersion : float

        Returns
        -------
        float
            -2 log-likelihood, less the constant of the family.
        """
        held, term = self.held, self.terms[0]
        x, logw = nodes(k)
        return quadrature(
            self.u,
            self.model,
            float(shape),
            float(dispersion),
            self.y,
            self.weights,
            held.eta[0],
            held.refs,
            held.z,
            held.layout.table,
            held.work,
            x,
            logw,
            np.zeros(term.p, dtype=np.int64),
            np.empty((3, term.nlevels)),
            np.empty((term.nlevels, term.p)),
        )

    @property
    def order(self) -> int:
        """Order m of the dense tail."""
        return int(self.varied.layout.table[0, ORDER])

    def x_factor(self) -> np.ndarray:
        """L_X of the last factor with X columns, shape (nx, nx)."""
        layout, work = self.varied.layout, self.varied.work
        m, nx = int(layout.table[0, ORDER]), int(layout.table[0, NX])
        return tail_block(layout, work, slice(m - 1 - nx, m - 1))

    def leverages(self) -> np.ndarray:
        """Diagonal of the hat matrix of the last working model with X columns, shape (n,)."""
        last = self.varied
        return leverages(last.layout, last.work, last.refs, last.zw, last.xyw)

    def conditional_variances(self) -> list[np.ndarray]:
        """Variances of b over φ at the last mode with β held, (levels, p, p) for each term."""
        last = self.held
        return conditional_variances(last.layout, last.work, last.refs)

    def by_term(self, u) -> list[np.ndarray]:
        """Random effects, term by term as the caller gave them, shapes (levels, p)."""
        layout = self.varied.layout
        parts, at = [None] * layout.nterm, 0
        for k in layout.order:
            term = self.terms[k]
            parts[k] = u[at : at + term.nranef].reshape(term.nlevels, term.p)
            at += term.nranef
        return parts


class _Buffers:
    """Layout and buffers for a number of X columns; `signed` if A may be a difference."""

    def __init__(self, terms, nx: int, signed: bool) -> None:
        self.layout = build_layout(terms, nx)
        ordered = [terms[k] for k in self.layout.order]
        self.refs = np.stack([t.refs for t in ordered])
        self.z = np.concatenate([t.z for t in ordered]).T.copy()
        n, q = len(self.z), sum(t.nranef for t in terms)
        self.A = np.zeros(self.layout.size_a)
        self.B = np.zeros(self.layout.size_a if signed else 0)
        self.work = np.zeros(self.layout.size_work)
        self.zw, self.xyw = np.empty_like(self.z), np.empty((n, nx + 1))
        self.eta, self.vectors = np.empty((4, n)), np.empty((3, q + nx + 1))

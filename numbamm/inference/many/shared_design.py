"""`Design`: what many fits of one model matrix share, and the fits in the compiled loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numbamm.blocks.jit import compile_ahead
from numbamm.blocks.layout import COLUMN, LAMBDA, P
from numbamm.blocks.moments import moment_theta
from numbamm.blocks.search import newton
from numbamm.blocks.search.communication import FAILED
from numbamm.blocks.search.lattice import KNOWN, Lattice, lattice_starts
from numbamm.blocks.search.response_fits import (
    CERTIFIED,
    ENDED,
    EVALUATIONS,
    NORM,
    OBJECTIVE,
    Ends,
    fit_responses,
)
from numbamm.blocks.second_derivatives import Second
from numbamm.blocks.threads import ThreadLocal
from numbamm.inference.many.centred_responses import CentredResponses
from numbamm.inference.many.connected_levels import components_of, with_buffers
from numbamm.models.fitting.light_starts import OTHER_STARTS, SINGULAR, SMALL, TINY, LightStarts
from numbamm.models.fitting.linear_start import LIGHTER, MOST_SCALES
from numbamm.models.fitting.residual_variance import is_unbounded
from numbamm.optimize.auto import FEW, LIGHT
from numbamm.optimize.run import MAX_ROUNDS, RESTART_GAIN
from numbamm.optimize.valleys import FINE_SCALES, SCALES, SEEDS

#: Bytes that a thread may take to keep factors at the points of the lattice, and how many it keeps
#: at least.
FACTORS, FEWEST = 2**25, 16
#: Up to this order of the largest component the last steps of a fit are by exact second
#: derivatives, whether degrees of freedom are wanted or not.
CHEAP = 64


@dataclass
class Fits:
    """Estimates of a batch of responses; a line for each.

    Attributes
    ----------
    nobs : ndarray of int
    objective, sigma : ndarray
    theta, beta : ndarray
        θ of the user's columns, and the coefficients of the kept columns.
    root : ndarray, shape (responses, rank, rank)
        (X'V⁻¹X)⁻¹ = σ² root root', for the kept columns.
    factor : ndarray, shape (responses, rank, rank)
        L_X⁻¹, in the basis.
    certificate : ndarray
        See `blocks.search.certificate`.
    evaluations : ndarray of int
    ends : blocks.search.response_fits.Ends
        The second derivatives, if they were wanted.
    scaled_theta : ndarray
        θ of the scaled columns.
    variance : ndarray
        σ² in units of the response's, less what X explains.
    failed : dict of int to str
    """

    nobs: np.ndarray
    objective: np.ndarray
    sigma: np.ndarray
    theta: np.ndarray
    beta: np.ndarray
    root: np.ndarray
    factor: np.ndarray
    certificate: np.ndarray
    evaluations: np.ndarray
    ends: Ends
    scaled_theta: np.ndarray
    variance: np.ndarray
    failed: dict[int, str]


class Design(ThreadLocal):
    """A model without a response of its own, for fits of many.

    Parameters
    ----------
    model : LinearMixedModel
        Not fitted; its response does not count. Its ``optsum`` has the criterion and tolerances.
    wanted : bool
        Whether second derivatives are wanted.
    """

    def __init__(self, model, wanted: bool) -> None:
        super().__init__()
        self.model, self.blocks, self.scaled = model, model.blocks, model.scaled
        self.joint, self.rank, self.ntheta = (
            model.scaled.structure,
            model.feterm.rank,
            len(model.theta),
        )
        self.parts = components_of(self.blocks)
        self.wanted, self.exact = wanted, int(self.parts.sizes.max(initial=1)) <= CHEAP
        self.coordinates = model.search_coordinates
        self._lattice = self._lattice_arrays()
        few = model.nobs <= SMALL and not is_unbounded(model)
        self._more = LightStarts(self.coordinates, model.nobs if few else np.inf)
        self._all_rows = np.ones((1, model.nobs))
        _ = self._buffers()  # refused before any fit, if they are too large
        compile_ahead(fit_responses, *([lattice_starts] if self._lattice else []))

    # ---- what does not depend on the response ---------------------------------------------

    def _lattice_arrays(self) -> dict | None:
        """The arrays of `Lattice` that threads share; None where searches begin at moments."""
        model, table = self.model, self.blocks.layout.table
        nscale, work = int(self.coordinates.is_scale.sum()), self.blocks.layout.operations
        if work > (LIGHT if self.ntheta <= FEW else LIGHTER) or nscale > MOST_SCALES:
            return None
        scales = FINE_SCALES if nscale == 1 and model.nobs <= TINY else SCALES
        nterm, order = len(self.blocks.layout.order), self.blocks.layout.order
        last = table[nterm, LAMBDA] + table[nterm, P] ** 2
        change, position = np.zeros(last - table[1, LAMBDA]), np.zeros(nscale, dtype=np.int64)
        first = np.cumsum([0, *(t.p for t in model.scaled.terms)])
        for k, given in enumerate(order):
            p, at = int(table[1 + k, P]), int(table[1 + k, LAMBDA] - table[1, LAMBDA])
            change[at : at + p * p] = self.coordinates.changes[given].ravel()
            column = table[1 + k, COLUMN]
            position[column : column + p] = self._scales_of(given) + first[given]
        points = min(
            len(scales) ** nscale, max(FEWEST, FACTORS // (8 * self.blocks.layout.size_work))
        )
        return {
            "scales": np.array(scales),
            "seeds": np.array([scales.index(seed) for seed in SEEDS], dtype=np.int64),
            "others": np.array(OTHER_STARTS if self.ntheta > FEW else ()),
            "change": change,
            "position": position,
            "points": points,
        }

    def _scales_of(self, given: int) -> np.ndarray:
        """For each column of a term, the number of its scale among the term's, in θ's order."""
        structure = self.model.scaled.terms[given].structure
        columns = structure.rows[structure.is_scale]
        return np.argsort(columns)

    def _buffers(self) -> dict:
        """This thread's buffers."""
        if hasattr(self._local, "buffers"):
            return self._local.buffers
        blocks, nx = self.blocks, self.rank
        arrays = blocks.newton_model(*self.model.space.criterion)
        arrays = arrays._replace(
            A=blocks.A.copy(), degrees=arrays.degrees.copy(), constant=0.0, sigma=0.0
        )
        search, state = newton.allocate(arrays, self.ntheta)
        parts = self.parts
        if self.wanted or self.exact:
            parts = with_buffers(parts, nx, self.ntheta)
        r, lam = 1 + self.ntheta, sum(t.p**2 for t in self.scaled.terms)
        traces, expected, squares = np.empty((3, r, r))
        first = np.empty(((r - 1) * (nx + 1), nx + 1))
        second = Second(traces, expected, squares, first, np.empty(lam))
        self._local.buffers = {
            "arrays": arrays,
            "search": search,
            "state": state,
            "parts": parts,
            "rows": (blocks.refs, blocks.z, blocks.xy, blocks.layout.places),
            "z": np.empty_like(blocks.z),
            "xy": np.empty_like(blocks.xy),
            "second": second,
        }
        if self._lattice:
            points = self._lattice["points"]
            self._local.buffers["lattice"] = Lattice(
                **{k: v for k, v in self._lattice.items() if k != "points"},
                factors=np.full((points, blocks.layout.size_work), np.nan),
                logdets=np.empty(points),
                points=np.full(points, -1, dtype=np.int64),
                codes=np.empty(KNOWN, dtype=np.int64),
                passed=np.empty(KNOWN, dtype=np.int64),
                values=np.empty(KNOWN),
            )
        return self._local.buffers

    # ---- fits -----------------------------------------------------------------------------

    def fit(self, y, kept=None, pattern=None) -> Fits:
        """Fit responses.

        Parameters
        ----------
        y : ndarray, shape (responses, n)
            For the rows used.
        kept : ndarray, shape (patterns, n), optional
            For each pattern of missing values, 1 for the rows that there are, else 0. X has the
            same rank in them.
        pattern : ndarray of int64, shape (responses,), optional
            The pattern of each response, the same ones side by side.
        """
        model, feterm = self.model, self.model.feterm
        of_each = kept if kept is None else kept[pattern]
        response = CentredResponses.of(
            y,
            self._all_rows if kept is None else of_each,
            model.frame.offset,
            feterm,
            model.sqrt_weights,
        )
        if kept is None:
            kept, pattern = self._all_rows, np.zeros(len(y), dtype=np.int64)
        failed = dict(response.failed)
        good = np.array([i for i in range(len(y)) if i not in failed], dtype=np.int64)
        sigmas = (model.optsum.sigma or 0.0) / response.scale
        arguments = (np.ascontiguousarray(kept, dtype=np.float64), pattern)
        ends = self._ends(len(y))
        self._search(response.values, sigmas, arguments, good, ends)
        for i in good[ends.numbers[good, ENDED] == FAILED].tolist():
            failed[i] = "the factorisation fails"
        return self._estimates(response, kept[pattern], ends, failed)

    def _ends(self, n: int) -> Ends:
        nx, r = self.rank, 1 + self.ntheta
        lam = sum(t.p**2 for t in self.scaled.terms)
        sizes = (r * r, r * r, r * r, (r - 1) * (nx + 1) ** 2, lam) if self.wanted else (0,) * 5
        numbers = np.zeros((n, 5))
        numbers[:, ENDED], numbers[:, OBJECTIVE] = FAILED, np.inf
        return Ends(
            np.zeros((n, self.ntheta)),
            np.zeros((n, nx)),
            numbers,
            np.tile(np.eye(nx).ravel(), (n, 1)),
            *(np.zeros((n, size)) for size in sizes),
        )

    def _search(self, y, sigmas, rows, good, ends: Ends) -> None:
        """Fill the ends of the good responses, from first starts and then from further ones."""
        starts, counts = self.first_starts(y, sigmas, rows, good)
        self._run(y, sigmas, rows, good, starts, counts, ends)
        if self._lattice is None or self.ntheta == 1:
            return
        left = good[ends.numbers[good, ENDED] != FAILED]
        for _ in range(MAX_ROUNDS):
            left, starts, counts = self._further_starts(left, ends)
            if not len(left):
                return
            before, others = ends.numbers[left, OBJECTIVE], self._ends(len(y))
            self._run(y, sigmas, rows, left, starts, counts, others)
            gain = before - others.numbers[left, OBJECTIVE]
            lower = left[gain > RESTART_GAIN]
            for kept, new in zip(ends, others, strict=True):
                kept[lower] = new[lower]
            left = lower

    def _run(self, y, sigmas, rows, chosen, starts, counts, ends: Ends) -> None:
        """Fit chosen responses from starts, and fill their ends."""
        b, optsum = self._buffers(), self.model.optsum
        own = Ends(*(np.ascontiguousarray(lines[chosen]) for lines in ends))
        fit_responses(
            np.ascontiguousarray(y[chosen]),
            rows[0],
            rows[1][chosen],
            sigmas[chosen],
            *(b[name] for name in ("arrays", "search", "state", "parts", "rows", "z", "xy")),
            float(optsum.ftol_abs),
            float(optsum.ftol_rel),
            starts,
            counts,
            b["second"],
            self.wanted,
            self.exact,
            own,
        )
        for lines, new in zip(ends, own, strict=True):
            lines[chosen] = new

    def first_starts(self, y, sigmas, rows, chosen) -> tuple[np.ndarray, np.ndarray]:
        """Where searches begin, in lines of equal number for each response, and how many it has.

        In the valleys that a lattice shows; where evaluations are not light, by moments.
        """
        n = len(chosen)
        if self._lattice is None:
            starts = np.empty((n, self.ntheta))
            for line, i in zip(starts, chosen, strict=True):
                line[:] = self._by_moments(y[i], sigmas[i])
            return starts, np.ones(n, dtype=np.int64)
        b, most = self._buffers(), len(SEEDS) + len(self._lattice["others"])
        starts, counts = np.zeros((n * most, self.ntheta)), np.zeros(n, dtype=np.int64)
        names = "arrays", "lattice", "rows", "z", "xy"
        lattice_starts(
            np.ascontiguousarray(y[chosen]),
            rows[0],
            rows[1][chosen],
            sigmas[chosen],
            *(b[name] for name in names),
            starts,
            counts,
        )
        return starts, counts

    def _by_moments(self, y, sigma: float) -> np.ndarray:
        from numbamm.blocks.crossprod import crossprod_response

        blocks, b = self.blocks, self._buffers()
        A, xy = b["arrays"].A, b["xy"]
        A[:] = blocks.A
        xy[:] = blocks.xy
        xy[:, -1] = y
        crossprod_response(blocks.refs, blocks.z, xy, blocks.layout.table, A)
        theta = moment_theta(self.scaled.terms, blocks.layout, A, sigma)
        return self.joint.start if theta is None else theta

    def _further_starts(self, chosen, ends: Ends):
        """Which of the responses have more starts, given their best ends, and these starts."""
        thetas = ends.thetas[chosen]
        if np.isinf(self._more.rows):  # only singular ends ask for one
            largest, least = self._extremes(thetas)
            singular = least <= SINGULAR * largest
            largest = np.where(largest > 0, largest, 1.0)
            equal = self.coordinates.theta(np.where(self.coordinates.is_scale, 1.0, 0.0))
            starts = largest[singular, None] * equal
            return chosen[singular], starts, np.ones(len(starts), dtype=np.int64)
        lists = [self._more.further(theta) for theta in thetas]
        some = [i for i, found in enumerate(lists) if found]
        most = max((len(lists[i]) for i in some), default=0)
        starts = np.zeros((len(some) * most, self.ntheta))
        counts = np.zeros(len(some), dtype=np.int64)
        for at, i in enumerate(some):
            counts[at] = len(lists[i])
            starts[at * most : at * most + counts[at]] = lists[i]
        return chosen[some], starts, counts

    def _extremes(self, thetas) -> tuple[np.ndarray, np.ndarray]:
        """The largest and the least eigenvalue of all S; see `Coordinates.extremes`."""
        values = [
            np.linalg.svd(np.linalg.solve(M, lam), compute_uv=False)
            for lam, M in zip(self.joint.matrices(thetas), self.coordinates.changes, strict=True)
        ]
        values = np.hstack(values)
        return values.max(axis=1), values.min(axis=1)

    # ---- estimates ------------------------------------------------------------------------

    def _estimates(self, response: CentredResponses, kept, ends: Ends, failed) -> Fits:
        """Estimates in the users' units, from where the searches ended."""
        model, feterm, optsum = self.model, self.model.feterm, self.model.optsum
        n, rank = kept.sum(axis=1).astype(np.int64), self.rank
        degrees = n - (rank if optsum.reml else 0)
        norm, scale = ends.numbers[:, NORM], response.scale
        sigma = scale * norm / np.sqrt(degrees)
        if optsum.sigma is not None:
            sigma = np.full(len(n), float(optsum.sigma))
        log_w = 0.0
        if model.frame.weights is not None:
            log_w = np.einsum("ij,j->i", kept, np.log(model.frame.weights))
        constant = 2 * degrees * np.log(scale) - log_w
        if optsum.reml:
            constant = constant - 2 * feterm.logdet_to_basis
        gamma = scale[:, None] * ends.gammas + response.gamma0
        beta = np.einsum("kx,ix->ik", feterm.to_basis, gamma)
        if feterm.constant is not None:
            at = np.flatnonzero(feterm.kept == feterm.constant)
            beta[:, at] += (response.mean / feterm.x[0, feterm.constant])[:, None]
        factor = np.linalg.inv(ends.factors.reshape(len(n), rank, rank))
        theta = ends.thetas
        if self.scaled.is_changed:
            theta = np.array([self.scaled.to_user(line) for line in theta])
        return Fits(
            nobs=n,
            objective=ends.numbers[:, OBJECTIVE] + constant,
            sigma=sigma,
            theta=self.joint.rectified(theta),
            beta=beta,
            root=np.einsum("kx,iyx->iky", feterm.to_basis, factor),
            factor=factor,
            certificate=ends.numbers[:, CERTIFIED],
            evaluations=ends.numbers[:, EVALUATIONS].astype(np.int64),
            ends=ends,
            scaled_theta=ends.thetas,
            variance=(sigma / scale) ** 2,
            failed=failed,
        )

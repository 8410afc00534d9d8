"""`IterativeModes`: conditional modes by conjugate gradients, and Laplace's determinant by probes.

PIRLS solves each of its least-squares problems by conjugate gradients (`blocks.tail`). log|M| and
its derivatives at the mode are estimated with random probes, which are fixed, so that objective and
gradient are smooth functions of the parameters. The gradient is that of `glm.gradient`: h_i enters
it linearly, so that an unbiased h (`row_forms`) gives an unbiased gradient.
"""

from __future__ import annotations

import numpy as np

from numbamm.blocks.layout import COLUMN, DIAG, NLEVEL, P, Pattern
from numbamm.blocks.tail import probes
from numbamm.blocks.tail.approximation import MOST_ITERATIONS, Approximation
from numbamm.blocks.tail.conjugate_gradients import NoConvergence
from numbamm.blocks.tail.iterative_forms import MOST_FORMS, chosen_variances, forms_of_rows
from numbamm.blocks.tail.iterative_tail import FEW, IterativeTail, entries_of
from numbamm.blocks.tail.protocol import UnsuitedTail
from numbamm.blocks.tail.reduction import PARTS
from numbamm.blocks.tail.schur import Design
from numbamm.blocks.threads import run_parts
from numbamm.errors import OptionError
from numbamm.glm import pirls as outcomes
from numbamm.glm.logistic import entropies
from numbamm.glm.mode import ModeFinder, _Buffers, _Kind
from numbamm.glm.row_forms import head_columns, row_forms
from numbamm.glm.row_kernels import (
    EXPECTED_SHAPE,
    EXPECTED_SLOPE,
    FIRST,
    OBSERVED_SHAPE,
    OBSERVED_SLOPE,
    SCORE,
    SECOND,
    THIRD,
    WEIGHT,
    WORKING,
    evaluate_rows,
)
from numbamm.glm.rows_for_python import observed, predict, responding, weighted
from numbamm.glm.working import (
    AT,
    BARRIER,
    CANONICAL,
    DETERMINANT,
    DISPERSED,
    EDGE,
    FAMILY,
    HEAVY,
    HELD,
    LINK,
    OBSERVED,
    SHAPED,
    TRIAL,
)
from numbamm.structures.joint import Joint

#: Tolerances of solutions: of PIRLS and the adjoint, and of the probes.
TOLERANCE, ROUGH = 1e-9, 1e-6
NO_DEGREES = np.zeros(2, dtype=np.int64)
#: A working linear model is fitted until the objective falls by no more.
ENOUGH = 1e-3
#: Fewer rows than this are looked at in one part.
FEW_ROWS = 50_000


class IterativeModes(ModeFinder):
    """As `ModeFinder`, for designs whose tail is too large to be factored.

    Parameters
    ----------
    terms, basis, y, weights, offset, family, link, information, scale
        As for `ModeFinder`.
    number, seed : int, optional
        Of the probes.
    """

    is_iterative = True

    def __init__(
        self,
        terms,
        basis,
        y,
        weights,
        offset,
        family,
        link,
        information,
        scale,
        number=None,
        seed=None,
    ) -> None:
        self.terms, self.scale, self.joint = terms, scale, Joint.of(terms)
        y, weights, basis, self.offset = (
            np.require(a, dtype=np.float64, requirements=["C", "W"])
            for a in (y, weights, basis, offset)
        )
        pattern, rows = Pattern.of(terms, most_dense=FEW), (y, weights, entropies(y), basis)
        self.varied = _IterativeBuffers(
            pattern, basis.shape[1], _Kind(family, link, information), *rows
        )
        self.held = self.varied.with_columns(pattern, 0)
        self.q = sum(t.nranef for t in terms)
        self.u, self._last_search = np.zeros(self.q), None
        self.probes, self.seed = number or probes.FEWEST, seed or 0

    def without_terms(self) -> ModeFinder:
        rows, plain = self.rows, object.__new__(ModeFinder)
        parts = self.kind, rows.y, rows.weights, rows.entropy, rows.basis
        vars(plain).update(vars(self))
        plain.terms, plain.q, plain.u, plain._last_search = [], 0, np.zeros(0), None
        plain.joint = Joint([])
        plain.varied, plain.held = _Buffers(Pattern.of([]), rows.basis.shape[1], *parts), None
        return plain

    # ---- the mode ---------------------------------------------------------------------------

    def _pirls(self, entries, x, shape, base, vary, tolerance, trace, out) -> int:
        """As the kernel `pirls.pirls`, with solutions by conjugate gradients."""
        buffers = self.varied if vary else self.held
        search = _Search(self, buffers, entries, shape, base, len(x))
        try:
            iterations = search.run(x, tolerance, trace, out)
        except NoConvergence:
            raise UnsuitedTail(
                "conjugate gradients need too many iterations: some factors are nearly nested, or "
                "few rows connect their levels"
            ) from None
        except FloatingPointError:
            return outcomes.NOT_POSITIVE_DEFINITE
        buffers._local.found = search.found
        return iterations

    def gradient(self, theta, gamma, *, vary: bool, shape: float, phi: float) -> np.ndarray:
        """As `ModeFinder.gradient`, estimated with the probes of the last mode."""
        x, rows = self._at(gamma, vary)
        buffers = self.varied if vary else self.held
        found, entries = buffers._local.found, self._entries(theta)
        lines, model, q = rows.eta, rows.model, self.q
        with_observed = model[DETERMINANT] == OBSERVED
        eta, rank = lines[AT], rows.basis.shape[1]
        lam = [found.schur.lam(k) for k in range(buffers.layout.nterm)]
        normals = found.normals(lambda: [_single_normal(found, lam[0])], NO_DEGREES, 0.0)
        h = self._row_forms(found, rows)
        ask(OBSERVED_SLOPE if with_observed else EXPECTED_SLOPE, eta, shape, 0.0, rows)
        t = h * lines[FIRST]
        if not with_observed and model[CANONICAL] == 0:
            observed(HELD, float(shape), rows)
        responding(t, rows)
        design = buffers.design
        design.new_response()
        a, _ = Approximation(
            design, entries, np.zeros((design.order, 0)), (TOLERANCE, TOLERANCE)
        ).solution()
        eta_a = np.empty(len(t))
        predict(entries, a[:q].copy(), a[q:-1].copy(), np.zeros(len(t)), eta_a, rows)
        v = t - lines[WEIGHT] * eta_a - 2.0 * lines[SCORE] / phi
        out = np.zeros(rank + 1)
        if not vary:
            out[:rank] = rows.basis.T @ v
        if model[SHAPED] != 0:
            ask(OBSERVED_SHAPE if with_observed else EXPECTED_SHAPE, eta, shape, 0.0, rows)
            out[rank] = np.sum(lines[FIRST] + h * lines[THIRD] + eta_a * lines[SECOND])
        slopes = [2.0 * N @ own for (N, _), own in zip(normals, lam, strict=True)]
        start = 0
        for k, row in enumerate(rows.table[1 : 1 + len(slopes)]):
            p, n, column = row[P], row[NLEVEL], row[COLUMN]
            here = slice(start, start + p * n)
            u_k, a_k = x[here].reshape(n, p), a[here].reshape(n, p)
            for c in range(p):
                z = rows.z[:, column + c]
                to_v = np.bincount(rows.refs[k], z * v, n)
                to_s = np.bincount(rows.refs[k], z * lines[SCORE], n)
                slopes[k][c] += to_v @ u_k + to_s @ a_k
            start += p * n
        by_given = [slopes[k] for k in np.argsort(buffers.layout.order)]
        parts = [G.ravel()[s.entries] for G, s in zip(by_given, self.joint.structures, strict=True)]
        return np.concatenate([out, self.joint.slopes(theta, np.concatenate(parts))])

    def _row_forms(self, found, rows) -> np.ndarray:
        """h of every row; see `row_forms`."""
        V, shares, Q, U = found.for_rows()
        design, work = found.design, found.schur.work
        table, places = design.table, (design.local, design.place)
        p, nlevel = int(table[1, P]), int(table[1, NLEVEL])
        head = np.empty((p * nlevel, V.shape[1]))
        own, known, h = np.empty(p * p * nlevel), np.empty(p * p * nlevel), np.empty(len(rows.y))
        parts = len(design.bounds) - 1
        A, index, count = design.A, design.index, len(shares)

        def of_levels(part):
            start, stop = design.bounds[part : part + 2, 0]
            arrays = table, index, A, work, V, 2 * count, U, *places
            head_columns(*arrays, start, stop, head, own, known)

        run_parts(of_levels, parts)
        many = PARTS if len(h) > FEW_ROWS else 1
        cuts = np.linspace(0, len(h), many + 1).astype(np.int64)

        def of_rows(part):
            arrays = table, rows.refs, rows.z, rows.places, A, U, *places, V, head, count
            row_forms(*arrays, shares, Q, own, known, cuts[part], cuts[part + 1], h)

        run_parts(of_rows, many)
        return h

    def fit_working_model(self, theta, gamma, shape: float, sigma: float):
        """As `working_start.fit_working_model`, by the search of linear models."""
        working = self.working(theta, gamma, shape)
        tail = IterativeTail.of_cross_product(
            self.terms, working.varied.layout, working.rows.A, self.probes, self.seed
        )
        degrees = np.array([len(working.rows.y), 0], dtype=np.int64)
        search = tail.search(np.array(theta, dtype=np.float64), degrees, 0.0, sigma, ENOUGH, 0.0)
        best = np.inf, theta
        while search.returnvalue is None:
            best = min([best, *((f, at) for at, f in search.step(1))], key=lambda pair: pair[0])
        if not np.isfinite(best[0]):
            return None
        tail.factorize(best[1])
        u, b = tail.effects()
        self.u = u[: self.q].copy()
        return best[1], b[self.q : -1].copy()

    def certify(self, theta, gamma, *, vary: bool, shape: float, phi: float):
        """None: of an estimated gradient nothing is certain."""
        return np.nan, np.nan, None

    def information(self, theta) -> np.ndarray:
        """About half the curvature in θ at the last mode: average information, twice."""
        buffers = self.held if hasattr(self.held._local, "found") else self.varied
        found = buffers._local.found
        entries = entries_of(self.joint, buffers.layout)
        value, _, _ = found.information(entries, np.array([1, 0]), 1.0, ROUGH)
        out = np.empty_like(value)
        out[np.ix_(entries[3], entries[3])] = value
        return out

    # ---- what follows from the factor -------------------------------------------------------

    def x_factor(self) -> np.ndarray:
        found, nx = self.varied._local.found, self.rows.basis.shape[1]
        return found.factor[-1 - nx : -1, -1 - nx : -1].copy()

    def leverages(self):
        raise _cannot("leverages of all rows")

    def variances_of(self, levels: dict) -> dict[int, np.ndarray]:
        layout, found = self.held.layout, self.held._local.found
        parts = chosen_variances(found, self.terms, layout.order, levels)
        if isinstance(parts, int):
            raise _cannot(f"conditional variances of {parts} random effects")
        return parts

    def row_variances(self, terms, x, cov):
        if len(x) > MOST_FORMS:
            raise _cannot(f"variances of {len(x)} rows")
        ordered = [terms[k] for k in self.varied.layout.order]
        return forms_of_rows(self.varied._local.found, ordered, x, cov)


class _IterativeBuffers(_Buffers):
    """Rows, and buffers without a dense tail."""

    def _scratch(self) -> dict[str, np.ndarray]:
        layout, small = self.layout, self._local
        if not hasattr(small, "scratch"):
            design = Design(layout, np.zeros(layout.size_a))
            whole = layout.size_work
            layout.size_work = design.size_work
            try:
                super()._scratch()
            finally:
                layout.size_work = whole
            design.A = small.scratch["A"]
            small.design = design
        return small.scratch

    @property
    def design(self) -> Design:
        """The calling thread's design, on its A."""
        _ = self.rows
        return self._local.design


class _Search:
    """One search for a mode; see `pirls.pirls`, whose steps it takes."""

    def __init__(self, modes, buffers, entries, shape, base, size) -> None:
        self.rows, self.design = buffers.rows, buffers.design
        self.entries, self.shape, self.base = entries, float(shape), base
        self.q, self.scale = modes.q, modes.scale
        self._modes, self._trial = modes, np.empty(size)
        self.found: Approximation | None = None
        model = self.rows.model
        self.canonical, self.least = model[CANONICAL] != 0, outcomes.LEAST
        if model[DISPERSED] != 0:
            self.least = outcomes.LEAST_DISPERSED * self.scale

    def run(self, x, tolerance, trace, out) -> int:
        rows, scale, q = self.rows, self.scale, self.q
        held = 0.0 if rows.model[HEAVY] != 0 else HELD
        deviance, penalty = self._at(AT, x), x[:q] @ x[:q]
        iterations, change, least, creeping, newton = 0, np.inf, tolerance, 0, False
        while change > least * scale and iterations < outcomes.MAX_ITERATIONS:
            value, part = deviance + penalty, 1.0
            newton = not self.canonical and change < outcomes.NEAR * scale
            if newton:
                self._observed(held)
                try:
                    solution = self._solution()
                    logdet = self._logdet() if iterations < len(trace) else np.nan
                    deviance = self._step(1.0, x, solution)
                    newton = self._descends(deviance, value)
                except FloatingPointError:
                    newton = False
                if not newton:
                    self._deviance(AT)
            if not newton:
                weighted(self.base, rows)
                solution = self._solution()
                logdet = self._logdet() if iterations < len(trace) else np.nan
                for _ in range(outcomes.MAX_HALVINGS):
                    deviance = self._step(part, x, solution)
                    if self._descends(deviance, value):
                        break
                    part *= 0.5
                else:
                    return outcomes.NO_DESCENT
            if iterations < len(trace):
                trace[iterations] = value, logdet
            penalty = self._trial[:q] @ self._trial[:q]
            change = self._change(x) / part**2
            least = tolerance if self.canonical or newton else tolerance * outcomes.LINEAR
            x[:] = self._trial
            iterations += 1
            creeping = creeping + 1 if part < 1.0 and rows.model[EDGE] != 0 else 0
            if creeping > outcomes.MAX_CREEPING:
                return outcomes.AT_EDGE
        if change > least * scale and np.isfinite(tolerance):
            return outcomes.NOT_CONVERGED
        if rows.model[DETERMINANT] == OBSERVED and not self.canonical:
            self._observed(HELD)
        else:
            weighted(self.base, rows)
        out[:] = deviance, penalty, self._logdet()
        if iterations < len(trace):
            trace[iterations] = out[0] + out[1], out[2]
        return iterations

    def _at(self, line: int, x) -> float:
        """Σ w d at x, whose η fills a line."""
        eta, q = self.rows.eta[line], self.q
        predict(self.entries, x[:q].copy(), x[q:].copy(), self.base, eta, self.rows)
        return self._deviance(line)

    def _deviance(self, line: int) -> float:
        total = ask(WORKING, self.rows.eta[line], self.shape, self.least, self.rows)
        return total if total == total else np.inf

    def _observed(self, held: float) -> None:
        rows = self.rows
        observed(held, self.shape, rows)
        eta = rows.eta
        responding(eta[WEIGHT] * (eta[AT] - self.base) + eta[SCORE], rows)

    def _solution(self) -> np.ndarray:
        self.design.new_response()
        none = np.zeros((self.design.order, 0))
        found = Approximation(self.design, self.entries, none, (TOLERANCE, TOLERANCE))
        return found.solution()[0][:-1]

    def _step(self, part: float, x, solution) -> float:
        np.add(x, part * (solution - x), out=self._trial)
        return self._at(TRIAL, self._trial)

    def _descends(self, deviance: float, old: float) -> bool:
        new = deviance + self._trial[: self.q] @ self._trial[: self.q]
        return bool(new <= old + outcomes.SLACK * (abs(old) + self.scale) and new < np.inf)

    def _change(self, x) -> float:
        """Take the step in η; its Σ W Δη² + |Δu|², 0 where it is rounding."""
        eta = self.rows.eta
        change = eta[WEIGHT] @ (eta[TRIAL] - eta[AT]) ** 2
        size = eta[WEIGHT] @ eta[TRIAL] ** 2
        eta[AT] = eta[TRIAL]
        moved = self._trial[: self.q] - x[: self.q]
        change += moved @ moved
        # the solutions' own errors are no steps
        return 0.0 if change < max(outcomes.ROUNDING, TOLERANCE**2) * size else float(change)

    def _logdet(self) -> float:
        """log|M| by the probes."""
        modes, design = self._modes, self.design
        design.new_response()
        Z = probes.draw(design.order, modes.probes, modes.seed)
        self.found = found = Approximation(
            design, self.entries, Z, (TOLERANCE, ROUGH), MOST_ITERATIONS
        )
        terms = len(found.factor) - 1 - design.nx
        exact = found.schur.logdet + 2.0 * np.log(np.diag(found.factor)[:terms]).sum()
        return float(exact + found.logdets.mean())


def ask(what, eta, shape, least, rows) -> float:
    """Evaluate the row kernels; see `working.ask`."""
    model = rows.model
    data = rows.y, rows.weights, rows.entropy, float(shape), float(least), eta, rows.link
    return evaluate_rows(what, model[LINK], model[FAMILY], *data, model[BARRIER], rows.eta)


def _single_normal(found, lam) -> np.ndarray:
    """N of the head's only term where there is no tail."""
    table, A = found.design.table, found.design.A
    blocks = A[table[1, DIAG] : table[1, DIAG] + table[1, P] ** 2 * table[1, NLEVEL]]
    blocks = blocks.reshape(-1, len(lam), len(lam))
    return np.linalg.solve(np.eye(len(lam)) + blocks @ (lam @ lam.T), blocks).sum(axis=0)


def _cannot(what: str) -> OptionError:
    return OptionError(
        f"{what}: not with the iterative tail; build the model with tail='dense' if it fits into "
        "memory"
    )

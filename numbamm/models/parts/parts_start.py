"""Where the fit of a model of several parts begins: at its estimates without random effects.

The likelihood of further parameters may have several maxima: zeros may be due to a second process
or to a large variance, a distribution may be skewed to either side. So several values of each
parameter are tried, and a search begins at the best few of them.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from numbamm.errors import DataError
from numbamm.glm.link import Link
from numbamm.glm.parts.finder import PartsFinder
from numbamm.glm.parts.mixture import HURDLE, PLAIN
from numbamm.glm.row_kernels import FIRST, SCORE, WORKING, evaluate_rows
from numbamm.glm.working import AT, BARRIER, FAMILY, LINK
from numbamm.models.parts.degenerate import FAR, perfect_rows

#: Searches without random effects, and iterations of each.
SEARCHES, ITERATIONS = 3, 200
#: Predictors of a parameter that differ by more, in the mean, are different starts.
APART = 1.0
#: A search ends when the deviance is expected to fall by less.
ENOUGH = 1e-4
#: Residuals below this share of the responses are rounding.
ROUNDING = 1e-10
#: Logits of the zeros' share that are tried, besides that of the zeros themselves.
FEW_ZEROS = -2.0


class RowsAlone:
    """The deviance of the rows without random effects, as a function of γ and ψ.

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
    """

    def __init__(self, model) -> None:
        parts, frame = model.composition, model.frame
        self.link, self.lines = model.link_record, model.part_lines
        finder = parts.finder(model, [])
        self.rank = model._basis.shape[1]
        n = len(frame.y)
        if finder.joint_rows:  # without random effects a row is one
            finder = PartsFinder(
                [],
                model._basis,
                frame.y,
                model.prior_weights,
                model._offset,
                finder.kind.family,
                self.link,
                finder.kind.information,
                1.0,
                lines=self.lines,
                mixture=parts.mixture,
            )
        self.finder, self.n = finder, n
        self.basis, self.offset = model._basis, model._offset

    def value_and_slopes(self, x) -> tuple[float, np.ndarray]:
        """The deviance, and its derivatives in γ and ψ; infinite where there is none."""
        value, to_eta, to_nu = self.rows(x)
        if not np.isfinite(value):
            return np.inf, np.zeros(len(x))
        psi = self.lines.pull_back(x[self.rank :], to_nu)
        return value, np.concatenate([self.basis.T @ to_eta, psi])

    def rows(self, x) -> tuple[float, np.ndarray, np.ndarray]:
        """The deviance, and the rows' derivatives in η, shape (n,), and in every ν."""
        value = self.value(x)
        rows, count = self.finder.rows, len(self.lines.lines)
        if not np.isfinite(value):
            return np.inf, np.zeros(self.n), np.zeros((count, self.n))
        to_eta = -2.0 * rows.eta[SCORE].copy()
        rows.eta[AT] = self._eta
        to_nu = np.empty((count, self.n))
        for k in range(count):
            to_nu[k] = self.finder._row_slopes(k, rows)[FIRST]
        return value, to_eta, to_nu

    def value(self, x) -> float:
        """The deviance alone."""
        rows = self.finder.rows
        self._eta = self.offset + self.basis @ x[: self.rank]
        number = self.finder._prepared(x[self.rank :], rows)
        value = _ask(WORKING, self._eta, number, rows)
        return value if np.isfinite(value) else np.inf

    def differ(self, x, other) -> bool:
        """Whether some further parameter is another one, in the mean of the rows."""
        means = [line.feterm.basis.mean(axis=0) for line in self.lines.lines]
        apart = (x - other)[self.rank :]
        pairs = zip(means, self.lines.slices, strict=True)
        return any(abs(mean @ apart[at]) > APART for mean, at in pairs)

    def curvature(self, x) -> np.ndarray:
        """About the second derivatives, from the squared slopes of the rows."""
        value, to_eta, to_nu = self.rows(x)
        if not np.isfinite(value):
            return np.ones(len(x))
        squares = (self.basis**2).T @ to_eta**2
        lines = [
            (line.feterm.basis**2).T @ s**2 for line, s in zip(self.lines.lines, to_nu, strict=True)
        ]
        curvature = 0.5 * np.concatenate([squares, *lines])
        return np.where(np.isfinite(curvature) & (curvature > 1e-8), curvature, 1.0)


def _ask(what, eta, number, rows) -> float:
    return evaluate_rows(
        what,
        rows.model[LINK],
        rows.model[FAMILY],
        rows.y,
        rows.weights,
        rows.entropy,
        number,
        0.0,
        eta,
        rows.link,
        rows.model[BARRIER],
        rows.eta,
    )


def starts_of_parts(model) -> list[tuple[np.ndarray, np.ndarray]]:
    """γ and ψ of the model without random effects; then other places to begin a search.

    Those are values inside the range where a parameter is at its limit, as gradients vanish there;
    other ends of searches without random effects; and values of the parameters where none has
    ended: without random effects a heavy tail may be missed, and with them be there.

    Raises
    ------
    DataError
        There is no parameter at which the likelihood is finite.
    """
    alone = RowsAlone(model)
    beginnings = _beginnings(model, alone)
    ends = sorted((_minimum(alone, x) for x in beginnings[:SEARCHES]), key=lambda end: end[0])
    if not ends or not np.isfinite(ends[0][0]):
        raise DataError(
            f"the {model.family_record} model without random effects has no estimates to start "
            f"from: the link {model.link} may not suit the response"
        )
    perfect = perfect_rows(model, ends[0][1][alone.rank :], beginnings[0][alone.rank :])
    if perfect:
        raise DataError(perfect)
    found: list[np.ndarray] = []
    first, *others = (x for _, x in ends)
    for x in [first, *_inside(model, alone, first), *others, *beginnings]:
        if all(alone.differ(x, other) for other in found):
            found.append(x)
    return [(x[: alone.rank], x[alone.rank :]) for x in found]


def _inside(model, alone: RowsAlone, x) -> list[np.ndarray]:
    """The same with a parameter that is at its limit in the middle of its starts instead."""
    lines, found = alone.lines, []
    means = [value.mean() for value in lines.values(x[alone.rank :])]
    for k, parameter in enumerate(model.composition.family.parameters):
        at_limit = parameter.limit and np.sign(parameter.at) * means[k] >= FAR
        if at_limit and lines.lines[k].rank:
            other, own = x.copy(), lines.slices[k]
            values = [*means[:k], float(np.median(parameter.starts)), *means[k + 1 :]]
            other[alone.rank :][own] = _psi_of(lines, values)[own]
            found.append(other)
    return found


def _beginnings(model, alone: RowsAlone) -> list[np.ndarray]:
    """Parameters to begin at, by their deviances: for each choice of the others the best first."""
    gamma = _first_gamma(model, model.link_record)
    lines, parts = alone.lines, model.composition
    values: list[tuple[float, ...]] = []
    for k, parameter in enumerate(parts.family.parameters):
        held = lines.lines[k].rank == 0
        starts = parameter.starts
        if k == 0 and not held and model.link_record.linear:  # in units of what is left of y
            starts = tuple(_log_size(model, alone, gamma) - np.arange(-1.0, 4.0))
        values.append((0.0,) if held else starts)
    if parts.mixture != PLAIN:
        share = np.clip(np.average(model.frame.y == 0, weights=model.prior_weights), 0.01, 0.99)
        logit = float(np.log(share / (1 - share)))
        values.append((logit,) if parts.mixture == HURDLE else (logit - 0.5, FEW_ZEROS))
    ends, first = [], (values[:1] or [()])[0] or (None,)
    for others in product(*values[1:]):

        def tried(value, others=others):
            chosen = [*([] if value is None else [value]), *others]
            x = np.concatenate([gamma, _psi_of(lines, chosen)])
            return alone.value(x), x

        ends.append(_lowest(first, tried))
    ends.sort(key=lambda end: end[0])
    return [x for value, x in ends if np.isfinite(value)]


def _log_size(model, alone: RowsAlone, gamma) -> float:
    """The log of the residual standard deviation; of that of y where residuals are rounding."""
    y = model.frame.y
    left, all_of_y = np.std(y - alone.offset - alone.basis @ gamma), np.std(y)
    return float(np.log(max(left if left > ROUNDING * all_of_y else all_of_y, 1e-300)))


def _lowest(values, tried):
    """The lowest of what is tried at values in order, from the middle on while it falls."""
    ends, middle = {}, len(values) // 2
    for way in (1, -1):
        rises, k = 0, middle
        while 0 <= k < len(values) and rises < 2:  # one rise may be a ripple
            ends[k] = ends.get(k) or tried(values[k])
            before = ends.get(k - way, (np.inf,))[0]
            rises = rises + 1 if ends[k][0] >= before < np.inf else 0
            k += way
    return min(ends.values(), key=lambda end: end[0])


def _psi_of(lines, values) -> np.ndarray:
    """ψ at which each ν is about this constant."""
    parts = []
    for line, value in zip(lines.lines, values, strict=True):
        basis = line.feterm.basis
        parts.append(np.linalg.lstsq(basis, np.full(len(basis), value), rcond=None)[0])
    return np.concatenate(parts) if parts else np.zeros(0)


def _first_gamma(model, link: Link) -> np.ndarray:
    """γ by least squares for the links of means that are close to the responses."""
    frame, w, family = model.frame, model.prior_weights, model.composition.family
    y, used = frame.y, np.ones(len(frame.y), dtype=bool)
    if model.composition.mixture == HURDLE:
        used = y > 0
    if family.unit:
        n = w if family.proportions else 10.0
        mu = (n * y + 0.5) / (n + 1)
    elif link.linear:
        mu = y
    else:
        mean = np.average(y[used], weights=w[used])
        mu = y + 0.1 * (mean if family.counts else 0.0)
        mu = np.where(mu > 0, mu, 0.1 * mean)
    eta = link.eta(mu) - model._offset
    used &= np.isfinite(eta)
    root = np.sqrt(w[used])
    X = model._basis[used] * root[:, None]
    return np.linalg.lstsq(X, eta[used] * root, rcond=None)[0]


def _minimum(alone: RowsAlone, x, enough: float = ENOUGH) -> tuple[float, np.ndarray]:
    """The minimum of the deviance from x on, by a quasi-Newton search."""
    from scipy.optimize import minimize

    scale = 1 / np.sqrt(alone.curvature(x))
    value = alone.value(x)

    def objective(z):
        f, slopes = alone.value_and_slopes(x + scale * z)
        return (f if np.isfinite(f) else value + 1e10), scale * slopes

    if not len(x):
        return value, x
    with np.errstate(all="ignore"):
        end = minimize(
            objective,
            np.zeros(len(x)),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": ITERATIONS, "ftol": enough / max(abs(value), 1.0)},
        )
    return (float(end.fun), x + scale * end.x) if end.fun <= value else (value, x)


def deviance_without_effects(model) -> float:
    """The least -2 log-likelihood without random effects."""
    alone = RowsAlone(model)
    _, found = min(
        (_minimum(alone, x) for x in _beginnings(model, alone)[:SEARCHES]), key=lambda end: end[0]
    )
    for _ in range(3):  # a search that begins anew has other scales
        value, found = _minimum(alone, found, enough=1e-9)
    return value

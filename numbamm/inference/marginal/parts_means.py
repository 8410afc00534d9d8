"""`PartsMeans`: predictions of a model of several parts, averaged over rows, with derivatives.

With p the probability of the zeros' part and c the mean of the family, the mean response is
(1 - p)c. Random effects of the two parts are independent: over their distribution the mean is
E(1 - p) E(c), each a function of one linear predictor and its variance.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from numbamm.errors import OptionError
from numbamm.glm.link import LINKS
from numbamm.glm.parts.mixture import PLAIN
from numbamm.inference.fixed.backtransform import response_name
from numbamm.inference.fixed.contrast import on_kept_columns
from numbamm.inference.fixed.refgrid import ReferenceGrid
from numbamm.inference.marginal.all_parameters import ParameterCovariance
from numbamm.inference.marginal.population import (
    ResponseMeans,
    Rows,
    link_limits,
    normal_nodes,
)
from numbamm.inference.prediction.parts_prediction import OfPredictors, known_covariance

#: What can be averaged: the types of `predict`.
KINDS = ("response", "conditional", "zprob", "dispersion")


def frame_of_parts(model):
    """The model frame, whose variables are those of the parts, too: for grids of their values."""
    frame = model.frame
    further = set().union(*(frame.design.parts.values()))
    columns = {name: frame.part_columns[name] for name in sorted(further)}
    return replace(frame, columns={**frame.columns, **columns})


class PartsMeans(ResponseMeans):
    """Predictions of a kind and their derivatives by the parameters.

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
        A fitted model of several parts.
    grid : ReferenceGrid
        Over the variables of all parts: of `frame_of_parts`.
    kind : one of `KINDS`
    integrated : bool
        Whether to average over the distribution of the random effects.

    Raises
    ------
    OptionError
        The model has no such part.
    """

    def __init__(self, model, grid: ReferenceGrid, kind: str, integrated: bool) -> None:
        self.model, self.grid, self.kind, self.integrated = model, grid, kind, integrated
        self._of_family = OfPredictors(
            model, "dispersion" if kind == "dispersion" else "conditional"
        )
        OfPredictors(model, kind)  # which refuses what the model does not have
        if integrated and model.link_record.turns:
            raise OptionError(
                f're="integrated" with link="{model.link}" and further parts is not known: means '
                're="zero" are, or those of a fit with link="log"'
            )

    def rows(self, values, are_data: bool) -> Rows:
        """Rows with some values of the variables; see `ResponseMeans.rows`."""
        rows = super().rows(values, are_data)
        design, n = self.model.frame.design, len(values)
        data = design.materializer({name: values[name] for name in values}, np.arange(n))
        built = {name: design.part(name, data)[0] for name in self.model.composition.formulas}
        return self.with_parts(rows, built)

    def with_parts(self, rows: Rows, built: dict[str, np.ndarray]) -> Rows:
        """Rows with the columns of the parts' formulas."""
        n, parts = len(rows.X), []
        for line in self.model.part_lines.lines:
            constant = np.ones((n, len(line.feterm.cnames)))
            parts.append(built.get(line.name, constant))
        return replace(rows, parts=parts)

    def at(self, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
        """Predictions of the rows, shape (n,), and derivatives by the coefficients of all columns.

        Those of the mean, of each other line, then θ; see `of_parameters`.
        """
        model = self.model
        eta = rows.X[:, model.feterm.kept] @ model.estimates.beta + rows.offset
        nu = self._predictors(rows)
        value, to_eta, to_nu, to_v = self._expectations(eta, nu, rows)
        blocks = [rows.X * to_eta[:, None]]
        blocks += [columns * s[:, None] for columns, s in zip(rows.parts, to_nu, strict=True)]
        of_theta = np.zeros((len(eta), len(model.theta)))
        if self.integrated:
            first = len(model.optsum.final) - len(model.theta)
            for k in range(len(model.theta)):
                for is_mean, slope in to_v.items():
                    of_theta[:, k] += slope * self._variance_slope(rows, first + k, is_mean)
        return value, np.hstack([*blocks, of_theta])

    def _predictors(self, rows) -> np.ndarray:
        """ν of the rows at random effects of zero, shape (number of lines, n)."""
        lines = self.model.part_lines
        user = lines.to_user @ np.asarray(self.model.estimates.shape)
        nu = np.empty((len(lines.lines), len(rows.X)))
        for k, (line, at) in enumerate(zip(lines.lines, lines.slices, strict=True)):
            held = line.offset[0] if line.rank == 0 and len(line.offset) else 0.0
            nu[k] = rows.parts[k][:, line.feterm.kept] @ user[at] + held
        return nu

    def _expectations(self, eta, nu, rows):
        """The prediction, its derivatives in η and every ν, and in the variances of η and zeros.

        Returns
        -------
        value, to_eta : ndarray, shape (n,)
        to_nu : ndarray, shape (number of lines, n)
        to_v : dict of bool → ndarray, shape (n,)
            By whether the variance is that of the mean's predictor, or of the zeros'.
        """
        none, to_nu = np.zeros(len(eta)), np.zeros_like(nu)
        if self.kind == "dispersion":
            value, (_, to_nu) = self._of_family.value(eta, nu), self._of_family.slopes(eta, nu)
            return value, none, to_nu, {}
        has_zeros = self.model.composition.mixture != PLAIN
        if self.kind == "zprob":
            value, to_nu[-1], by_v = self._of_zeros(nu[-1], rows)
            return value, none, to_nu, {False: by_v}
        c, to_eta, to_nu, by_v = self._of_mean(eta, nu, rows)
        if self.kind == "conditional" or not has_zeros:
            return c, to_eta, to_nu, {True: by_v}
        p, by_zeros, p_by_v = self._of_zeros(nu[-1], rows)
        to_nu *= 1 - p
        to_nu[-1] = -by_zeros * c
        return (1 - p) * c, (1 - p) * to_eta, to_nu, {True: (1 - p) * by_v, False: -p_by_v * c}

    def _of_mean(self, eta, nu, rows):
        """E c with its derivatives in η, in every ν and in the variance of η."""
        out = np.zeros((2 + 1 + len(nu), len(eta)))

        def evaluate(etas, part, count):
            lines = np.repeat(nu[:, part], count, axis=1)
            value = self._of_family.value(etas, lines)
            by_eta, by_nu = self._of_family.slopes(etas, lines)
            return np.vstack([value[None], by_eta[None], by_nu])

        value, by_z = self._averaged(evaluate, eta, rows, True, 2 + len(nu))
        out[0], out[1], out[3:], out[2] = value[0], value[1], value[2:], by_z
        return out[0], out[1], out[3:], out[2]

    def _of_zeros(self, nu, rows):
        """E p with its derivatives in the predictor of the zeros and in its variance."""

        def evaluate(nus, part, count):
            with np.errstate(over="ignore"):
                p = 1.0 / (1.0 + np.exp(-nus))
            return np.vstack([p, p * (1 - p)])

        value, by_z = self._averaged(evaluate, nu, rows, False, 2)
        return value[0], value[1], by_z

    def _averaged(self, evaluate, at, rows, of_mean: bool, lines: int):
        """Expectations of some functions of a predictor that varies normally about `at`.

        The second of them is the derivative of the first by the predictor.

        Returns
        -------
        ndarray, shape (lines, n)
        ndarray, shape (n,)
            The derivative of the first by the variance.
        """
        n, by_v = len(at), np.zeros(len(at))
        if not self.integrated:
            with np.errstate(all="ignore"):
                return evaluate(at, slice(None), 1), by_v
        sd, nodes, weights, step = normal_nodes(
            self._variances(rows, self.model.theta, 1.0, of_mean)
        )
        out = np.empty((lines, n))
        with np.errstate(all="ignore"):
            for a in range(0, n, step):
                part = slice(a, a + step)
                near = (at[part, None] + sd[part, None] * nodes).ravel()
                found = evaluate(near, part, len(nodes)).reshape(lines, -1, len(nodes))
                out[:, part] = found @ weights
                by_v[part] = found[1] @ (weights * nodes) / (2 * sd[part])
        return out, by_v

    def on_kept(self, gradient) -> np.ndarray:
        """Derivatives by the parameters of the fit, if dropped coefficients count as zero."""
        ends, terms = self._blocks()
        kept = [
            gradient[:, a:b][:, t.kept] for t, (a, b) in zip(terms, pairwise(ends), strict=True)
        ]
        return np.hstack([*kept, gradient[:, ends[-1] :]])

    def of_parameters(self, gradient) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives by the parameters of the fit, and whether what they are of is estimable.

        See `ResponseMeans.of_parameters`; the columns of each part must tell of it.
        """
        known = np.isfinite(gradient).all(axis=1)
        gradient = np.where(known[:, None], gradient, 0.0)
        ends, terms = self._blocks()
        estimable = known
        for term, (a, b) in zip(terms, pairwise(ends), strict=True):
            if a < b:
                estimable = estimable & on_kept_columns(term, gradient[:, a:b])[1]
        return self.on_kept(gradient) * estimable[:, None], estimable

    def _blocks(self):
        """Where the coefficients of each predictor's columns begin and end, and these columns."""
        terms = [self.model.feterm, *(line.feterm for line in self.model.part_lines.lines)]
        return np.cumsum([0, *(len(term.cnames) for term in terms)]), terms

    def parameters(self, method) -> ParameterCovariance:
        """The parameters (β, ψ, θ) of the fit and their covariance; see `known_covariance`."""
        if self.integrated or getattr(method, "whole", None) is not None:
            return super().parameters(method)
        cov = known_covariance(self.model, self.kind)
        whole = np.zeros((len(self.model.optsum.final),) * 2)
        whole[: len(cov), : len(cov)] = cov
        return ParameterCovariance(self.model.optsum.final, whole, [])

    def limits(self, value, se, half) -> tuple[np.ndarray, np.ndarray]:
        """Limits of intervals, normal on a scale on which the prediction has no bounds."""
        if self.kind == "zprob":
            return link_limits(LINKS.of("logit"), value, se, half)
        if self.kind == "dispersion" or self.model.composition.mixture != PLAIN:
            positive = np.nanmin(value, initial=np.inf) > 0
            return link_limits(LINKS.of("log" if positive else "identity"), value, se, half)
        return super().limits(value, se, half)

    @property
    def title(self) -> str:  # type: ignore[override]
        """Of a table of averages."""
        if self.kind == "response":
            return "Marginal means of the response"
        return f"Marginal {self.name}"

    @property
    def heading(self) -> str:  # type: ignore[override]
        """Of the column of the averages."""
        return {"zprob": "Probability", "dispersion": "Estimate"}.get(self.kind, "Mean")

    @property
    def ylabel(self) -> str:
        """What a plot calls the averages."""
        response = response_name(self.model.frame)
        zeros = self.model.composition.zero_part
        if self.kind == "zprob":
            return f"P(zero of the part {zeros})"
        if self.kind == "dispersion":
            return f"{self.name} of {response}"
        return (
            response if self.is_of_responses else f"{response}, without zeros of the part {zeros}"
        )

    @property
    def is_of_responses(self) -> bool:
        """Whether responses are values of what is averaged."""
        has_zeros = self.model.composition.mixture != PLAIN
        return self.kind == "response" or (self.kind == "conditional" and not has_zeros)

    @property
    def name(self) -> str:
        """What the predictions are, in the plural."""
        zeros = self.model.composition.zero_part
        if self.kind == "dispersion":
            return f"{self.model.composition.family.parameters[0]}".replace("_", " ")
        if self.kind == "zprob":
            return f"probabilities of the zeros of the part {zeros}"
        if self.kind == "conditional":
            return f"means without the zeros of the part {zeros}" if zeros else "mean responses"
        return f"mean responses, with the zeros of the part {zeros}" if zeros else "mean responses"

    def notes(self) -> list[str]:
        """What the averages are averages of."""
        if self.kind == "dispersion":
            return [f"Averages of {self.name}."]
        over = "over the distribution of the random effects"
        return [
            f"Averages of {self.name}, {over if self.integrated else 'for random effects of zero'}."
        ]

"""Predictions of a model of several parts: means, zeros and parameters, with standard errors.

A prediction is a function of the predictors η and ν of its row, which are linear in β and ψ. Its
standard error is by the delta method from the covariance of both; with random effects, that of η is
the variance of x'β̂ + z'b̂ - z'b in place of x'β̂.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import ndtri

from numbamm.errors import OptionError
from numbamm.glm.parts.mixture import PLAIN
from numbamm.models.parts.distribution import RowDistribution
from numbamm.models.parts.model_parts import is_joint

#: Relative step of differences.
STEP = float(np.finfo(np.float64).eps) ** (1 / 3)


class OfPredictors:
    """What is predicted, as a function of the predictors of a row.

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
    kind : str
        A type of `predict`.
    w : ndarray, shape (n,), optional
        Prior weights of the rows; ones, if not given.

    Raises
    ------
    OptionError
        The model has no such part.
    """

    def __init__(self, model, kind: str, w=None) -> None:
        self.model, self.kind, self.w = model, kind, w
        parts = model.composition
        if kind == "zprob" and parts.mixture == PLAIN:
            raise OptionError(
                'type="zprob" is the probability of the zeros of a part of their own: this model '
                "has none, give zi= or hurdle="
            )
        if kind == "dispersion" and not parts.family.parameters:
            raise OptionError(f'type="dispersion": the family {parts.family} has no dispersion')

    def value(self, eta, nu) -> np.ndarray:
        """The prediction at these predictors."""
        if self.kind == "link":
            return eta
        parameters = self.model.composition.family.parameters
        if self.kind == "dispersion":
            return parameters[0].value(nu[0])
        law = self.law(eta, nu)
        if self.kind == "zprob":
            return law.p
        return law.mean() if self.kind == "response" else law.conditional

    def law(self, eta, nu) -> RowDistribution:
        """The distribution of the rows' responses."""
        w = np.ones(len(eta)) if self.w is None else self.w
        return RowDistribution.at(self.model.composition, self.model.link_record, eta, nu, w)

    def slopes(self, eta, nu) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives in η, shape (n,), and in every ν, by differences."""
        with np.errstate(all="ignore"):
            h = STEP * (1 + np.abs(eta))
            to_eta = (self.value(eta + h, nu) - self.value(eta - h, nu)) / (2 * h)
            to_nu = np.zeros_like(nu)
            for k, line in enumerate(nu):
                move = np.zeros_like(nu)
                move[k] = step = STEP * (1 + np.abs(line))
                change = self.value(eta, nu + move) - self.value(eta, nu - move)
                to_nu[k] = change / (2 * step)
        return to_eta, to_nu


class PartsPrediction(OfPredictors):
    """Predictions for rows, given their predictors.

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
    kind : str
        A type of `predict`.
    rows : ModelRows
    eta : ndarray, shape (n,)
        NaN where a value is missing.
    nu : ndarray, shape (number of lines, n)
    """

    def __init__(self, model, kind: str, rows, eta, nu) -> None:
        super().__init__(model, kind, rows.weights)
        self.rows, self.eta, self.nu = rows, eta, nu

    @property
    def prediction(self) -> np.ndarray:
        """Of every row; NaN where a value is missing."""
        return self._complete(self.value)

    def _complete(self, function: Callable) -> np.ndarray:
        whole = ~np.isnan(self.eta)
        out = np.full(len(self.eta), np.nan)
        if whole.any():
            with np.errstate(all="ignore"):
                out[whole] = function(self.eta, self.nu)[whole]
        return out

    def errors(self, variance: Callable | None) -> np.ndarray:
        """Standard errors of the predictions.

        Parameters
        ----------
        variance : callable, optional
            Gives the variances of η with random effects; without it, of x'β̂ alone.

        Raises
        ------
        OptionError
            Both predictors have random effects.
        """
        model = self.model
        if variance is not None and is_joint(model):
            raise OptionError(
                "standard errors of predictions with the random effects of two parts are not "
                "known: random=False, for the population"
            )
        cov, rank = known_covariance(model, self.kind), model.feterm.rank
        to_eta, to_nu = self.slopes(self.eta, self.nu)
        X = self.rows.X
        columns = np.concatenate(
            [to_nu[k][:, None] * x for k, x in enumerate(self.columns())]
            or [np.zeros((len(X), 0))],
            axis=1,
        )
        both = np.concatenate([to_eta[:, None] * X, columns], axis=1)
        total = np.einsum("ij,jk,ik->i", both, cov, both)
        if variance is not None:
            own = np.einsum("ij,jk,ik->i", X, cov[:rank, :rank], X)
            total += to_eta**2 * (variance() - own)
        return np.sqrt(np.where(np.isnan(self.eta), np.nan, np.maximum(total, 0.0)))

    def columns(self) -> list[np.ndarray]:
        """The columns of every part whose coefficients are ψ, in the rows."""
        return part_columns(self.model, self.rows)

    def limits(self, se, alpha: float) -> list[np.ndarray]:
        """Normal intervals, on a scale on which the prediction has no bounds."""
        half, at = ndtri(1 - alpha / 2) * se, self.prediction
        with np.errstate(all="ignore"):
            if self.kind == "link" or (self.kind != "zprob" and (at <= 0).any()):
                return [at - half, at + half]
            if self.kind == "zprob":
                logit, change = np.log(at) - np.log1p(-at), half / (at * (1 - at))
                return [1 / (1 + np.exp(-(logit + s * change))) for s in (-1, 1)]
            return [at * np.exp(s * half / at) for s in (-1, 1)]


def known_covariance(model, kind: str) -> np.ndarray:
    """Covariance of β̂ and ψ̂ for predictions of a kind.

    Parameters at an end of their range, where the distribution does not depend on them any more,
    count as known, except for predictions of themselves.
    """
    cov, rank = model.part_covariance, model.feterm.rank
    own = {"dispersion": 0, "zprob": len(model.part_lines.lines) - 1}.get(kind)
    of_own = range(0) if own is None else range(model.part_lines.size)[model.part_lines.slices[own]]
    flat = [rank + place for place in model.flat_places if place not in of_own]
    if flat:
        cov = cov.copy()
        cov[flat] = cov[:, flat] = 0.0
    return cov


def part_columns(model, rows) -> list[np.ndarray]:
    """The kept columns of the parts' formulas in the rows, one array for each line of ν."""
    out = []
    for line in model.part_lines.lines:
        X = rows.parts.get(line.name)
        if X is None:  # a constant, or a parameter that is given
            X = np.ones((len(rows.X), len(line.feterm.cnames)))
        out.append(X[:, line.feterm.kept])
    return out


def predictors_of(model, rows, effects, psi=None) -> np.ndarray:
    """ν of rows, shape (number of lines, n); `effects` are the random effects of each term."""
    user = model.part_lines.to_user @ np.asarray(model.estimates.shape if psi is None else psi)
    nu = np.empty((len(model.part_lines.lines), len(rows.X)))
    for k, (line, at, X) in enumerate(
        zip(model.part_lines.lines, model.part_lines.slices, part_columns(model, rows), strict=True)
    ):
        held = line.offset[0] if line.rank == 0 and len(line.offset) else 0.0
        nu[k] = X @ user[at] + held
    for term, (refs, z), b in zip(model.reterms, rows.terms, effects, strict=True):
        if term.part and (refs >= 0).any():
            nu[-1] += np.where(refs >= 0, np.einsum("pn,np->n", z, b[refs]), 0.0)
    return nu

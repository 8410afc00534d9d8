"""Tests of coefficients in responses that are drawn from a model: what power counts."""

from __future__ import annotations

import warnings
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr
from scipy.stats import chi2

from numbamm import config
from numbamm.blocks.threads import blas_threads
from numbamm.errors import DataError, FitError
from numbamm.inference.comparison.reduced import without_column
from numbamm.inference.fixed.contrast import coef_table
from numbamm.inference.prediction.rows import Rows
from numbamm.inference.prediction.simulate import Truth, respond, trials_or_weights
from numbamm.inference.resampling.bootstrap import bootstrap
from numbamm.inference.resampling.replicates import Drawer, count, key_of, run, stream
from numbamm.models.estimates import Estimates
from numbamm.optimize.run import uninterrupted


@dataclass
class Outcome:
    """P-values of the tested coefficients, shape (fits, tested), and numbers of fits.

    After an interrupt they are fewer than the n that were to be, failed ones included.
    """

    pvalues: np.ndarray
    singular: int
    failed: int
    n: int

    @property
    def done(self) -> int:
        return len(self.pvalues) + self.failed


def compiled_wald_tests(
    model, at: Truth, tested: list[str], n: int, seed, workers, progress
) -> Outcome:
    """Wald tests of the bootstrap's replicates, whose standard errors follow from θ and σ."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the bootstrap was interrupted")  # power says so itself
        fits = bootstrap(_as_fitted(model, at), n, seed, workers=workers, progress=progress)
    frame, thetas = fits.frame, fits.values[:, -len(at.theta) :]
    se = standard_errors(model, thetas, frame["sigma"].to_numpy())
    beta = frame[[f"beta_{name}" for name in tested]].to_numpy()
    positions = [model.feterm.kept_names.index(name) for name in tested]
    pvalues = 2 * ndtr(-np.abs(beta / se[:, positions]))
    return Outcome(pvalues, fits.n_singular, fits.n_failed, n)


def standard_errors(model, thetas, sigmas) -> np.ndarray:
    """Standard errors of β̂ of a linear model at each θ and σ, shape (fits, rank)."""
    se = np.empty((len(thetas), model.feterm.rank))
    with blas_threads(config.get("threads")):
        for line, theta, sigma in zip(se, thetas, sigmas, strict=True):
            model.blocks.factorize(model._inward(theta))
            root = model.feterm.to_basis @ np.linalg.inv(model.blocks.x_factor()).T
            line[:] = sigma * np.linalg.norm(root, axis=1)
    return se


def _as_fitted(model, at: Truth):
    """The linear model with these parameters in the place of estimates."""
    twin, optsum = model._twin(), model.optsum
    twin._set_theta(at.theta)
    zeros = [np.zeros((term.nlevels, term.p)) for term in model.reterms]
    eta = model.frame.X[:, model.feterm.kept] @ at.beta
    twin._estimates = Estimates(
        beta=at.beta,
        covariance=np.full((len(at.beta), len(at.beta)), np.nan),
        sigma=at.sigma,
        u=zeros,
        b=zeros,
        eta=eta,
        fitted=eta,
        objective=np.nan,
        reml=optsum.reml,
        sigma_given=optsum.sigma is not None,
    )
    return twin


class Tests(Drawer):
    """Batches of fits of single responses, and their p-values.

    Parameters
    ----------
    model : MixedModel
        Unfitted.
    at : Truth
    tested : list of str
        Coefficients.
    seed : int or None
    how : dict
        Options of `refit`.
    """

    def __init__(self, model, at: Truth, tested: list[str], seed, how: dict) -> None:
        super().__init__(model, tested, key_of(seed))
        self._at, self._how = at, how
        self._rows, self._none_held = Rows.of_fit(model), [False] * len(model.reterms)
        trials_or_weights(model, self._rows)  # refuses what no response can have

    def run(self, n: int, workers, progress) -> Outcome:
        """The tests of n responses."""
        batches = run(self, range(count("n", n)), workers, progress)
        done = [line for batch in batches for line in batch]
        good = [line for line in done if line is not None]
        pvalues = np.array([p for p, _ in good]).reshape(len(good), len(self._names))
        singular = sum(singular for _, singular in good)
        return Outcome(pvalues, singular, len(done) - len(good), n)

    def __call__(self, batch) -> list:
        if not hasattr(self._local, "own"):
            self._local.own = deepcopy(self._fitted)
        return [self._line(*self._local.own, rng=stream(self._key, i)) for i in batch]

    @property
    def _fitted(self) -> tuple:
        """The models that each response is fitted by; the one that it is drawn from first."""
        return (self._model,)

    def _pvalues(self, own, *smaller) -> np.ndarray:
        """P-values of the fits to one response."""
        raise NotImplementedError

    def _line(self, own, *smaller, rng) -> tuple | None:
        """P-values and singularity of one fit; None if it fails."""
        try:
            y = respond(self._model, self._rows, self._at, self._none_held, rng)
            for model in (own, *smaller):
                uninterrupted(model.refit(y, progress=False, **self._how))
            pvalues = self._pvalues(own, *smaller)
        except (FitError, DataError, ArithmeticError, np.linalg.LinAlgError):
            return None
        return pvalues, own.is_singular()


class WaldTests(Tests):
    """Tests of `coef_table`, by the degrees of freedom that are wanted."""

    def __init__(self, *args, ddf: str) -> None:
        super().__init__(*args)
        self._ddf = ddf

    def _pvalues(self, own, *smaller) -> np.ndarray:
        return coef_table(own, ddf=self._ddf).frame.loc[self._names, "pvalue"].to_numpy()


class LikelihoodRatioTests(Tests):
    """Tests against the models without the coefficient, all fitted by maximum likelihood."""

    def __init__(self, *args) -> None:
        super().__init__(*args)
        self._model.optsum.reml = False
        self._smaller = [without_column(self._model, name) for name in self._names]

    @property
    def _fitted(self) -> tuple:
        return (self._model, *self._smaller)

    def _pvalues(self, own, *smaller) -> np.ndarray:
        return chi2.sf([model.objective - own.objective for model in smaller], 1)

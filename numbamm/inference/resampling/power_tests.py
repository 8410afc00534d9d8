"""Power tests: fits to responses drawn from a model, and the p-values of their coefficients."""

from __future__ import annotations

import warnings
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr
from scipy.stats import chi2

from numbamm.blocks.threads import blas_threads
from numbamm.errors import DataError, FitError, WorkerError
from numbamm.inference.comparison.reduced import without_column
from numbamm.inference.fixed.contrast import coef_table
from numbamm.inference.prediction.model_rows import ModelRows
from numbamm.inference.prediction.simulate import TrueParameters, respond, trials_or_weights
from numbamm.inference.resampling.bootstrap import Bootstrap, bootstrap
from numbamm.inference.resampling.replicates import ReplicateTask, key_of, run, stream, valid_count
from numbamm.models.estimates import Estimates
from numbamm.optimize.run import uninterrupted


@dataclass
class Outcome:
    """The outcome of fits to n responses; of fewer after an interrupt.

    Attributes
    ----------
    pvalues : ndarray, shape (successful fits, tested coefficients)
    singular, failed : int
        Numbers of singular fits, and of responses that could not be fitted.
    n : int
        Number of responses that were asked for.
    ended : WorkerError, optional
        A process ended, so that there are fewer.
    """

    pvalues: np.ndarray
    singular: int
    failed: int
    n: int
    ended: WorkerError | None = None

    @property
    def done(self) -> int:
        """Number of responses that were drawn and fitted, failed fits included."""
        return len(self.pvalues) + self.failed


def compiled_wald_tests(
    model, parameters: TrueParameters, tested: list[str], n: int, seed, workers, progress
) -> Outcome:
    """Wald tests by the compiled fits of the bootstrap; standard errors follow from θ and σ."""
    with warnings.catch_warnings():
        # `power` warns itself.
        warnings.filterwarnings("ignore", "the bootstrap was interrupted")
        fits, ended = _replicates(_as_fitted(model, parameters), n, seed, workers, progress)
    frame, thetas = fits.frame, fits.values[:, -len(parameters.theta) :]
    se = standard_errors(model, thetas, frame["sigma"].to_numpy())
    beta = frame[[f"beta_{name}" for name in tested]].to_numpy()
    positions = [model.feterm.kept_names.index(name) for name in tested]
    pvalues = 2 * ndtr(-np.abs(beta / se[:, positions]))
    return Outcome(pvalues, fits.n_singular, fits.n_failed, n, ended)


def _replicates(model, n: int, seed, workers, progress) -> tuple[Bootstrap, WorkerError | None]:
    """Replicates, and the error of a process that ended, if any are done."""
    try:
        return bootstrap(model, n, seed, workers=workers, progress=progress), None
    except WorkerError as error:
        if not len(error.partial.index):
            raise
        return error.partial, error


def standard_errors(model, thetas, sigmas) -> np.ndarray:
    """Standard errors of β̂ of a linear model at each θ and σ, shape (fits, rank)."""
    se = np.empty((len(thetas), model.feterm.rank))
    with blas_threads():
        for row, theta, sigma in zip(se, thetas, sigmas, strict=True):
            model.blocks.factorize(model.scaled.to_scaled(theta))
            root = model.feterm.to_basis @ np.linalg.inv(model.blocks.x_factor()).T
            row[:] = sigma * np.linalg.norm(root, axis=1)
    return se


def _as_fitted(model, parameters: TrueParameters):
    """A copy of a linear model that has the true parameters as its estimates."""
    twin, optsum = model.twin(), model.optsum
    zeros = [np.zeros((term.nlevels, term.p)) for term in model.reterms]
    eta = model.frame.X[:, model.feterm.kept] @ parameters.beta
    estimates = Estimates(
        beta=parameters.beta,
        covariance=np.full((len(parameters.beta), len(parameters.beta)), np.nan),
        sigma=parameters.sigma,
        u=zeros,
        b=zeros,
        eta=eta,
        fitted=eta,
        objective=np.nan,
        reml=optsum.reml,
        sigma_given=optsum.sigma is not None,
    )
    twin.set_estimates(parameters.theta, estimates)
    return twin


class PowerTests(ReplicateTask):
    """Draws responses one by one, fits them and tests coefficients; subclasses say how.

    Parameters
    ----------
    model : MixedModel
        An unfitted model.
    parameters : TrueParameters
    tested : list of str
        Names of the coefficients.
    seed : int or None
    options : dict
        Options of `refit`.
    """

    def __init__(
        self, model, parameters: TrueParameters, tested: list[str], seed, options: dict
    ) -> None:
        super().__init__(model, tested, key_of(seed))
        self._parameters, self._options = parameters, options
        self._rows, self._kept = ModelRows.of_fit(model), [False] * len(model.reterms)
        trials_or_weights(model, self._rows)  # an error now rather than in every fit

    def run(self, n: int, workers, progress) -> Outcome:
        """Test the fits to n responses."""
        batches, ended = run(self, range(valid_count("n", n)), workers, progress)
        done = [result for batch in batches for result in batch]
        good = [result for result in done if result is not None]
        pvalues = np.array([p for p, _ in good]).reshape(len(good), len(self._names))
        singular = sum(singular for _, singular in good)
        return Outcome(pvalues, singular, len(done) - len(good), n, ended)

    def __call__(self, batch) -> list:
        if not hasattr(self._local, "models"):
            self._local.models = deepcopy(self._models)
        return [self._one(*self._local.models, rng=stream(self._key, i)) for i in batch]

    @property
    def _models(self) -> tuple:
        """The models to fit to each response: that of the responses, then any smaller ones."""
        return (self._model,)

    def _pvalues(self, model, *smaller) -> np.ndarray:
        """P-values of the coefficients, after fits to one response."""
        raise NotImplementedError

    def _one(self, model, *smaller, rng) -> tuple | None:
        """P-values for one response, and whether its fit is singular; None if the fit fails."""
        try:
            y = respond(self._model, self._rows, self._parameters, self._kept, rng)
            for each in (model, *smaller):
                uninterrupted(each.refit(y, progress=False, **self._options))
            pvalues = self._pvalues(model, *smaller)
        except (FitError, DataError, ArithmeticError, np.linalg.LinAlgError):
            return None
        return pvalues, model.is_singular()


class WaldTests(PowerTests):
    """The tests of `coef_table`, with degrees of freedom by the method `ddf`."""

    def __init__(self, *args, ddf: str) -> None:
        super().__init__(*args)
        self._ddf = ddf

    def _pvalues(self, model, *smaller) -> np.ndarray:
        return coef_table(model, ddf=self._ddf).frame.loc[self._names, "pvalue"].to_numpy()


class LikelihoodRatioTests(PowerTests):
    """Likelihood-ratio tests against models without the coefficient, by maximum likelihood."""

    def __init__(self, *args) -> None:
        super().__init__(*args)
        self._model.optsum.reml = False
        self._smaller = [without_column(self._model, name) for name in self._names]

    @property
    def _models(self) -> tuple:
        return (self._model, *self._smaller)

    def _pvalues(self, model, *smaller) -> np.ndarray:
        return chi2.sf([each.objective - model.objective for each in smaller], 1)

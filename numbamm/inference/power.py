"""Power: how often a test finds a coefficient in responses drawn from a model on a design."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import ndtr
from scipy.stats import binomtest

from numbamm import config
from numbamm.blocks.threads import blas_threads
from numbamm.errors import DataError, FitError, NumbammWarning, OptionError, did_you_mean
from numbamm.glm import family as families
from numbamm.inference.bootstrap import bootstrap
from numbamm.inference.contrast import coef_table, valid_alpha
from numbamm.inference.designs import grouping_columns, of_formula, of_model, with_levels
from numbamm.inference.reduced import criterion
from numbamm.inference.replicates import Drawer, count, key_of, run, stream
from numbamm.inference.result import Result
from numbamm.inference.rows import Rows
from numbamm.inference.simulate import Truth, respond, trials_or_weights
from numbamm.models.linear import LinearMixedModel
from numbamm.models.mixedmodel import Estimates, MixedModel
from numbamm.optimize.run import uninterrupted

#: Columns of the frame that tell how many fits stand behind a line.
COUNTS = ("fits", "singular", "failed")

#: Options that say what is fitted, of which a model has its own.
KIND = ("family", "link", "reml")


def power(
    model,
    coef=None,
    *,
    design=None,
    beta=None,
    theta=None,
    cov=None,
    sigma: float | None = None,
    shape: float | None = None,
    family: str | None = None,
    link: str | None = None,
    reml: bool | None = None,
    fast: bool | None = None,
    weights=None,
    ddf: str = "wald",
    alpha: float = 0.05,
    n: int = 1000,
    seed=None,
    workers=1,
    progress: bool | None = None,
) -> Result:
    """How often tests of coefficients against zero reject, by simulation.

    Responses are drawn from the model, on the rows of a design, and the model is fitted to each.

    Parameters
    ----------
    model : MixedModel or str
        A model, fitted unless the parameters are given; or a formula.
    coef : str or list of str, optional
        The coefficients; all but the intercept, if not given.
    design : frame or dict of arrays, optional
        The rows; a response is not needed. Those of the model, if not given. New levels of
        grouping factors are levels like the others.
    beta : array-like of shape (rank,), or dict by name, optional
        True coefficients of the kept columns; the model's, if not given.
    theta : array-like of shape (number of θ,), or dict by name, optional
        True covariance parameters: for a lone intercept, the random effects' standard deviation
        over σ. The model's, if not given.
    cov : dict, optional
        In the place of `theta`, covariance matrices of the random effects by grouping factor; of
        a single effect its variance.
    sigma, shape : float, optional
        True residual standard deviation, or square root of the dispersion, and shape of the
        negative binomial; the model's, if not given. Where a model holds one of them, as known,
        the fits hold it at its true value.
    family, link : str, optional
        What is fitted, for a formula: a linear model, if not given.
    reml : bool, optional
        Fit a formula's linear model by REML.
    fast : bool, optional
        Fit generalized models by their fast fit; as the model was fitted, if not given.
    weights : str or array, optional
        Prior weights of the design's rows, numbers of trials for binomial models; the column
        that the model had, if not given.
    ddf : {"wald", "satterthwaite", "kenward-roger"}
        The tests; see `coef_table`.
    alpha : float
        Their level.
    n : int
        Number of responses.
    seed : int, optional
        What makes the draws reproducible, for any number of workers.
    workers : int or executor
        As for `bootstrap`.
    progress : bool, optional
        As for `bootstrap`.

    Returns
    -------
    Result
        A line a coefficient: its true ``value``, ``power``, and the limits ``lower`` and
        ``upper`` of its 95 % Clopper–Pearson interval; in the frame also the numbers of
        ``fits``, of ``singular`` ones among them, and of those that ``failed`` and do not count.
        An interrupt (Ctrl-C) ends the work, with the fits so far: a warning and a note say so.

    Raises
    ------
    DataError
        The design does not suit the model.
    NotFittedError
        The model has no estimates for what is not given.
    OptionError
        A coefficient or an option is unknown, or parameters are missing.

    Notes
    -----
    Linear models with Wald tests take the compiled refits of `bootstrap`, at some ten
    microseconds more a fit; others are fitted one by one.

    Examples
    --------
    >>> import numbamm as mm
    >>> design = {"day": [0, 1, 2, 3] * 12, "subject": [i // 4 for i in range(48)]}
    >>> formula = "y ~ day + (1 | subject)"
    >>> parameters = {"beta": [0, 0.5], "theta": [1], "sigma": 1}
    >>> mm.power(formula, "day", design=design, **parameters, n=200, seed=1).frame.index[0]
    'day'
    """
    alpha = valid_alpha(alpha)
    _check_model(model)
    given = beta, theta, cov, sigma, shape
    if isinstance(model, str):
        if design is None:
            raise OptionError("the power of a formula needs a design: rows, without a response")
        kind = "gaussian" if family is None else family, link
        built = of_formula(model, design, *kind, reml=bool(reml), weights=weights)
        at = _all_given(built, *given)
    elif own := [k for k, v in zip(KIND, (family, link, reml), strict=True) if v is not None]:
        raise OptionError(f"{own[0]} is for a formula: a model has its own")
    elif design is None:
        if weights is not None:
            raise OptionError("weights are for the rows of a design")
        built, at = model._twin(), Truth.given(model, *given)
        vars(built.optsum).update(criterion(model))
    else:
        built, at = _on_design(model, design, Truth.given(model, *given), weights)
    linear = isinstance(built, LinearMixedModel)
    _hold_at(built, at)
    if linear and fast is not None:
        raise OptionError("fast is for generalized models: a linear one has a single kind of fit")
    tested = _coefficients(coef, built.feterm.kept_names)
    if linear and ddf == "wald":
        outcome = _compiled(built, at, n, seed, workers, progress)
    else:
        how = {} if linear else {"fast": _fast(model, fast)}
        outcome = _Tests(built, at, seed, ddf, how).run(count("n", n), workers, progress)
    result = _result(built, at, outcome, tested, alpha)
    if result.interrupted:
        warnings.warn(result.notes[-1], NumbammWarning, stacklevel=2)
    return result


def power_curve(
    model, design, along: str, levels, coef=None, *, alpha: float = 0.05, seed=None, **options
) -> Result:
    """Power by the number of levels of a factor: of subjects, say.

    Parameters
    ----------
    model, coef, alpha, seed, **options
        As for `power`; every design has the same seed.
    design : frame or dict of arrays
        The rows of some levels.
    along : str
        The factor's column.
    levels : iterable of int
        Numbers of levels: the first of those that there are, or all and copies of them under
        new names, with all their rows; of grouping factors nested in this one, such as classes
        in schools, the copies have levels of their own, too.

    Returns
    -------
    Result
        A line for each number of levels and coefficient; see `power`. An interrupt ends the
        work, with the numbers of levels so far.
    """
    _check_model(model)
    if not isinstance(along, str):
        raise OptionError(f"along must be the name of a column of the design, not {along!r}")
    numbers = _numbers(levels)
    factors = grouping_columns(getattr(model, "formula", model))
    notes, found = [_tests(valid_alpha(alpha))], {}
    for number in numbers:
        rows = with_levels(design, along, number, factors)
        try:
            result = power(model, coef, design=rows, seed=seed, alpha=alpha, **options)
        except KeyboardInterrupt:  # before its first fit
            if not found:
                raise
            notes.append(f"Power was interrupted before {along} = {number}.")
            warnings.warn(notes[-1], NumbammWarning, stacklevel=2)
            break
        found[number] = result.frame
        if result.interrupted:
            notes.append(f"{along} = {number}: {result.notes[-1]}")
            break
    frame = pd.concat(found, names=[along, "coefficient"]).reset_index()
    return Result(result.title, frame, notes)


def _check_model(model) -> None:
    if not isinstance(model, MixedModel | str):
        raise OptionError(f"power is of a model or of a formula, not of {type(model).__name__}")


def _numbers(levels) -> list[int]:
    """The numbers of levels, each once, before any of them is worked on."""
    if not isinstance(levels, Iterable) or isinstance(levels, str):
        raise OptionError(f"levels must be whole numbers, such as [10, 20], not {levels!r}")
    numbers = list(dict.fromkeys(count("levels", number) for number in levels))
    if not numbers:
        raise OptionError("levels names no number of levels")
    return numbers


def _all_given(model, beta, theta, cov, sigma, shape) -> Truth:
    """The parameters of a model that has no estimates."""
    needed = {"beta": model.feterm.kept_names, "theta": model.theta_names}
    needed |= {"sigma": []} if model._family_code in families.DISPERSED else {}
    needed |= {"shape": []} if model._family_code == families.NEGATIVE_BINOMIAL else {}
    values = {"beta": beta, "theta": theta if cov is None else cov, "sigma": sigma, "shape": shape}
    if any(values[name] is None for name in needed):
        listed = [f"{k} ({', '.join(names)})" if names else k for k, names in needed.items()]
        raise OptionError(f"the power of a formula needs {', '.join(listed)}")
    return Truth.given(model, beta, theta, cov, sigma, shape)


def _on_design(model, design, at: Truth, weights) -> tuple:
    """The model on other rows, and its parameters in the order of its terms there."""
    built, order = of_model(model, design, weights)
    stops = np.cumsum([len(term.inds) for term in model.reterms])
    parts = np.split(at.theta, stops[:-1])
    return built, replace(at, theta=np.concatenate([parts[k] for k in order]))


def _hold_at(model, at: Truth) -> None:
    """Let the fits hold what the model holds, as known, at its true value."""
    if model.optsum.sigma is not None:
        model.optsum.sigma = at.sigma
    if getattr(model, "_given_shape", None) is not None:
        model._given_shape = at.shape


def _coefficients(coef, names: list[str]) -> list[str]:
    """The coefficients to test."""
    if coef is None:
        return [name for name in names if name != "Intercept"] or names
    if not isinstance(coef, Iterable):
        raise OptionError(f"coef must be the name of a coefficient, or several, not {coef!r}")
    tested = [coef] if isinstance(coef, str) else list(coef)
    unknown = [name for name in tested if name not in names]
    if unknown or not tested:
        what = f"'{unknown[0]}' is no coefficient" if unknown else "coef names no coefficient"
        hint = did_you_mean(str(unknown[0]), names) if unknown else ""
        raise OptionError(f"{what}{hint}; there are {', '.join(names)}")
    return tested


def _fast(model, given: bool | None) -> bool:
    """Whether to fit by the fast fit: as given, or as a fitted model was."""
    if given is not None:
        return bool(given)
    return isinstance(model, MixedModel) and model.is_fitted and model.is_fast


@dataclass(repr=False)
class _Power(Result):
    """A result that knows whether an interrupt ended the work before all fits were done."""

    interrupted: bool = False


@dataclass
class _Outcome:
    """P-values of the coefficients, shape (fits, rank), and numbers of fits.

    After an interrupt they are fewer than the n that were to be, failed ones included.
    """

    pvalues: np.ndarray
    singular: int
    failed: int
    n: int

    @property
    def done(self) -> int:
        return len(self.pvalues) + self.failed


def _compiled(model, at: Truth, n: int, seed, workers, progress) -> _Outcome:
    """Wald tests of the bootstrap's replicates, whose standard errors follow from θ and σ."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the bootstrap was interrupted")  # power says so itself
        fits = bootstrap(_as_fitted(model, at), n, seed, workers=workers, progress=progress)
    beta = [name for name in fits.names.columns if name.startswith("beta_")]
    frame, thetas = fits.frame, fits.values[:, -len(at.theta) :]
    se = standard_errors(model, thetas, frame["sigma"].to_numpy())
    pvalues = 2 * ndtr(-np.abs(frame[beta].to_numpy() / se))
    return _Outcome(pvalues, fits.n_singular, fits.n_failed, n)


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


class _Tests(Drawer):
    """Batches of fits of single responses, and their p-values."""

    def __init__(self, model, at: Truth, seed, ddf: str, how: dict) -> None:
        super().__init__(model, model.feterm.kept_names, key_of(seed))
        self._at, self._ddf, self._how = at, ddf, how
        self._rows, self._none_held = Rows.of_fit(model), [False] * len(model.reterms)
        trials_or_weights(model, self._rows)  # refuses what no response can have

    def run(self, n: int, workers, progress) -> _Outcome:
        """The tests of n responses."""
        batches = run(self, range(n), workers, progress)
        done = [line for batch in batches for line in batch]
        good = [line for line in done if line is not None]
        pvalues = np.array([p for p, _ in good]).reshape(len(good), len(self._names))
        singular = sum(singular for _, singular in good)
        return _Outcome(pvalues, singular, len(done) - len(good), n)

    def __call__(self, batch) -> list:
        if not hasattr(self._local, "own"):
            self._local.own = deepcopy(self._model)
        return [self._line(self._local.own, stream(self._key, i)) for i in batch]

    def _line(self, own, rng) -> tuple | None:
        """P-values and singularity of one fit; None if it fails."""
        try:
            y = respond(self._model, self._rows, self._at, self._none_held, rng)
            uninterrupted(own.refit(y, progress=False, **self._how))
            pvalues = coef_table(own, ddf=self._ddf).frame["pvalue"].to_numpy()
        except (FitError, DataError, ArithmeticError, np.linalg.LinAlgError):
            return None
        return pvalues[own.feterm.kept], own.is_singular()


def _result(model, at: Truth, outcome: _Outcome, tested: list[str], alpha: float) -> _Power:
    names, fits = model.feterm.kept_names, len(outcome.pvalues)
    interrupted = outcome.done < outcome.n
    if interrupted and not fits:
        raise KeyboardInterrupt
    if not fits:
        raise FitError(f"none of {outcome.failed} responses could be fitted")
    lines = []
    for name in tested:
        k = names.index(name)
        test = binomtest(int((outcome.pvalues[:, k] < alpha).sum()), fits)
        ends = test.proportion_ci(0.95, method="exact")
        counts = fits, outcome.singular, outcome.failed
        lines.append((at.beta[k], test.statistic, ends.low, ends.high, *counts))
    columns = ["value", "power", "lower", "upper", *COUNTS]
    frame = pd.DataFrame(lines, index=tested, columns=columns)
    levels = ", ".join(f"{t.nlevels} {t.group}" for t in model.reterms)
    notes = [
        f"{model.nobs} rows; {levels}.",
        f"{fits} fits, {outcome.singular} of them singular; {outcome.failed} more failed.",
        _tests(alpha),
    ]
    if interrupted:
        notes.append(f"Power was interrupted after {outcome.done} of {outcome.n} responses.")
    return _Power(f"Power by simulation: {model.formula}", frame, notes, COUNTS, interrupted)


def _tests(alpha: float) -> str:
    return f"Tests at the {100 * alpha:g} % level; 95 % intervals (Clopper–Pearson)."

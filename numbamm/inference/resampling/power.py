"""Power: how often a test finds a coefficient in responses drawn from a model on a design."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import binomtest

from numbamm.errors import FitError, NumbammWarning, OptionError, did_you_mean
from numbamm.glm import family as families
from numbamm.inference.comparison.reduced import criterion
from numbamm.inference.prediction.simulate import Truth, Vector
from numbamm.inference.resampling.designs import grouping_columns, of_formula, of_model, with_levels
from numbamm.inference.resampling.drawn_tests import (
    LikelihoodRatioTests,
    Outcome,
    WaldTests,
    compiled_wald_tests,
)
from numbamm.inference.resampling.replicates import count
from numbamm.models.generalized import GeneralizedLinearMixedModel
from numbamm.models.linear import LinearMixedModel
from numbamm.models.mixedmodel import MixedModel
from numbamm.options import name_list, one_of, valid_alpha
from numbamm.report.result import Result

#: Columns of the frame that tell how many fits stand behind a line.
COUNTS = ("fits", "singular", "failed")

#: Kinds of tests.
TESTS = ("wald", "lrt")

#: Options that say what is fitted, of which a model has its own.
KIND = ("family", "link", "reml")


def power(
    model: MixedModel | str,
    coef: str | Iterable[str] | None = None,
    *,
    design=None,
    beta: Vector | None = None,
    theta: Vector | None = None,
    cov: Mapping[str, ArrayLike] | None = None,
    sigma: float | None = None,
    shape: float | None = None,
    family: str | None = None,
    link: str | None = None,
    reml: bool | None = None,
    fast: bool | None = None,
    weights: str | ArrayLike | None = None,
    test: str = "wald",
    ddf: str = "wald",
    alpha: float = 0.05,
    n: int = 1000,
    seed: int | None = None,
    workers=1,
    progress: bool | None = None,
) -> _Power:
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
    test : {"wald", "lrt"}
        Test a coefficient by its standard error; or by the likelihood ratio to the model without
        it, both fitted by maximum likelihood, also where the model was fitted by REML.
    ddf : {"wald", "satterthwaite", "kenward-roger"}
        For ``test="wald"``; see `coef_table`.
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
    _check_test(test, ddf, reml)
    given = beta, theta, cov, sigma, shape
    if isinstance(model, str):
        kind = "gaussian" if family is None else family, link
        built, at = _formula_on_design(model, design, kind, bool(reml), given, weights)
    elif own := [k for k, v in zip(KIND, (family, link, reml), strict=True) if v is not None]:
        raise OptionError(f"{own[0]} is for a formula: a model has its own")
    else:
        built, at = _on_design(model, design, Truth.given(model, *given), weights)
    _hold_at(built, at)
    draws = built, at, _coefficients(coef, built.feterm.kept_names)
    how = _how(model, built, fast)
    if test == "lrt":
        outcome = LikelihoodRatioTests(*draws, seed, how).run(n, workers, progress)
    elif ddf == "wald" and isinstance(built, LinearMixedModel):
        outcome = compiled_wald_tests(*draws, n, seed, workers, progress)
    else:
        outcome = WaldTests(*draws, seed, how, ddf=ddf).run(n, workers, progress)
    result = _result(*draws, outcome, _tests(alpha, test), alpha)
    if result.interrupted:
        warnings.warn(result.notes[-1], NumbammWarning, stacklevel=2)
    return result


def power_curve(
    model: MixedModel | str,
    design,
    along: str,
    levels: Iterable[int],
    coef: str | Iterable[str] | None = None,
    *,
    alpha: float = 0.05,
    seed: int | None = None,
    **options,
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
    factors = grouping_columns(model if isinstance(model, str) else model.formula)
    notes, found = [_tests(valid_alpha(alpha), options.get("test", "wald"))], {}
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


def _check_test(test, ddf: str, reml: bool | None) -> None:
    one_of("test", test, TESTS)
    if test == "lrt" and ddf != "wald":
        raise OptionError(f'ddf="{ddf}" is for test="wald": a likelihood-ratio test has none')
    if test == "lrt" and reml:
        raise OptionError(
            'REML fits with different fixed effects cannot be compared: test="lrt" fits by '
            "maximum likelihood"
        )


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


def _formula_on_design(formula: str, design, kind, reml: bool, given, weights) -> tuple:
    """A model of the rows of a design, and its parameters."""
    if design is None:
        raise OptionError("the power of a formula needs a design: rows, without a response")
    built = of_formula(formula, design, *kind, reml=reml, weights=weights)
    return built, _all_given(built, *given)


def _on_design(model, design, at: Truth, weights) -> tuple:
    """The model on a design or on its own rows, and its parameters in the order of its terms."""
    if design is None:
        if weights is not None:
            raise OptionError("weights are for the rows of a design")
        built = model._twin()
        built._estimates = None
        vars(built.optsum).update(criterion(model))
        return built, at
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
    tested = name_list("coef", coef)
    unknown = [name for name in tested if name not in names]
    if unknown:
        hint = did_you_mean(unknown[0], names)
        raise OptionError(f"'{unknown[0]}' is no coefficient{hint}; there are {', '.join(names)}")
    return tested


def _how(model, built, fast: bool | None) -> dict:
    """How to fit: a generalized model by the fast fit or not, as given or as it was fitted."""
    if isinstance(built, LinearMixedModel):
        if fast is not None:
            raise OptionError(
                "fast is for generalized models: a linear one has a single kind of fit"
            )
        return {}
    if fast is None:
        fitted = isinstance(model, GeneralizedLinearMixedModel) and model.is_fitted
        fast = fitted and model.is_fast
    return {"fast": bool(fast)}


@dataclass(repr=False)
class _Power(Result):
    """A result that knows whether an interrupt ended the work before all fits were done."""

    interrupted: bool = False


def _result(model, at: Truth, tested: list[str], outcome: Outcome, said: str, alpha) -> _Power:
    names, fits = model.feterm.kept_names, len(outcome.pvalues)
    interrupted = outcome.done < outcome.n
    if interrupted and not fits:
        raise KeyboardInterrupt
    if not fits:
        raise FitError(f"none of {outcome.failed} responses could be fitted")
    lines = []
    for name, pvalues in zip(tested, outcome.pvalues.T, strict=True):
        test = binomtest(int((pvalues < alpha).sum()), fits)
        ends = test.proportion_ci(0.95, method="exact")
        counts = fits, outcome.singular, outcome.failed
        lines.append((at.beta[names.index(name)], test.statistic, ends.low, ends.high, *counts))
    columns = ["value", "power", "lower", "upper", *COUNTS]
    frame = pd.DataFrame(lines, index=tested, columns=columns)
    levels = ", ".join(f"{t.nlevels} {t.group}" for t in model.reterms)
    notes = [
        f"{model.nobs} rows; {levels}.",
        f"{fits} fits, {outcome.singular} of them singular; {outcome.failed} more failed.",
        said,
    ]
    if interrupted:
        notes.append(f"Power was interrupted after {outcome.done} of {outcome.n} responses.")
    return _Power(f"Power by simulation: {model.formula}", frame, notes, COUNTS, interrupted)


def _tests(alpha: float, test: str) -> str:
    which = "Likelihood-ratio tests" if test == "lrt" else "Tests"
    return f"{which} at the {100 * alpha:g} % level; 95 % intervals (Clopper–Pearson)."

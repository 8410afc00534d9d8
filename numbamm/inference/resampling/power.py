"""Power: how often tests of coefficients reject, in responses simulated for a design.

The file is long by the docstrings of two public functions and their results.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import binomtest

from numbamm import config
from numbamm.elsewhere import names_arguments
from numbamm.errors import FitError, OptionError, did_you_mean, warn
from numbamm.inference.fixed import ddf as degrees
from numbamm.inference.prediction.simulate import TrueParameters, Vector
from numbamm.inference.resampling.designs import grouping_columns, of_formula, of_model, with_levels
from numbamm.inference.resampling.power_tests import (
    LikelihoodRatioTests,
    Outcome,
    WaldTests,
    compiled_wald_tests,
)
from numbamm.inference.resampling.replicates import valid_count
from numbamm.inference.resampling.workers import holding
from numbamm.models.mixedmodel import MixedModel
from numbamm.options import name_list, one_of, valid_alpha
from numbamm.report.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Columns of the frame with numbers of fits, which the table does not show.
COUNTS = ("fits", "singular", "failed")

#: Kinds of tests.
TESTS = ("wald", "lrt")

#: Options that a model has already fixed: only a formula needs them.
FORMULA_OPTIONS = ("family", "link", "reml")


@names_arguments
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
    ddf: str | None = None,
    alpha: float = 0.05,
    n: int = 1000,
    seed: int | None = None,
    workers=1,
    progress: bool | None = None,
) -> SimulatedPower:
    """Power of tests of coefficients against zero, by simulation.

    Responses are drawn from the model for the rows of a design, and the model is fitted to each.

    Parameters
    ----------
    model : MixedModel or str
        A model, fitted unless all parameters are given; or a formula.
    coef : str or list of str, optional
        The coefficients to test; all but the intercept, if not given.
    design : frame or dict of arrays, optional
        The rows; those of the model, if not given. A response is not needed. Grouping factors may
        have new levels.
    beta : array-like of shape (rank,), or dict by name, optional
        True coefficients of the kept columns; the model's, if not given.
    theta : array-like of shape (number of θ,), or dict by name, optional
        True covariance parameters: for a random intercept alone, its standard deviation
        over σ. The model's, if not given.
    cov : dict, optional
        True covariance matrices of the random effects by grouping factor, instead of `theta`; for
        a single effect its variance.
    sigma, shape : float, optional
        True residual standard deviation, or square root of the dispersion, and shape of the
        negative binomial; the model's, if not given. If the model was built with a known value
        of one of them, the fits take the true value as known.
    family, link : str, optional
        Family and link of a formula's model; if not given, it is linear.
    reml : bool, optional
        Fit a formula's linear model by REML.
    fast : bool, optional
        Whether to fit generalized models by the fast fit; as the model was fitted, if not given.
    weights : str or array, optional
        Prior weights of the design's rows, numbers of trials for binomial models; the column
        that the model's fit used, if not given.
    test : {"wald", "lrt"}
        Test a coefficient by its standard error, or by the likelihood ratio to the model without
        it. For the latter both are fitted by maximum likelihood, even if the model was fitted by
        REML.
    ddf : {"wald", "satterthwaite", "kenward-roger"}, optional
        Degrees of freedom for ``test="wald"``; as configured, if not given, else Wald's z tests.
    alpha : float
        Significance level of the tests.
    n : int
        Number of responses.
    seed : int, optional
        Makes the draws reproducible, for any number of workers.
    workers : int or executor
        As for `bootstrap`.
    progress : bool, optional
        As for `bootstrap`.

    Returns
    -------
    Result
        A row per coefficient: its true ``value``, ``power``, and the limits ``lower`` and
        ``upper`` of the power's 95 % Clopper–Pearson interval; in the frame also the number of
        ``fits``, how many of them are ``singular``, and how many more ``failed`` and do not count.
        An interrupt (Ctrl-C) ends the work and keeps the fits that are done; a warning and a note
        tell so.

    Raises
    ------
    DataError
        The design does not suit the model.
    FormulaError
        `model` is a text that is no formula.
    NotFittedError
        Parameters are not given, and the model has no estimates.
    OptionError
        A coefficient or an option is unknown, or parameters of a formula are missing.

    See Also
    --------
    power_curve : For several numbers of levels.
    bootstrap : The same simulations, of a fit.
    LinearMixedModel.simulate : One response.

    Notes
    -----
    Wald tests of linear models use the compiled fits of `bootstrap`; other models are fitted one
    by one, which is slower.

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
        built, parameters = _formula_on_design(model, design, kind, bool(reml), given, weights)
    elif given_options := [
        k for k, v in zip(FORMULA_OPTIONS, (family, link, reml), strict=True) if v is not None
    ]:
        raise OptionError(
            f"{given_options[0]} goes with a formula, but a model is given: build the model with it"
        )
    else:
        given_or_estimated = TrueParameters.given(model, *given)
        built, parameters = _model_on_design(model, design, given_or_estimated, weights)
    _set_known(built, parameters)
    ddf = _valid_ddf(built, ddf)
    simulation = built, parameters, _coefficients(coef, built, test)
    fit_options = _fit_options(model, built, fast)
    if test == "lrt":
        outcome = LikelihoodRatioTests(*simulation, seed, fit_options).run(n, workers, progress)
    elif ddf == "wald" and built.is_linear:
        outcome = compiled_wald_tests(*simulation, n, seed, workers, progress)
    else:
        outcome = WaldTests(*simulation, seed, fit_options, ddf=ddf).run(n, workers, progress)
    if outcome.ended is not None and not outcome.done:
        raise outcome.ended
    result = _result(*simulation, outcome, _test_note(alpha, test, ddf), alpha)
    if outcome.ended is not None:
        raise holding(outcome.ended, result)
    if result.interrupted:
        warn(result.notes[-1])
    return result


@dataclass(repr=False)
class PowerCurve(Result):
    """Power by the number of levels of a factor; `plot` draws it.

    Attributes
    ----------
    along : str
        The factor.

    See Also
    --------
    power_curve : Makes one.
    Result : The table, and what all results have.

    Examples
    --------
    >>> import numbamm as mm
    >>> design = {"day": [0, 1, 2, 3] * 12, "subject": [i // 4 for i in range(48)]}
    >>> given = {"beta": [0, 0.5], "theta": [1], "sigma": 1, "n": 20, "seed": 1}
    >>> curve = mm.power_curve("y ~ day + (1 | subject)", design, "subject", [6, 12], **given)
    >>> curve.along, len(curve.frame)
    ('subject', 2)
    """

    along: str = ""

    def plot(self, *, target: float = 0.8, ax: Axes | None = None) -> Axes:
        """Draw the power of each coefficient with its 95 % interval.

        Parameters
        ----------
        target : float
            The wanted power, where a line stands.
        ax : matplotlib Axes, optional
            Where to draw; a new figure, if not given.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        OptionError
            matplotlib is not installed.

        See Also
        --------
        power_curve : Computes the powers.

        Examples
        --------
        >>> import numbamm as mm
        >>> design = {"day": [0, 1, 2, 3] * 12, "subject": [i // 4 for i in range(48)]}
        >>> given = {"beta": [0, 0.5], "theta": [1], "sigma": 1, "n": 50, "seed": 1}
        >>> formula = "y ~ day + (1 | subject)"
        >>> curve = mm.power_curve(formula, design, "subject", [6, 12], **given)
        >>> curve.plot().get_xlabel()
        'Levels of subject'
        """
        from numbamm.report.plots.powercurve import powercurve

        return powercurve(self.frame, self.along, target=target, ax=ax)


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
) -> PowerCurve:
    """Power as a function of the number of levels of a factor, such as subjects.

    Parameters
    ----------
    model, coef, alpha, seed, **options
        As for `power`. All designs use the same seed.
    design : frame or dict of arrays
        Rows for some levels.
    along : str
        The column of the factor.
    levels : iterable of int
        Numbers of levels. A smaller number than the design has takes its first levels, a larger
        one all of them and copies under new names, each with all its rows. Levels of grouping
        factors nested in this one, such as classes in schools, get new names in the copies, too.

    Returns
    -------
    PowerCurve
        A row per number of levels and coefficient; see `power`. An interrupt ends the work and
        keeps the numbers of levels that are done.

    Raises
    ------
    DataError
        A design does not suit the model, or has no column `along`.
    FormulaError
        `model` is a text that is no formula.
    NotFittedError
        Parameters are not given, and the model has no estimates.
    OptionError
        `levels` are not whole numbers of at least 1, a coefficient or an option is unknown, or
        parameters of a formula are missing.

    See Also
    --------
    power : For one design.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
    >>> few = mm.power_curve(m, sleep, "Subject", [6, 18], n=50, seed=1)
    >>> bool(few.frame["power"].between(0.8, 1).all())
    True
    """
    _check_model(model)
    if not isinstance(along, str):
        raise OptionError(f"along must be the name of a column of the design, not {along!r}")
    numbers = _numbers_of_levels(levels)
    factors = grouping_columns(model if isinstance(model, str) else model.formula)
    notes: list[str] = []
    frames: dict = {}
    for number in numbers:
        rows = with_levels(design, along, number, factors)
        try:
            result = power(model, coef, design=rows, seed=seed, alpha=alpha, **options)
        except KeyboardInterrupt:  # before the first fit of this design
            if not frames:
                raise
            notes.append(f"Power was interrupted before {along} = {number}.")
            warn(notes[-1])
            break
        if not frames:
            notes.append(result.notes[2])  # how coefficients are tested
        frames[number] = result.frame
        if result.interrupted:
            notes.append(f"{along} = {number}: {result.notes[-1]}")
            break
    frame = pd.concat(frames, names=[along, "coefficient"]).reset_index()
    return PowerCurve(result.title, frame, notes, along=along)


def _check_model(model) -> None:
    """Raise an `OptionError` unless the option `model` is a model or a formula."""
    if not isinstance(model, MixedModel | str):
        raise OptionError(f"model must be a model or a formula, not {type(model).__name__}")


def _check_test(test, ddf: str | None, reml: bool | None) -> None:
    """Raise an `OptionError` if the options of the test are unknown or contradict each other."""
    one_of("test", test, TESTS)
    if test == "lrt" and ddf not in (None, "wald"):
        raise OptionError(
            f'ddf="{ddf}" goes with test="wald": a likelihood-ratio test has no such option'
        )
    if test == "lrt" and reml:
        raise OptionError(
            "REML fits with different fixed effects cannot be compared: with "
            'test="lrt" leave out reml=True'
        )


def _numbers_of_levels(levels) -> list[int]:
    """The option `levels` as a list of whole numbers, each once."""
    if not isinstance(levels, Iterable) or isinstance(levels, str):
        raise OptionError(f"levels must be whole numbers, such as [10, 20], not {levels!r}")
    numbers = list(dict.fromkeys(valid_count("levels", number) for number in levels))
    if not numbers:
        raise OptionError("levels is empty: give numbers of levels, such as [10, 20]")
    return numbers


def _all_given(model, beta, theta, cov, sigma, shape) -> TrueParameters:
    """The true parameters of a formula's model, which has no estimates: all must be given."""
    needed = {"beta": model.feterm.kept_names, "theta": model.theta_names}
    needed |= {"sigma": []} if model.family_record.dispersed else {}
    needed |= {"shape": []} if model.family_record.has_shape else {}
    values = {"beta": beta, "theta": theta if cov is None else cov, "sigma": sigma, "shape": shape}
    if any(values[name] is None for name in needed):
        listed = [f"{k} ({', '.join(names)})" if names else k for k, names in needed.items()]
        raise OptionError(f"the power of a formula needs {', '.join(listed)}")
    return TrueParameters.given(model, beta, theta, cov, sigma, shape)


def _formula_on_design(formula: str, design, kind, reml: bool, given, weights) -> tuple:
    """A formula's model for a design, and its true parameters."""
    if design is None:
        raise OptionError(
            "the power of a formula needs a design: give design=rows of the predictors"
        )
    built = of_formula(formula, design, *kind, reml=reml, weights=weights)
    return built, _all_given(built, *given)


def _model_on_design(model, design, parameters: TrueParameters, weights) -> tuple:
    """The model for a design or for its own rows, with the parameters in the order of its terms."""
    if design is None:
        if weights is not None:
            raise OptionError("weights are those of a design, but no design is given")
        built = model.twin()
        built.set_estimates(model.theta, None)
        vars(built.optsum).update(model.criterion)
        return built, parameters
    built, order = of_model(model, design, weights)
    parts = model.scaled.structure.split(parameters.theta)
    return built, replace(parameters, theta=np.concatenate([parts[k] for k in order]))


def _set_known(model, parameters: TrueParameters) -> None:
    """Set parameters that the model takes as known, σ or the shape, to their true values."""
    if model.optsum.sigma is not None:
        model.optsum.sigma = parameters.sigma
    if model.given_shape is not None:
        model.given_shape = parameters.shape


def _coefficients(coef, model, test: str) -> list[str]:
    """Names of the coefficients to test, from the option `coef`: not thresholds by default."""
    names = usual = model.kept_coefficients
    if model.has_categories:
        usual = model.location_names
        if test == "lrt":  # against models without a column of the location
            names = usual
    if coef is None:
        return [name for name in usual if name != "Intercept"] or names
    tested = name_list("coef", coef)
    unknown = [name for name in tested if name not in names]
    if unknown:
        hint = did_you_mean(unknown[0], names)
        raise OptionError(
            f"coef: '{unknown[0]}' is no coefficient{hint}; there are {', '.join(names)}"
        )
    return tested


def _fit_options(model, built, fast: bool | None) -> dict:
    """Options of `refit`: for a generalized model `fast`, as given or as the model was fitted."""
    if built.is_linear:
        if fast is not None:
            raise OptionError(
                "fast is for generalized models: a linear one has one kind of fit; leave fast out"
            )
        return {}
    if built.has_categories:
        if fast is not None:
            raise OptionError("an ordinal model has one kind of fit; leave fast out")
        return {}
    if fast is None:
        fast = isinstance(model, MixedModel) and model.is_fitted and model.is_fast
    return {"fast": bool(fast)}


@dataclass(repr=False)
class SimulatedPower(Result):
    """The power of tests, by simulation.

    Attributes
    ----------
    interrupted : bool
        Whether some fits are missing.

    See Also
    --------
    power : Makes one.
    Result : The table, and what all results have.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> m.power("Days", n=20, seed=1).interrupted
    False
    """

    interrupted: bool = False


def _result(
    model, parameters: TrueParameters, tested: list[str], outcome: Outcome, note: str, alpha
) -> SimulatedPower:
    """The table of power, from the p-values of all fits."""
    names, fits = model.kept_coefficients, len(outcome.pvalues)
    interrupted = outcome.done < outcome.n
    if interrupted and not fits:
        raise KeyboardInterrupt
    if not fits:
        raise FitError(
            f"none of {outcome.failed} drawn responses could be fitted: simulate() shows what they "
            "are like"
        )
    lines = []
    for name, pvalues in zip(tested, outcome.pvalues.T, strict=True):
        test = binomtest(int((pvalues < alpha).sum()), fits)
        ends = test.proportion_ci(0.95, method="exact")
        counts = fits, outcome.singular, outcome.failed
        lines.append(
            (parameters.beta[names.index(name)], test.statistic, ends.low, ends.high, *counts)
        )
    columns = ["value", "power", "lower", "upper", *COUNTS]
    frame = pd.DataFrame(lines, index=tested, columns=columns)
    counts_of_rows = [f"{model.nobs} rows"]
    counts_of_rows += [", ".join(f"{t.nlevels} {t.group}" for t in model.reterms)]
    notes = [
        f"{'; '.join(filter(None, counts_of_rows))}.",
        f"{fits} fits, {outcome.singular} of them singular; {outcome.failed} more failed.",
        note,
    ]
    if interrupted:
        notes.append(f"Power was interrupted after {outcome.done} of {outcome.n} responses.")
    return SimulatedPower(
        f"Power by simulation: {model.formula}", frame, notes, COUNTS, interrupted=interrupted
    )


def _valid_ddf(model, ddf: str | None) -> str:
    """The method of degrees of freedom, given or configured where that suits the model."""
    if ddf is not None:
        return degrees.valid_name(ddf)
    name = config.get("ddf")
    needs_reml = name.startswith("kenward-roger")
    suits = model.is_linear and (model.optsum.reml or not needs_reml)
    return name if suits and name != "auto" else "wald"


def _test_note(alpha: float, test: str, ddf: str) -> str:
    """The note on the tests and their level."""
    tests = "Likelihood-ratio tests" if test == "lrt" else f"Tests ({degrees.METHODS[ddf].title})"
    return f"{tests} at the {100 * alpha:g} % level; 95 % intervals (Clopper–Pearson)."

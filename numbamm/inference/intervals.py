"""`conf_int`: confidence intervals of coefficients and of variance parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtri, ndtri

from numbamm.elsewhere import names_arguments
from numbamm.errors import OptionError, shown
from numbamm.inference.fixed import ddf as degrees
from numbamm.inference.fixed.contrast import coef_table
from numbamm.inference.fixed.ratios import ratio_of
from numbamm.inference.parts.part_tests import part_tests
from numbamm.inference.profiling.profile import profile, profiled_parameters
from numbamm.inference.profiling.variance_scales import VarianceScales
from numbamm.inference.resampling.bootstrap import METHODS as TYPES
from numbamm.inference.resampling.bootstrap import bootstrap
from numbamm.options import flag, one_of, valid_alpha

if TYPE_CHECKING:
    from numbamm.report.tableframe import Limits

WHICH = ("fixed", "random", "parts", "all")
METHODS = ("wald", "satterthwaite", "kenward-roger", "kenward-roger-observed")
REFITS = {"profile": "profile likelihood", "bootstrap": "parametric bootstrap"}


@names_arguments
def conf_int(
    model,
    alpha: float = 0.05,
    *,
    which: str = "fixed",
    method: str | None = None,
    ddf: str | None = None,
    n: int = 1000,
    seed: int | None = None,
    type: str | None = None,
    exponentiate: bool = False,
) -> Limits:
    """Confidence intervals of the coefficients, of the variance parameters, or of both.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    alpha : float
        One minus the coverage.
    which : {"fixed", "random", "parts", "all"}
        The coefficients; the standard deviations and correlations of the random effects, with
        ``sigma`` or ``shape``, under the names that `profile` has for them; the coefficients of
        further parts, on the scale of their links; or all of these.
    method : {"wald", "satterthwaite", "kenward-roger", "profile", "bootstrap"}, optional
        From the curvature of the likelihood, with normal or t distributions; by profile
        likelihood, see `profile`; or by a parametric bootstrap, see `bootstrap`. If
        not given, as configured under ``ddf``, else Wald's.
    ddf : {"satterthwaite", "kenward-roger", "kenward-roger-observed", "wald"}, optional
        The same as these methods.
    n, seed : int, optional
        Number of replicates of the bootstrap, and the seed that makes them reproducible.
    type : {"shortest", "equal-tailed", "bca", "studentised"}, optional
        Of intervals by the bootstrap, see `Bootstrap.conf_int`; the shortest, if not given.
    exponentiate : bool
        Whether the limits of coefficients are those of odds ratios, rate ratios and the like; see
        `coef_table`.

    Returns
    -------
    Limits, a pandas.DataFrame
        Lower and upper limits in columns 0 and 1, a line per parameter. NaN for columns that were
        dropped, and for what has no interval by the method: notes below say so. Its `to_latex`,
        `to_markdown` and `to_html` are those of results.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        An option is unknown, or does not suit the model or the others.

    See Also
    --------
    profile : Intervals of all parameters.
    bootstrap : Intervals by simulation.
    coef_table : Estimates, tests and intervals.

    Notes
    -----
    Without refits, intervals of standard deviations are computed for their logarithms, and those
    of correlations by Fisher's transformation, from the curvature of the criterion that was
    minimised. With Satterthwaite's method those of standard deviations come from a χ²
    distribution that has the mean and the variance of the estimated variance (Satterthwaite,
    1946, Biometrics Bull. 2, 110). Where a variance is zero, a correlation 1 or a shape infinite,
    there are none: the likelihood is not quadratic there, and ``method="profile"`` or
    ``"bootstrap"``, which take time, have an interval.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"), reml=True)
    >>> m.conf_int(which="random", method="profile").round(1).loc["sigma"].tolist()
    [38.2, 67.7]
    """
    from numbamm.report.tableframe import limits_by

    alpha = valid_alpha(alpha)
    which = one_of("which", which, WHICH)
    method = _method(model, method, ddf)
    if type is not None and method != "bootstrap":
        raise OptionError(f'type is for method="bootstrap", not method={shown(method)}')
    coefficients, components = which in ("fixed", "all"), which in ("random", "all")
    parts = which in ("parts", "all") and model.composition is not None
    ratio = ratio_of(model) if flag("exponentiate", exponentiate) else None
    if method == "profile":
        limits = _by_profile(model, alpha, coefficients, components, parts)
    elif method == "bootstrap":
        kind = one_of("type", "shortest" if type is None else type, TYPES)
        limits = _by_bootstrap(model, alpha, coefficients, components, parts, n, seed, kind)
    else:
        limits = _without_refits(model, alpha, coefficients, components, parts, method)
    if ratio is not None and coefficients:
        names = model.coefficient_names
        if model.has_categories:  # thresholds are no ratios
            limits = limits.drop(index=[name for name in names if name not in model.location_names])
            names = model.location_names
        with np.errstate(over="ignore"):
            limits.loc[names] = ratio.base ** limits.loc[names]
    name = REFITS.get(method or "") or degrees.coefficient_method(model, method).title
    title = name if type is None else f"{name}, {type}"
    return limits_by(title, limits, alpha, _notes(model, limits, method))


def _notes(model, limits, method: str | None) -> list[str]:
    """Why some parameters have no interval."""
    dropped = model.dropped_coefficients
    missing = [name for name in limits.index[limits.isna().all(axis=1)] if name not in dropped]
    notes = [f"Dropped, since the columns depend on others: {', '.join(dropped)}."] * (
        bool(dropped) and dropped[0] in limits.index
    )
    if not missing:
        return notes
    listed = ", ".join(missing)
    if method == "profile" and model.is_fast:
        return [*notes, f"{listed}: not optimised by a fast fit; refit(fast=False), then profile."]
    if method in REFITS:
        return [*notes, f"{listed}: undefined, since a variance is zero."]
    return [
        *notes,
        f"{listed}: at the end of the range, where the curvature of the likelihood has no "
        'interval; method="profile" or method="bootstrap" has one.',
    ]


def _without_refits(model, alpha, coefficients, components, of_parts, method: str | None):
    """Intervals from the curvature of the likelihood, with normal or t distributions."""
    import pandas as pd

    parts = []
    if coefficients:
        limits = coef_table(model, ddf=method, alpha=alpha).frame[["lower", "upper"]]
        parts.append(limits.set_axis([0, 1], axis=1))
    if of_parts:
        parts.append(part_tests(model, alpha)[["lower", "upper"]].set_axis([0, 1], axis=1))
    if components:
        parts.append(_by_curvature(model, alpha, chi2=method not in (None, "wald")))
    return pd.concat(parts) if parts else pd.DataFrame(columns=[0, 1], dtype=float)


def _method(model, method: str | None, ddf: str | None) -> str | None:
    """The method by which intervals are computed; None for the configured one."""
    _ = model.estimates
    if isinstance(method, str) and method in REFITS:
        if ddf is not None:
            raise OptionError(f'ddf="{ddf}" is for method="wald", not method="{method}"')
        return method
    if method is not None:
        try:
            method = degrees.valid_name(method)
        except OptionError:
            known = ", ".join((*METHODS, *REFITS))
            raise OptionError(f"method must be one of {known}, not {shown(method)}") from None
    if ddf is None:
        return method
    ddf = degrees.valid_name(ddf)
    if method not in (None, "wald", ddf):
        raise OptionError(f'method="{method}" and ddf="{ddf}" contradict each other: give one')
    return ddf


def _by_profile(model, alpha: float, coefficients: bool, components: bool, parts: bool):
    """Intervals by profile likelihood."""
    import pandas as pd

    fixed, random = model.kept_coefficients, VarianceScales(model).names
    of_parts = model.part_lines.names if parts else []
    names = fixed * coefficients + of_parts + random * components
    if components:  # those of a fast fit do not all have a profile
        names = [name for name in names if name in profiled_parameters(model)]
    rows = [*model.coefficient_names] * coefficients + of_parts + random * components
    if not names:
        return pd.DataFrame(np.nan, index=rows, columns=[0, 1])
    return profile(model, names, alpha=alpha).conf_int(alpha).reindex(rows)


def _by_bootstrap(
    model, alpha: float, coefficients: bool, components: bool, parts: bool, n: int, seed, kind: str
):
    """Intervals of a parametric bootstrap."""
    replicates = bootstrap(model, n, seed, errors=kind == "studentised")
    limits = replicates.conf_int(alpha, method=kind)
    limits.index = [name.removeprefix("beta_") for name in limits.index]
    rows = [*model.coefficient_names] * coefficients + (model.part_lines.names if parts else [])
    rows += VarianceScales(model).names * components
    return limits.reindex(rows)


def _by_curvature(model, alpha: float, chi2: bool):
    """Intervals of variance parameters from the curvature of the criterion at its minimum.

    Parameters
    ----------
    chi2 : bool
        Whether those of standard deviations are from a χ² distribution, by Satterthwaite's method.
    """
    import pandas as pd

    scales = VarianceScales(model)
    names = scales.names
    estimate, error, sizes = scales.curvature()
    is_variance = np.array([name.startswith("sd_") or name in sizes for name in names], dtype=bool)
    half = ndtri(1 - alpha / 2) * error
    ends = [estimate - half, estimate + half]
    if chi2:
        with np.errstate(all="ignore"):
            df = 1 / (2 * error**2)  # var(log s²) = 2/df
            changes = [np.log(df / chdtri(df, p)) / 2 for p in (alpha / 2, 1 - alpha / 2)]
        ends = [
            np.where(is_variance, estimate + change, end)
            for end, change in zip(ends, changes, strict=True)
        ]
    limits = np.array([scales.bounded(end) for end in ends]).T
    limits[~np.isfinite(estimate)] = np.nan
    return pd.DataFrame(limits, index=names, columns=[0, 1])

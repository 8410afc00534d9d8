"""`conf_int`: confidence intervals of coefficients and of variance parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtri, ndtri

from numbamm.blocks.threads import blas_threads
from numbamm.elsewhere import names_arguments
from numbamm.errors import OptionError, shown
from numbamm.inference.fixed import ddf as degrees
from numbamm.inference.fixed.contrast import coef_table
from numbamm.inference.fixed.ratios import ratio_of
from numbamm.inference.parts.part_tests import part_tests
from numbamm.inference.profiling.generalized_surface import GeneralizedSurface
from numbamm.inference.profiling.profile import profile, profiled_parameters
from numbamm.inference.profiling.residual_surface import surface_of
from numbamm.inference.random.components import SHAPE, SIGMA, Components
from numbamm.inference.random.residual_parameters import ResidualParameters
from numbamm.inference.resampling.bootstrap import bootstrap
from numbamm.models.varcorr import SINGULAR_TOLERANCE
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
        likelihood, see `profile`; or by percentiles of a parametric bootstrap, see `bootstrap`. If
        not given, as configured under ``ddf``, else Wald's.
    ddf : {"satterthwaite", "kenward-roger", "kenward-roger-observed", "wald"}, optional
        The same as these methods.
    n, seed : int, optional
        Number of replicates of the bootstrap, and the seed that makes them reproducible.
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
    coefficients, components = which in ("fixed", "all"), which in ("random", "all")
    parts = which in ("parts", "all") and model.composition is not None
    ratio = ratio_of(model) if flag("exponentiate", exponentiate) else None
    if method == "profile":
        limits = _by_profile(model, alpha, coefficients, components, parts)
    elif method == "bootstrap":
        limits = _by_bootstrap(model, alpha, coefficients, components, parts, n, seed)
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
    return limits_by(name, limits, alpha, _notes(model, limits, method))


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

    fixed, random = model.kept_coefficients, _component_names(model)
    of_parts = model.part_lines.names if parts else []
    names = fixed * coefficients + of_parts + random * components
    if components:  # those of a fast fit do not all have a profile
        names = [name for name in names if name in profiled_parameters(model)]
    rows = [*model.coefficient_names] * coefficients + of_parts + random * components
    if not names:
        return pd.DataFrame(np.nan, index=rows, columns=[0, 1])
    return profile(model, names, alpha=alpha).conf_int(alpha).reindex(rows)


def _by_bootstrap(model, alpha: float, coefficients, components, parts: bool, n: int, seed):
    """Percentile intervals of a parametric bootstrap."""
    limits = bootstrap(model, n, seed).conf_int(alpha)
    limits.index = [name.removeprefix("beta_") for name in limits.index]
    rows = [*model.coefficient_names] * coefficients
    rows += (model.part_lines.names if parts else []) + _component_names(model) * components
    return limits.reindex(rows)


def _at_bounds(model) -> list[str]:
    """Names of shapes of terms that have one at its bound: the curvature says nothing of them.

    And of all parameters of the residuals, if their correlations are at a bound.
    """
    side = model.residual_side
    is_met = side is not None and side.bounds_met()
    terms = zip(model.reterms, Components.of(model).terms, strict=True)
    residual = ResidualParameters(side)
    values = residual.values(side.phi, 1.0) if side is not None else np.zeros(0)
    met = residual.are_at_bounds(values) | bool(is_met)
    return [name for name, one in zip(residual.names, met, strict=True) if one] + [
        name
        for term, component in terms
        if term.structure.bounds_met(term.theta, SINGULAR_TOLERANCE)
        for name in component.shapes
    ]


def _is_correlation(name: str) -> bool:
    """Whether the parameter of this name is between -1 and 1; others are positive."""
    return name.startswith(("cor_", "rho"))


def _component_names(model) -> list[str]:
    """Names of the variance parameters: σ or the shape, standard deviations, correlations."""
    residual = ResidualParameters(model.residual_side)
    has_sigma = not (model.estimates.sigma_given or residual.has_sds)
    sizes = [SIGMA] * has_sigma + [SHAPE] * model.has_free_shape
    return [*sizes, *residual.names, *Components.of(model).names]


def _by_curvature(model, alpha: float, chi2: bool):
    """Intervals of variance parameters from the curvature of the criterion at its minimum.

    Parameters
    ----------
    chi2 : bool
        Whether those of standard deviations are from a χ² distribution, by Satterthwaite's method.
    """
    import pandas as pd

    components, names = Components.of(model), _component_names(model)
    residual = ResidualParameters(model.residual_side)
    with blas_threads(), np.errstate(all="ignore"):
        surface = (surface_of(model) if model.is_linear else GeneralizedSurface)(model)
        sizes = surface.sizes

        def unbounded(x):
            """The parameters on scales without bounds; NaN for what x does not determine."""
            head = [
                np.log(sizes[n](x)) if n in sizes else np.nan for n in names if n in (SIGMA, SHAPE)
            ]
            if model.shape == np.inf:  # the search stopped at one of many, all of them large
                head[names.index(SHAPE)] = np.nan
            is_known = SIGMA in sizes or model.is_linear or model.estimates.sigma_given
            sigma = surface.sigma(x) if is_known else np.nan
            if residual.names:
                head += [*residual.unbounded(surface.residual_values(x))]
            values = components.values(surface.user_theta(x)[None], np.array([sigma]))[0]
            correlation = np.array([_is_correlation(name) for name in components.names])
            return np.concatenate([head, np.where(correlation, np.arctanh(values), np.log(values))])

        estimate, error = unbounded(surface.best), surface.standard_errors(unbounded)
        is_correlation = np.array([_is_correlation(name) for name in names])
        is_variance = np.array([name.startswith("sd_") or name in sizes for name in names])
        half = ndtri(1 - alpha / 2) * error
        lower, upper = estimate - half, estimate + half
        if chi2:
            df = 1 / (2 * error**2)  # var(log s²) = 2/df
            ends = [np.log(df / chdtri(df, p)) / 2 for p in (alpha / 2, 1 - alpha / 2)]
            lower, upper = (
                np.where(is_variance, estimate + change, end)
                for end, change in zip((lower, upper), ends, strict=True)
            )
        limits = [np.where(is_correlation, np.tanh(e), np.exp(e)) for e in (lower, upper)]
        if residual.names:
            own = np.isin(names, residual.names)
            for limit, ends in zip(limits, (lower, upper), strict=True):
                limit[own] = residual.bounded(ends[own])
    known = np.isfinite(estimate + error) & ~np.isin(names, _at_bounds(model))
    limits = np.where(known, limits, np.nan).T
    return pd.DataFrame(limits, index=names, columns=[0, 1])

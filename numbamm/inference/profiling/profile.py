"""`profile`: the likelihood as a function of one parameter, maximised over all others."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from copy import deepcopy
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from numbamm.blocks.threads import ThreadLocal, blas_threads
from numbamm.elsewhere import names_arguments
from numbamm.errors import NumbammWarning, OptionError, WorkerError, did_you_mean, warn
from numbamm.inference.profiling.generalized_surface import GeneralizedSurface
from numbamm.inference.profiling.pairs import profiled_pairs
from numbamm.inference.profiling.residual_surface import surface_of
from numbamm.inference.random.components import SHAPE, SIGMA, Components
from numbamm.inference.random.residual_parameters import ResidualParameters
from numbamm.inference.resampling.workers import checked, holding, in_order
from numbamm.options import name_list, one_of, valid_alpha
from numbamm.progress import progress_bar
from numbamm.report.content import Report
from numbamm.report.digits import coverage
from numbamm.report.plots.zeta import KINDS
from numbamm.report.result import Result
from numbamm.report.tabular import Tabular

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from numbamm.inference.profiling.curve import Curve
    from numbamm.report.tableframe import Limits

#: A profile extends to this multiple of the ζ of its widest interval.
BEYOND = 1.05

#: What can be drawn of profiles.
PLOTS = (*KINDS, "pairs")

#: A deviance below that of the fit by more than this is reported: the fit is not the minimum.
LOWER = 1e-3


@names_arguments
def profile(
    model,
    parameters: str | Iterable[str] | None = None,
    *,
    alpha: float = 0.01,
    workers=1,
    progress: bool | None = None,
) -> Profile:
    """Profile the likelihood of a fitted model.

    Parameters
    ----------
    model : MixedModel
        A fitted model; it is not changed. The profile of a linear model fitted by REML is that
        of its fit by maximum likelihood.
    parameters : str or sequence of str, optional
        Names of the parameters: ``sigma``, or ``shape`` of the negative binomial; standard
        deviations and correlations such as ``sd_Days|Subject`` and ``cor_Days.Intercept|Subject``;
        parameters of the residuals, such as ``rho|Residual``; coefficients; θ as
        ``theta_Subject.Days``, or ``theta`` for all of them. All parameters but θ, if not given.
    alpha : float
        One minus the coverage of the widest interval that the profile must allow.
    workers : int or executor
        Number of threads, -1 for one per processor, or an executor, as for `bootstrap`: each
        parameter is a task. Results do not depend on it.
    progress : bool, optional
        Show a progress bar, if tqdm is installed; on a terminal by default.

    Returns
    -------
    Profile
        An interrupt (Ctrl-C) ends the work; the parameters that are done are kept.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        A parameter is unknown, or no parameter of the deviance that was minimised; or `workers`
        has an unusable value.
    WorkerError
        A process of the executor ended; its ``partial`` has the parameters that are done.

    See Also
    --------
    bootstrap : Intervals by simulation.
    LinearMixedModel.conf_int : Intervals of coefficients.

    Notes
    -----
    ζ is the signed square root of the increase of -2 log-likelihood over its minimum. At the true
    value of the parameter it is approximately standard normal (Bates & Watts, 1988, chapter 6).
    The other parameters are optimised with the exact gradient.

    The likelihood of a generalized model is the one that was maximised by its fit: the Laplace
    approximation, or adaptive quadrature, whose gradient is computed by differences. In a fast fit
    β and φ are not optimised but follow from the penalised mode. Then θ and correlations have
    profiles, standard deviations have them if φ is 1, and coefficients have none. ``sigma`` is √φ.
    An infinite limit of ``shape`` stands for a Poisson distribution.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    >>> mm.profile(m, "sigma").conf_int().round(1).loc["sigma"].tolist()
    [38.2, 67.7]
    """
    est = model.estimates
    names, reach = requested(model, parameters), BEYOND * ndtri(1 - valid_alpha(alpha) / 2)
    workers = checked(workers)
    done: dict[str, Curve] = {}
    ended = None
    with blas_threads(), warnings.catch_warnings():
        warnings.simplefilter("ignore", NumbammWarning)  # of singular fits along the profile
        warnings.simplefilter("ignore", RuntimeWarning)  # of steps beyond the parameters' range
        surface = (surface_of(model) if model.is_linear else GeneralizedSurface).of(model)
        lowest, curve_of = surface.lowest, _Curves(surface, reach, alone=workers == 1)
        bar = progress_bar(len(names), progress, "parameter")
        try:
            for k, (curve, low) in in_order(curve_of, names, workers):
                done[names[k]], lowest = curve, min(lowest, low)
                bar.update(1)
        except KeyboardInterrupt:
            if not done:
                raise
        except WorkerError as error:
            ended = error
        finally:
            bar.close()
    curves = {name: done[name] for name in names if name in done}
    if len(curves) < len(names) and ended is None:
        missing = ", ".join(name for name in names if name not in curves)
        warn(f"the profile was interrupted; it lacks {missing}")
    notes = ["The profile is that of the fit by maximum likelihood."] if est.reml else []
    notes += ["The profile is that of the fast fit: coefficients are at the penalised mode."] * (
        model.is_fast
    )
    lower = (surface.least if est.reml else est.objective) - lowest
    if lower > LOWER:
        notes.append(
            f"The deviance is lower by {lower:.4g} at another point: the fit is not at the "
            "minimum. Try another optimizer, or allfit."
        )
    result = Profile(model.formula, curves, reach, notes, surface.names)
    if ended is not None:
        raise holding(ended, result if curves else None)
    return result


class _Curves(ThreadLocal):
    """The curve of a parameter, and the lowest deviance along it.

    Each thread has a surface of its own. In a generalized model, whose surface keeps the modes of
    its latest point, each curve has, so that it does not depend on the curves before it.
    """

    def __init__(self, surface, reach: float, alone: bool) -> None:
        super().__init__()
        self._surface, self._reach, self._alone = surface, reach, alone

    def __call__(self, name: str) -> tuple[Curve, float]:
        surface = self._own()
        surface.lowest = self._surface.lowest
        return surface.curve(name, self._reach), surface.lowest

    def _own(self):
        if not self._surface.model.is_linear:
            return deepcopy(self._surface)
        if self._alone:
            return self._surface
        if not hasattr(self._local, "surface"):
            self._local.surface = deepcopy(self._surface)
        return self._local.surface


def requested(model, parameters) -> list[str]:
    """Names of the parameters to profile, from the option `parameters`."""
    usual, thetas = profiled_parameters(model), [f"theta_{name}" for name in model.theta_names]
    for name in (SIGMA, SHAPE):
        if usual.count(name) > 1:
            raise OptionError(
                f"{name!r} is the name of a parameter and of a coefficient: rename the column"
            )
    if parameters is None:
        return usual
    requested = []
    for name in name_list("parameters", parameters):
        requested += thetas if name == "theta" else [name]
    for name in requested:
        if name not in usual and name not in thetas:
            raise OptionError(_why_not(name, model, [*usual, *thetas]))
    return list(dict.fromkeys(requested))


def profiled_parameters(model) -> list[str]:
    """The parameters that are profiled if the user names none."""
    fast, dispersed = model.is_fast, not model.estimates.sigma_given
    components = Components.of(model).names
    residual = ResidualParameters(model.residual_side)
    if fast and dispersed:  # φ is not optimised, so standard deviations have no profile
        correlations = [name for name in components if name.startswith("cor_")]
        return [*correlations, *(f"theta_{name}" for name in model.theta_names)]
    sizes = [SIGMA] * (dispersed and not residual.has_sds) + [SHAPE] * model.has_free_shape
    coefficients = [] if fast else model.kept_coefficients
    if model.composition is not None:
        coefficients = [*coefficients, *model.part_lines.names]
    return [*sizes, *residual.names, *components, *coefficients]


def _why_not(name, model, known) -> str:
    """The message on a parameter that has no profile."""
    if name in model.params.index and np.isnan(model.params[name]):
        return f"{name!r} has no estimate: its column depends on others and was dropped"
    in_full_fit = [*model.params.index, *Components.of(model).names]
    in_full_fit += [SIGMA] * (not model.estimates.sigma_given)
    if model.is_fast and name in in_full_fit:
        return f"a fast fit does not optimise {name!r}: refit(fast=False), then profile"
    return f"unknown parameter {name!r}{did_you_mean(str(name), known)}; there are " + ", ".join(
        known
    )


class Profile(Tabular):
    """Profiles of a model's parameters.

    Attributes
    ----------
    formula : str
        The model's formula.
    curves : dict of str to Curve
    names : list of str
        Names of the columns of each curve's `others`.
    frame : pandas.DataFrame
        A row per evaluation: ``parameter``, ``value``, ``zeta``.

    See Also
    --------
    profile : Makes one.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
    >>> p = m.profile("sigma")
    >>> list(p.curves)
    ['sigma']
    """

    def __init__(
        self,
        formula: str,
        curves: dict[str, Curve],
        reach: float,
        notes: list[str],
        names: list[str],
    ) -> None:
        self.formula, self.curves, self._reach, self._notes = formula, curves, reach, notes
        self.names = names

    @property
    def frame(self) -> pd.DataFrame:
        """A pandas frame with a row per evaluation: ``parameter``, ``value``, ``zeta``."""
        import pandas as pd

        parts = [
            pd.DataFrame({"parameter": name, "value": c.values, "zeta": c.zeta})
            for name, c in self.curves.items()
        ]
        return pd.concat(parts, ignore_index=True)

    @names_arguments
    def conf_int(self, alpha: float = 0.05) -> Limits:
        """Profile intervals: the values that a likelihood-ratio test does not reject.

        Parameters
        ----------
        alpha : float
            One minus the coverage.

        Returns
        -------
        Limits, a pandas.DataFrame
            Lower and upper limits in columns 0 and 1, a row per parameter. A limit is the end of
            the parameter's range if the deviance does not rise enough before it.

        Raises
        ------
        OptionError
            `alpha` is not between 0 and 1, or so small that the profile is not wide enough.

        See Also
        --------
        LinearMixedModel.conf_int

        Examples
        --------
        >>> import numbamm as mm
        >>> sleep = mm.datasets.load("sleepstudy")
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
        >>> m.profile("sigma").conf_int().round(2).loc["sigma"].to_list()
        [22.9, 28.86]
        """
        import pandas as pd

        from numbamm.report.tableframe import limits_by

        z = float(ndtri(1 - valid_alpha(alpha) / 2))
        if z > self._reach:
            raise OptionError(
                f"alpha = {alpha!r} needs a wider profile: give this alpha to profile(), too"
            )
        limits = {name: curve.limits(z) for name, curve in self.curves.items()}
        frame = pd.DataFrame.from_dict(limits, orient="index", columns=[0, 1])
        return limits_by("profile likelihood", frame, alpha)

    def plot(
        self,
        parameters: str | Iterable[str] | None = None,
        *,
        kind: str = "zeta",
        ax: Axes | None = None,
        axes=None,
    ) -> np.ndarray:
        """Draw the profile of each parameter, or of pairs of parameters.

        Parameters
        ----------
        parameters : str or sequence of str, optional
            The parameters to draw; all, if not given.
        kind : {"zeta", "abs", "density", "pairs"}
            ζ, which is a straight line where Wald's intervals are accurate; its size; the
            density of the parameter if ζ is standard normal; or for each pair of parameters the
            regions of 50, 80 and 95 %, and where one is optimal given the other. Lines show the
            intervals of 50, 80, 90, 95 and 99 %.
        ax, axes : matplotlib Axes, or a sequence of them, optional
            Where to draw one panel, or several; a new figure, if neither is given.

        Returns
        -------
        ndarray of matplotlib Axes
            A panel for each parameter or pair of parameters.

        Raises
        ------
        OptionError
            A parameter or the kind is unknown, there is no profile to draw, or matplotlib is not
            installed.

        References
        ----------
        Bates & Watts, 1988, Nonlinear Regression Analysis, chapter 6.

        See Also
        --------
        Profile.conf_int : The limits that are drawn.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
        >>> p = m.profile()
        >>> len(p.plot()), len(p.plot(kind="pairs"))
        (3, 3)
        """
        from numbamm.report.plots import axes as canvas
        from numbamm.report.plots.contours import contours
        from numbamm.report.plots.zeta import zeta

        one_of("kind", kind, PLOTS)
        axes = canvas.either(ax, axes)
        names = list(self.curves) if parameters is None else name_list("parameters", parameters)
        for name in names:
            if name not in self.curves:
                raise OptionError(
                    f"unknown parameter {name!r}{did_you_mean(name, self.curves)}; profiled are "
                    + ", ".join(self.curves)
                )
        known = {name: c for name in names if len((c := self.curves[name]).values) > 1}
        if kind == "pairs":
            return contours(profiled_pairs(known, self.names), axes=axes)
        drawn = {name: (c.estimate, c.values, c.spline, c.limits) for name, c in known.items()}
        return zeta(drawn, kind=kind, axes=axes)

    def to_frame(self) -> pd.DataFrame:
        """Estimates and 95 % intervals, a row per parameter; `frame` has the evaluations."""
        return self.summary().to_frame()

    def _report(self) -> Report:
        return self.summary()._report()

    @names_arguments
    def summary(self, alpha: float = 0.05) -> Result:
        """Estimates and intervals as a table.

        Parameters
        ----------
        alpha : float
            One minus the coverage.

        Returns
        -------
        Result
            A row per parameter: ``parameter, estimate, lower, upper``.

        Raises
        ------
        OptionError
            As for `conf_int`.

        See Also
        --------
        Profile.conf_int : The limits alone.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
        >>> m.profile("sigma").summary().to_frame().columns.to_list()
        ['parameter', 'estimate', 'lower', 'upper']
        """
        table = self.conf_int(alpha).set_axis(["lower", "upper"], axis=1)
        table.insert(0, "estimate", [c.estimate for c in self.curves.values()])
        table = table.rename_axis("parameter").reset_index()
        undefined = [name for name, c in self.curves.items() if not len(c.values)]
        notes = [*self._notes, *(f"{name} is undefined: a variance is 0." for name in undefined)]
        notes = [*notes, f"{coverage(alpha)} intervals."]
        return Result(f"Profile likelihood: {self.formula}", table, notes)

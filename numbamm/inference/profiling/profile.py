"""Profile likelihood: how the deviance rises as one parameter is moved and the others follow."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from numbamm import config
from numbamm.blocks.threads import blas_threads
from numbamm.errors import NumbammWarning, OptionError, did_you_mean
from numbamm.inference.profiling.generalized_surface import GeneralizedSurface
from numbamm.inference.profiling.linear_surface import LinearSurface
from numbamm.inference.random.components import SHAPE, SIGMA, Components
from numbamm.models.linear import LinearMixedModel
from numbamm.options import name_list, valid_alpha
from numbamm.progress import progress_bar
from numbamm.report.result import Result

if TYPE_CHECKING:
    import pandas as pd

#: A profile goes a little further than its intervals.
BEYOND = 1.05

#: By how much a deviance that is met on the way may be less than that of the fit.
LOWER = 1e-3


def profile(
    model,
    parameters: str | Iterable[str] | None = None,
    *,
    alpha: float = 0.01,
    progress: bool | None = None,
) -> Profile:
    """Profile the likelihood.

    Parameters
    ----------
    model : MixedModel
        Fitted. It is left as it is; a linear one fitted by REML is fitted anew by maximum
        likelihood.
    parameters : str or sequence of str, optional
        Which ones: ``sigma``, or ``shape`` of the negative binomial; standard deviations and
        correlations such as ``sd_Days|Subject`` and ``cor_Days.Intercept|Subject``;
        coefficients by their names; θ as ``theta_Subject.Days``, or ``theta`` for every one. All
        but θ, if not given.
    alpha : float
        One minus the largest coverage that an interval is to have.
    progress : bool, optional
        Show a progress bar, if tqdm is installed; on a terminal by default.

    Returns
    -------
    Profile
        An interrupt (Ctrl-C) ends the work, with the parameters so far.

    Raises
    ------
    NotFittedError
        Before `fit`.
    OptionError
        If a parameter is unknown, or none of the deviance that was minimised.

    Notes
    -----
    ζ is the signed square root of the rise in -2 log-likelihood: normal, to the first order, at
    the true value of the parameter (Bates & Watts, 1988, chapter 6). The other parameters are
    optimised with the exact gradient.

    The likelihood of a generalized model is that by which it was fitted: the Laplace
    approximation, or adaptive quadrature, whose gradient is by differences. In a fast fit β goes
    with the penalised mode and φ with that, so that θ and correlations have profiles, standard
    deviations where φ is 1, and coefficients none. ``sigma`` is √φ. An infinite limit of
    ``shape`` is that of counts with a Poisson distribution.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    >>> mm.profile(m, "sigma").conf_int().round(1).loc["sigma"].tolist()
    [38.2, 67.7]
    """
    est = model.estimates
    names, reach = _asked(model, parameters), BEYOND * ndtri(1 - valid_alpha(alpha) / 2)
    linear = isinstance(model, LinearMixedModel)
    curves: dict = {}
    with blas_threads(config.get("threads")), warnings.catch_warnings():
        warnings.simplefilter("ignore", NumbammWarning)  # of singular fits on the way
        warnings.simplefilter("ignore", RuntimeWarning)  # of steps beyond the parameters' range
        surface = (LinearSurface if linear else GeneralizedSurface).of(model)
        bar = progress_bar(len(names), progress, "parameter")
        try:
            for name in names:
                curves[name] = surface.curve(name, reach)
                bar.update(1)
        except KeyboardInterrupt:
            if not curves:
                raise
        finally:
            bar.close()
    if len(curves) < len(names):
        left = ", ".join(name for name in names if name not in curves)
        warnings.warn(
            f"the profile was interrupted; left out are {left}", NumbammWarning, stacklevel=3
        )
    notes = ["Of the model fitted by maximum likelihood."] if est.reml else []
    notes += ["Of the fast fit: coefficients are at the penalised mode."] * (
        not linear and model.is_fast
    )
    lower = (surface.least if est.reml else est.objective) - surface.lowest
    if lower > LOWER:
        notes.append(
            f"The deviance is lower by {lower:.4g} elsewhere: the fit is no minimum. Try another "
            "optimizer, or allfit."
        )
    return Profile(model.formula, curves, reach, notes)


def _asked(model, parameters) -> list[str]:
    """The parameters that are asked for, each checked."""
    usual, thetas = _usual(model), [f"theta_{name}" for name in model.theta_names]
    for name in (SIGMA, SHAPE):
        if usual.count(name) > 1:
            raise OptionError(f"{name!r} is a parameter and a coefficient: rename the column")
    if parameters is None:
        return usual
    asked = []
    for name in name_list("parameters", parameters):
        asked += thetas if name == "theta" else [name]
    for name in asked:
        if name not in usual and name not in thetas:
            raise OptionError(_refusal(name, model, [*usual, *thetas]))
    return list(dict.fromkeys(asked))


def _usual(model) -> list[str]:
    """The parameters that are profiled if none are named."""
    fast, dispersed = getattr(model, "is_fast", False), not model.estimates.sigma_given
    components = Components.of(model).names
    if fast and dispersed:  # nothing tells of φ, nor then of standard deviations
        correlations = [name for name in components if name.startswith("cor_")]
        return [*correlations, *(f"theta_{name}" for name in model.theta_names)]
    sizes = [SIGMA] * dispersed + [SHAPE] * getattr(model, "_free_shape", False)
    coefficients = [] if fast else model.feterm.kept_names
    return [*sizes, *components, *coefficients]


def _refusal(name, model, known) -> str:
    """Why a parameter has no profile."""
    if name in model.params.index and np.isnan(model.params[name]):
        return f"{name!r} has no estimate: its column depends on others and was dropped"
    in_full_fit = [*model.params.index, *Components.of(model).names]
    in_full_fit += [SIGMA] * (not model.estimates.sigma_given)
    if getattr(model, "is_fast", False) and name in in_full_fit:
        return f"{name!r} is not searched for in a fast fit: refit(fast=False), then profile"
    return f"unknown parameter {name!r}{did_you_mean(str(name), known)}; there are " + ", ".join(
        known
    )


class Profile:
    """Profiles of a model's parameters.

    Attributes
    ----------
    curves : dict of str to Curve
    """

    def __init__(self, formula: str, curves: dict, reach: float, notes: list[str]) -> None:
        self.formula, self.curves, self._reach, self._notes = formula, curves, reach, notes

    @property
    def frame(self) -> pd.DataFrame:
        """``parameter``, ``value``, ``zeta``: a pandas frame with a line per evaluation."""
        import pandas as pd

        parts = [
            pd.DataFrame({"parameter": name, "value": c.values, "zeta": c.zeta})
            for name, c in self.curves.items()
        ]
        return pd.concat(parts, ignore_index=True)

    def conf_int(self, alpha: float = 0.05) -> pd.DataFrame:
        """Profile intervals: the values that a likelihood-ratio test does not reject.

        Parameters
        ----------
        alpha : float
            One minus the coverage.

        Returns
        -------
        pandas.DataFrame
            Lower and upper limits in columns 0 and 1, a line per parameter; the end of a
            parameter's range where the deviance does not rise enough before it.
        """
        import pandas as pd

        z = float(ndtri(1 - valid_alpha(alpha) / 2))
        if z > self._reach:
            raise OptionError(f"the profile does not reach as far as alpha = {alpha!r}")
        limits = {name: curve.limits(z) for name, curve in self.curves.items()}
        return pd.DataFrame.from_dict(limits, orient="index", columns=[0, 1])

    def __repr__(self) -> str:
        return repr(self.summary())

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    def summary(self, alpha: float = 0.05) -> Result:
        """Estimates and intervals as a table."""
        table = self.conf_int(alpha).set_axis(["lower", "upper"], axis=1)
        table.insert(0, "estimate", [c.estimate for c in self.curves.values()])
        table = table.rename_axis("parameter").reset_index()
        undefined = [name for name, c in self.curves.items() if not len(c.values)]
        notes = [*self._notes, *(f"{name} is undefined: a variance is 0." for name in undefined)]
        notes = [*notes, f"{100 * (1 - alpha):g} % intervals."]
        return Result(f"Profile likelihood: {self.formula}", table, notes)

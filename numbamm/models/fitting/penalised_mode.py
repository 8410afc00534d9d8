"""`PenalisedMode`: what PIRLS finds at given θ, and its path there."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from numbamm.blocks.threads import blas_threads
from numbamm.errors import FitError
from numbamm.models.generalized_estimates import effects_at_mode
from numbamm.optimize.formatting import short
from numbamm.report.content import Report
from numbamm.report.frames import Frames
from numbamm.report.tabular import Tabular

if TYPE_CHECKING:
    import pandas as pd


@dataclass(repr=False)
class PenalisedMode(Tabular):
    """The mode of the penalised likelihood in u, and in β if it varies, at one θ.

    Attributes
    ----------
    objective : float
        The Laplace approximation of -2 log-likelihood at the mode.
    beta : ndarray, shape (p,)
        Coefficients; NaN for dropped columns.
    theta : ndarray, shape (number of θ,)
    u, b : list of ndarray, shape (levels, p)
        Spherical and original random effects, for each of the model's `reterms`.
    iterations : int
    path : ndarray, shape (iterations + 1,)
        The objective before the first iteration, and after each.

    See Also
    --------
    GeneralizedLinearMixedModel.pirls : Finds one.

    Examples
    --------
    >>> import numbamm as mm
    >>> cbpp = mm.datasets.load("cbpp")
    >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    >>> g = mm.glmm(formula, cbpp, "binomial")
    >>> mode = g.pirls([1.0])
    >>> mode.beta.round(2).tolist()
    [-1.4, -0.93, -1.07, -1.51]
    >>> len(mode.path) == mode.iterations + 1
    True
    """

    objective: float
    beta: np.ndarray
    theta: np.ndarray
    u: list[np.ndarray]
    b: list[np.ndarray]
    iterations: int
    path: np.ndarray
    _names: list[str]
    _terms: list

    def ranef(self) -> Frames:
        """The random effects b as frames by grouping factor.

        Returns
        -------
        Frames, a dict of str to pandas.DataFrame

        See Also
        --------
        LinearMixedModel.ranef : Those of a fit.

        Examples
        --------
        >>> import numbamm as mm
        >>> cbpp = mm.datasets.load("cbpp")
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> g = mm.glmm(formula, cbpp, "binomial")
        >>> g.pirls([1.0]).ranef()["herd"].shape
        (15, 1)
        """
        import pandas as pd

        frames: dict = {}
        for term, effects in zip(self._terms, self.b, strict=True):
            index = pd.Index(term.levels, name=term.group)
            frame = pd.DataFrame(effects, index=index, columns=list(term.cnames))
            before = frames.get(term.group)
            frames[term.group] = frame if before is None else pd.concat([before, frame], axis=1)
        return Frames(frames, "Random effects")

    def __float__(self) -> float:
        return float(self.objective)

    def to_frame(self) -> pd.DataFrame:
        """Coefficients and random effects b, a row each: effect, group, term, level, estimate."""
        import pandas as pd

        names = ["effect", "group", "term", "level", "estimate"]
        rows: list[tuple] = [
            ("fixed", None, None, *pair) for pair in zip(self._names, self.beta, strict=True)
        ]
        for group, frame in self.ranef().items():
            for term in frame.columns:
                rows += [("random", group, term, level, b) for level, b in frame[term].items()]
        return pd.DataFrame(rows, columns=names)

    def _parts(self) -> tuple[Frames, Frames]:
        """The coefficients, and the random effects: a grouping factor may be called β, too."""
        import pandas as pd

        beta = pd.DataFrame({"estimate": self.beta}, self._names)
        return Frames({"β": beta}), self.ranef()

    def _title(self) -> str:
        return (
            f"Mode of the penalised likelihood at θ = {short(self.theta)}\n"
            f"Laplace approximation of -2 logLik: {self.objective:.6f}, after {self.iterations} "
            f"iteration{'' if self.iterations == 1 else 's'}"
        )

    def _report(self) -> Report:
        tables = [table for part in self._parts() for table in part._report().tables]
        return Report(self._title(), tables=tables)

    def __repr__(self) -> str:  # long frames in part, as those of `Frames`
        return "\n\n".join([self._title(), *map(repr, self._parts())])

    def _repr_html_(self) -> str:
        title = escape(self._title()).replace("\n", "<br>")
        return f"<p>{title}</p>" + "".join(part._repr_html_() for part in self._parts())


def find_mode(model, theta, shape: float, vary_beta: bool, verbose: bool) -> PenalisedMode:
    """The mode of a generalized model at θ, from the start of a fit.

    Raises
    ------
    FitError
        No mode was found.
    """
    model = model.twin()
    model._set_theta(theta)
    gamma, trace = model._start.gamma.copy(), np.full((200, 2), np.nan)
    with blas_threads():
        mode = model._modes(
            model.scaled.to_scaled(theta), gamma, vary=vary_beta, shape=shape, trace=trace
        )
    if not mode.found:
        raise FitError(f"PIRLS found no mode at theta = {theta}")
    phi = model._likelihood.dispersion(mode)
    path = trace[: mode.iterations + 1] @ [1 / phi, 1.0] + model._likelihood.saturated(shape, phi)
    beta = model.feterm.to_basis @ gamma
    if verbose:
        print(f"varyβ = {str(vary_beta).lower()}, obj₀ = {path[0]:.6f}")
        print(f"β = {beta}")
        for i, value in enumerate(path[1:], start=1):
            print(f"{i:4d}: {value:.6f}")
    return PenalisedMode(
        model._likelihood.laplace(mode, shape, phi),
        model.feterm.full(beta),
        np.array(theta),
        *effects_at_mode(model),
        mode.iterations,
        path,
        model.feterm.cnames,
        model.reterms,
    )

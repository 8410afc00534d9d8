"""`influence`: residuals, leverage and Cook's distance of each row of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from pandas.plotting import PlotAccessor

from numbamm.elsewhere import names_arguments
from numbamm.errors import OptionError
from numbamm.models.residual_side.refusals import refuse_correlated
from numbamm.report.tableframe import TableFrame

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: A leverage counts as 1 if it differs from 1 by at most this.
LEVERAGE_TOLERANCE = 1e-10


class InfluencePlots(PlotAccessor):
    """``frame.plot()`` draws residuals against leverage; with arguments it is that of pandas."""

    def __call__(self, *args: Any, ax: Axes | None = None, **options: Any) -> Axes:
        if args or options:
            return super().__call__(*args, ax=ax, **options)
        from numbamm.report.plots.leverage import leverage

        frame = self._parent
        h, residuals, cooks = frame[["leverage", "studentized", "cooks"]].to_numpy().T
        return leverage(h, residuals, cooks, frame.index, rank=frame.rank_of_x, ax=ax)


class Influence(TableFrame):
    """The frame of `influence`; ``plot()`` draws residuals against leverage.

    What is computed from it is a plain frame.

    Parameters
    ----------
    frame : pandas.DataFrame
    title : str
        Title of the table.
    rank_of_x : int
        Number of coefficients.

    See Also
    --------
    influence : Makes one.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    >>> frame = m.influence()
    >>> round(float(frame["cooks"].max()), 2)
    0.72
    """

    numbered: ClassVar = True
    _metadata: ClassVar = ["title", "rank_of_x"]
    rank_of_x: int

    def __init__(self, frame, title: str = "", rank_of_x: int = 0) -> None:
        super().__init__(frame, title)
        self.rank_of_x = rank_of_x

    @property
    def plot(self) -> InfluencePlots:
        """Residuals against leverage, with contours of Cook's distance.

        See Also
        --------
        models.plot_methods.Plots.influence : The same from the model.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
        >>> m.influence().plot().get_xlabel()
        'Leverage'
        """
        return InfluencePlots(self)


@names_arguments
def influence(model) -> Influence:
    """Residuals, leverage and influence of each row of the data on a fitted model.

    Parameters
    ----------
    model : MixedModel
        A fitted model.

    Returns
    -------
    Influence, a pandas.DataFrame
        A row per row of the data, NaN for dropped ones: ``fitted``; ``resid``; ``pearson``, the
        residual times √(weight / variance function); ``leverage``; ``studentized``,
        pearson / (σ √(1 - leverage)); ``cooks``, Cook's distance. For generalized models also
        ``deviance``, the deviance residual. Studentized residuals and Cook's distances are NaN
        where the leverage is 1, as for a row with an indicator column of its own. Its `to_latex`,
        `to_markdown` and `to_html` are those of results.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        The response is one of ordered categories, which have no residuals.

    See Also
    --------
    delete_levels : The influence of whole groups.
    LinearMixedModel.leverage, LinearMixedModel.residuals

    Notes
    -----
    All are conditional on the random effects and their covariance, as in lme4. Cook's distance is
    studentized² leverage / (1 - leverage) / rank(X). See `delete_levels` for the influence of whole
    groups on all estimates.

    Leverages of a generalized model are those of its working model, the linear mixed model that
    PIRLS solves in its last iteration; σ² is the dispersion. They lie between 0 and 1, unlike
    lme4's. Cook's distance is then the one after a single step of PIRLS without the row.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
    >>> m.influence()["cooks"].idxmax()
    59
    """
    if model.has_categories:
        _ = model.estimates
        raise OptionError(
            "rows of ordered categories have no residuals, of which their influence is made: "
            "delete_levels(group) has that of whole groups, simulated_residuals() finds rows that "
            "do not fit"
        )
    refuse_correlated(model, "influence", 'residuals("normalized") are uncorrelated')
    frame = pd.DataFrame({"fitted": model.fittedvalues, "resid": model.resid})
    frame["pearson"] = model.residuals("pearson")
    if not (model.is_linear or model.family_record.by_density or model.composition is not None):
        frame["deviance"] = model.residuals("deviance")
    frame["leverage"] = h = model.leverage()
    rest = (1 - h).where(1 - h > LEVERAGE_TOLERANCE)
    frame["studentized"] = frame["pearson"] / (model.sigma * np.sqrt(rest))
    frame["cooks"] = frame["studentized"] ** 2 * h / rest / (model.feterm.rank or np.nan)
    title = f"Residuals and influence: {model.formula}"
    return Influence(frame, title, model.feterm.rank)


@names_arguments
def cooks_distance(model) -> pd.Series:
    """Cook's distance of each row, conditional on the random effects; see `influence`.

    Parameters
    ----------
    model : MixedModel
        A fitted model.

    Returns
    -------
    pandas.Series
        Over the rows of the data; NaN where a row was dropped.

    Raises
    ------
    NotFittedError
        The model is not fitted.

    See Also
    --------
    influence : This, leverage and residuals.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
    >>> m.cooks_distance().nlargest(2).round(2).to_dict()
    {59: 4.26, 56: 2.11}
    """
    return influence(model)["cooks"]

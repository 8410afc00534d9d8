"""`clmm`: a cumulative link mixed model, built and fitted in one call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import ArrayLike

from numbamm.blocks.threads import blas_threads
from numbamm.elsewhere import names_arguments
from numbamm.glm.link import Link
from numbamm.models.ordinal.cumulative_model import CumulativeLinkMixedModel
from numbamm.progress import shown


@names_arguments
def clmm(
    formula: str,
    data,
    link: str | Link = "logit",
    *,
    threshold: str = "flexible",
    nominal: str | None = None,
    scale: str | None = None,
    nagq: int = 1,
    weights: str | ArrayLike | None = None,
    offset: str | ArrayLike | None = None,
    contrasts: Mapping[str, Any] | None = None,
    amalgamate: bool = True,
    optimizer: str | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> CumulativeLinkMixedModel:
    """Build a `CumulativeLinkMixedModel` of ordered categories and fit it.

    P(y ≤ k) = F((α_k - η) / s), with η the fixed and random effects of the formula.

    Parameters
    ----------
    formula : str
        ``"rating ~ temp + contact + (1 | judge)"``. The response is an ordered categorical column,
        numbers or truth values. Thresholds take the place of the intercept.
    data : pandas, polars or pyarrow frame, or dict of arrays
        The rows; those with missing values in used columns are dropped and counted.
    link : str or Link
        ``"logit"`` (proportional odds), ``"probit"``, ``"cloglog"`` (proportional hazards),
        ``"loglog"``, ``"cauchit"``; or one of your own whose means lie in (0, 1).
    threshold : {"flexible", "symmetric", "equidistant"}
        Whether each threshold is a parameter, or their distances are symmetric or equal.
    nominal : str, optional
        A one-sided formula, ``"~ contact"``, of effects that differ between thresholds. A column
        of it has no coefficient in the location.
    scale : str, optional
        A one-sided formula, ``"~ temp"``, of effects on log s.
    nagq : int
        Nodes a dimension of the adaptive Gauss–Hermite quadrature, for models with one term; 1 is
        the Laplace approximation.
    weights : str or array, optional
        Prior weights, by which log-densities of rows are multiplied: numbers of equal rows.
    offset : str or array, optional
        Added to η.
    contrasts : dict, optional
        Coding of categorical columns, ``{"f": "sum"}``.
    amalgamate : bool
        Join terms that share a grouping factor into one with a block-diagonal λ.
    optimizer : str, optional
        Name of the optimiser; that of the configuration, if not given.
    progress : bool, optional
        Show progress of long fits; on a terminal by default.
    verbose : bool
        Print each evaluation of the objective.

    Returns
    -------
    CumulativeLinkMixedModel
        The fitted model.

    Raises
    ------
    FormulaError, DataError, OptionError
        Before any heavy work; the message names the column, term or option.
    FitError
        The optimiser fails.

    See Also
    --------
    CumulativeLinkMixedModel : Built without a fit; details of the method.
    glmm : For responses of two categories, and others.

    References
    ----------
    Agresti, 2010, Analysis of Ordinal Categorical Data; Christensen, the R package ordinal.

    Examples
    --------
    >>> import numbamm as mm
    >>> va = mm.datasets.load("VerbAgg")
    >>> m = mm.clmm("resp ~ Anger + Gender + btype + situ + (1 | id) + (1 | item)", va)
    >>> round(m.objective, 3)
    12732.001
    """
    with blas_threads(), shown(progress):  # once for all steps
        model = CumulativeLinkMixedModel(
            formula,
            data,
            link,
            threshold=threshold,
            nominal=nominal,
            scale=scale,
            weights=weights,
            offset=offset,
            contrasts=contrasts,
            amalgamate=amalgamate,
            optimizer=optimizer,
        )
        return model.fit(nagq=nagq, progress=progress, verbose=verbose)

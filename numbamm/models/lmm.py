"""`lmm`: a linear mixed model, built and fitted in one call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import ArrayLike

from numbamm.blocks.threads import blas_threads
from numbamm.elsewhere import names_arguments
from numbamm.models.linear import LinearMixedModel
from numbamm.progress import shown


@names_arguments
def lmm(
    formula: str,
    data,
    *,
    reml: bool = False,
    weights: str | ArrayLike | None = None,
    offset: str | ArrayLike | None = None,
    contrasts: Mapping[str, Any] | None = None,
    sigma: float | None = None,
    amalgamate: bool = True,
    cov: Mapping[str, Any] | None = None,
    precision: Mapping[str, Any] | None = None,
    optimizer: str | None = None,
    tail: str | None = None,
    probes: int | None = None,
    seed: int | None = None,
    residual: str | None = None,
    dispersion: str | list[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> LinearMixedModel:
    """Build a `LinearMixedModel` and fit it.

    Parameters
    ----------
    formula : str
        For example ``"Reaction ~ 1 + Days + (1 + Days | Subject)"``.
    data : pandas, polars or pyarrow frame, or dict of arrays
        The rows; those with missing values in used columns are dropped and counted.
        They may stream: from a path to a Parquet file or folder, a pyarrow data set, a polars
        LazyFrame, an iterable of frames or a function that begins one, or a Dask frame.
    reml : bool
        Fit by REML instead of maximum likelihood.
    weights : str or array, optional
        Case weights w: the residual variance of row i is σ²/w_i.
    offset : str or array, optional
        Added to the linear predictor with coefficient one.
    contrasts : dict, optional
        Coding of categorical columns, ``{"f": "sum"}``.
    sigma : float, optional
        The residual standard deviation, if it is known.
    amalgamate : bool
        Join terms that share a grouping factor into one with a block-diagonal λ.
    cov, precision : dict, optional
        Known covariances between levels, ``cov={"animal": K}``, or their inverses,
        ``precision={"animal": Q}``; see `LinearMixedModel`.
    optimizer : str, optional
        Name of the optimiser; that of the configuration, if not given.
    tail : {"auto", "dense", "sparse", "iterative"}, optional
        How the random effects that are not eliminated level by level are held: chosen by predicted
        time and memory by default. See `LinearMixedModel.block_description`.
    probes, seed : int, optional
        Number of random probes of an approximate tail, and what they are drawn from; a warning
        says if the tail is exact.
    residual, dispersion : str, optional
        How residuals of a group are correlated, ``"ar1(time | subject)"``, and their standard
        deviations, ``"~ x"``; see `LinearMixedModel`.
    progress : bool, optional
        Show progress of long fits; on a terminal by default.
    verbose : bool
        Print each evaluation of the objective.

    Returns
    -------
    LinearMixedModel
        The fitted model.

    Raises
    ------
    FormulaError, DataError, OptionError
        Before any heavy work; the message names the column, term or option.
    FitError
        The optimiser fails.

    See Also
    --------
    LinearMixedModel : Built without a fit; details of the method.
    glmm : Generalized models.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ 1 + Days + (1 + Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> round(m.objective, 4)
    1751.9393
    """
    with blas_threads(), shown(progress):  # once for both steps
        model = LinearMixedModel(
            formula,
            data,
            reml=reml,
            weights=weights,
            offset=offset,
            contrasts=contrasts,
            sigma=sigma,
            amalgamate=amalgamate,
            cov=cov,
            precision=precision,
            optimizer=optimizer,
            tail=tail,
            probes=probes,
            seed=seed,
            residual=residual,
            dispersion=dispersion,
        )
        return model.fit(progress=progress, verbose=verbose)

"""`glmm`: a generalized linear mixed model, built and fitted in one call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import ArrayLike

from numbamm.blocks.threads import blas_threads
from numbamm.elsewhere import names_arguments
from numbamm.glm.family import Family
from numbamm.glm.link import Link
from numbamm.models.generalized import GeneralizedLinearMixedModel
from numbamm.progress import shown


@names_arguments
def glmm(
    formula: str,
    data,
    family: str | Family,
    link: str | Link | None = None,
    *,
    fast: bool = False,
    nagq: int = 1,
    weights: str | ArrayLike | None = None,
    offset: str | ArrayLike | None = None,
    contrasts: Mapping[str, Any] | None = None,
    amalgamate: bool = True,
    cov: Mapping[str, Any] | None = None,
    precision: Mapping[str, Any] | None = None,
    init: str = "glm",
    information: str | None = None,
    shape: float | None = None,
    optimizer: str | None = None,
    tail: str | None = None,
    probes: int | None = None,
    seed: int | None = None,
    dispersion: str | None = None,
    zi: str | None = None,
    hurdle: str | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> GeneralizedLinearMixedModel:
    """Build a `GeneralizedLinearMixedModel` and fit it.

    Parameters
    ----------
    formula : str
        ``"r2 ~ Anger + (1 | id) + (1 | item)"``; for binomial counts
        ``"cbind(successes, failures) ~ ..."``, or a proportion with `weights`.
    data : pandas, polars or pyarrow frame, or dict of arrays
        The rows; those with missing values in used columns are dropped and counted.
        They may stream: from a path to a Parquet file or folder, a pyarrow data set, a polars
        LazyFrame, an iterable of frames or a function that begins one, or a Dask frame.
    family : str or Family
        ``"bernoulli"``, ``"binomial"``, ``"poisson"``, ``"negativebinomial"``, ``"gamma"``,
        ``"inversegaussian"`` or ``"gaussian"``; or one of your own.
    link : str or Link, optional
        The family's usual link, if not given; `GeneralizedLinearMixedModel` lists the others.
    fast : bool
        Let PIRLS find β and search over θ alone, as ``nAGQ = 0`` in lme4.
    nagq : int
        Nodes a dimension of the adaptive Gauss–Hermite quadrature, for models with one term; 1
        is the Laplace approximation.
    weights : str or array, optional
        Numbers of trials for a binomial proportion; prior weights otherwise.
    offset : str or array, optional
        Added to the linear predictor with coefficient one.
    contrasts : dict, optional
        Coding of categorical columns, ``{"f": "sum"}``.
    amalgamate : bool
        Join terms that share a grouping factor into one with a block-diagonal λ.
    cov, precision : dict, optional
        Known covariances between levels, ``cov={"animal": K}``, or their inverses,
        ``precision={"animal": Q}``; see `LinearMixedModel`.
    init : {"glm", "lmm"}
        Where the fit begins: at the model without random effects, or at a linear mixed model.
    information : {"expected", "observed"}, optional
        Which information enters the determinant of the Laplace approximation.
    shape : float, optional
        Shape of the negative binomial or of a family of your own; estimated, if not given.
    optimizer : str, optional
        Name of the optimiser; that of the configuration, if not given.
    tail : {"auto", "dense", "sparse", "iterative"}, optional
        How large crossed factors are held: exactly, or by conjugate gradients and random probes
        with a Monte-Carlo error; chosen by predicted time, if not given.
    probes, seed : int, optional
        Number of random probes, and what they are drawn from.
    dispersion : str, optional
        A formula of the dispersion, or of the shape, ``"~ x"``: its logarithm is linear in these
        effects.
    zi : str, optional
        A formula of zero inflation, ``"~ 1"``, ``"~ x"`` or ``"~ x + (1 | g)"``: the logit of the
        probability of a zero besides those of the family.
    hurdle : str, optional
        A formula of the probability of a zero, where all others come from the family truncated at
        zero, or from a distribution of positive responses.
    progress : bool, optional
        Show progress of long fits; on a terminal by default.
    verbose : bool
        Print each evaluation of the objective.

    Returns
    -------
    GeneralizedLinearMixedModel
        The fitted model.

    Raises
    ------
    FormulaError, DataError, OptionError
        Before any heavy work; the message names the column, term or option.
    FitError
        The optimiser fails.

    See Also
    --------
    GeneralizedLinearMixedModel : Built without a fit; details of the method.
    lmm : Linear models.

    Examples
    --------
    >>> import numbamm as mm
    >>> cbpp = mm.datasets.load("cbpp")
    >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    >>> g = mm.glmm(formula, cbpp, "binomial")
    >>> round(g.objective, 3)
    184.053
    >>> round(mm.glmm(formula, cbpp, "binomial", nagq=9).objective, 3)
    183.967
    """
    with blas_threads(), shown(progress):  # once for all steps
        model = GeneralizedLinearMixedModel(
            formula,
            data,
            family,
            link,
            weights=weights,
            offset=offset,
            contrasts=contrasts,
            amalgamate=amalgamate,
            cov=cov,
            precision=precision,
            init=init,
            information=information,
            shape=shape,
            optimizer=optimizer,
            tail=tail,
            probes=probes,
            seed=seed,
            dispersion=dispersion,
            zi=zi,
            hurdle=hurdle,
        )
        return model.fit(fast=fast, nagq=nagq, progress=progress, verbose=verbose)

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
    init: str = "glm",
    information: str | None = None,
    shape: float | None = None,
    optimizer: str | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> GeneralizedLinearMixedModel:
    """Build a `GeneralizedLinearMixedModel` and fit it.

    See `GeneralizedLinearMixedModel` for the parameters of the model and its `fit` for those of
    the fit.

    See Also
    --------
    GeneralizedLinearMixedModel : The parameters, and what a fit knows.
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
    with blas_threads():  # once for all steps
        model = GeneralizedLinearMixedModel(
            formula,
            data,
            family,
            link,
            weights=weights,
            offset=offset,
            contrasts=contrasts,
            amalgamate=amalgamate,
            init=init,
            information=information,
            shape=shape,
            optimizer=optimizer,
        )
        return model.fit(fast=fast, nagq=nagq, progress=progress, verbose=verbose)

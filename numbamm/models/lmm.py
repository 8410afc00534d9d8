"""`lmm`: a linear mixed model, built and fitted in one call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import ArrayLike

from numbamm.blocks.threads import blas_threads
from numbamm.elsewhere import names_arguments
from numbamm.models.linear import LinearMixedModel


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
    optimizer: str | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> LinearMixedModel:
    """Build a `LinearMixedModel` and fit it.

    See `LinearMixedModel` for the parameters of the model and `LinearMixedModel.fit` for
    those of the fit.

    See Also
    --------
    LinearMixedModel : The parameters, and what a fit knows.
    glmm : Generalized models.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ 1 + Days + (1 + Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> round(m.objective, 4)
    1751.9393
    """
    with blas_threads():  # once for both steps
        model = LinearMixedModel(
            formula,
            data,
            reml=reml,
            weights=weights,
            offset=offset,
            contrasts=contrasts,
            sigma=sigma,
            amalgamate=amalgamate,
            optimizer=optimizer,
        )
        return model.fit(progress=progress, verbose=verbose)

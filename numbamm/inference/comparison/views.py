"""`fit_of`: a fitted model as comparisons see it, whether ours or one of statsmodels."""

from __future__ import annotations

import numpy as np

from numbamm.errors import OptionError
from numbamm.inference.comparison.fits import Fit
from numbamm.inference.comparison.statsmodels_fits import of_statsmodels
from numbamm.models.linear import LinearMixedModel
from numbamm.models.mixedmodel import MixedModel
from numbamm.options import shown


def fit_of(model) -> Fit:
    """The view of a fitted model.

    Raises
    ------
    NotFittedError
        If a model of ours is not fitted.
    OptionError
        If it is neither that nor a result of statsmodels that can be compared.
    """
    if isinstance(model, MixedModel):
        return _of_ours(model)
    if hasattr(model, "llf") and hasattr(getattr(model, "model", None), "exog"):
        return of_statsmodels(model)
    raise OptionError(
        "only fitted models of numbamm can be compared, and those of statsmodels without "
        f"random effects, not {shown(model)}"
    )


def _of_ours(model) -> Fit:
    frame, estimates, n = model.frame, model.estimates, model.nobs
    linear = isinstance(model, LinearMixedModel)
    exact = linear or (model.family, model.link) == ("gaussian", "identity")
    return Fit(
        text=model.formula,
        llf=model.llf,
        npar=model.n_parameters,
        y=frame.y,
        weights=np.ones(n) if frame.weights is None else frame.weights,
        offset=np.zeros(n) if frame.offset is None else frame.offset,
        fixed=model.feterm,
        terms=model.reterms,
        family=model.family,
        link=model.link,
        reml=estimates.reml,
        method="" if exact else _method(model),
        information="" if exact or model._canonical else model.information,
        sigma=estimates.held_sigma if linear else None,
        shape=None if linear else model._given_shape,
        singular=model.is_singular(),
    )


def _method(model) -> str:
    """How a generalized model's likelihood was approximated, in words."""
    nagq = model.optsum.nagq
    how = "the Laplace approximation" if nagq == 1 else f"quadrature with {nagq} nodes"
    return how + (" (fast)" if model._fast else "")

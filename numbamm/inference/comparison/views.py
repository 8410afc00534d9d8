"""`fit_of`: the `Fit` of a fitted model, of numbamm or of statsmodels."""

from __future__ import annotations

import numpy as np

from numbamm.errors import OptionError, shown
from numbamm.inference.comparison.fits import Fit
from numbamm.inference.comparison.statsmodels_fits import of_statsmodels
from numbamm.models.mixedmodel import MixedModel


def fit_of(model) -> Fit:
    """The `Fit` of a fitted model.

    Raises
    ------
    NotFittedError
        A model of numbamm is not fitted.
    OptionError
        It is neither a model of numbamm nor a result of statsmodels that can be compared.
    """
    if isinstance(model, MixedModel):
        return _of_mixed_model(model)
    if hasattr(model, "llf") and hasattr(getattr(model, "model", None), "exog"):
        return of_statsmodels(model)
    raise OptionError(
        "only fitted models of numbamm can be compared, and fits of statsmodels without "
        f"random effects, not {shown(model)}"
    )


def _of_mixed_model(model) -> Fit:
    """The `Fit` of a model of numbamm."""
    frame, estimates, n = model.frame, model.estimates, model.nobs
    exact = model.family_record.is_linear(model.link_record)
    return Fit(
        text=model.formula,
        llf=model.llf,
        npar=model.n_parameters,
        y=frame.y,
        weights=np.ones(n) if frame.weights is None else frame.weights,
        offset=np.zeros(n) if frame.offset is None else frame.offset,
        fixed=model.feterm,
        terms=model.reterms,
        family=model.family_record,
        link=model.link_record,
        reml=estimates.reml,
        method="" if exact else _method(model),
        information="" if exact or model.is_canonical else model.information,
        sigma=estimates.held_sigma if model.is_linear else None,
        shape=model.given_shape,
        singular=model.is_singular(),
        monte_carlo=estimates.monte_carlo,
    )


def _method(model) -> str:
    """The approximation of a generalized model's likelihood, as text."""
    nagq = model.optsum.nagq
    name = "the Laplace approximation" if nagq == 1 else f"quadrature with {nagq} nodes"
    return name + (" (fast)" if model.is_fast else "")

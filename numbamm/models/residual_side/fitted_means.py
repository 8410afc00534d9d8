"""Standard deviations that depend on the fitted means, ``dispersion="power(fitted)"``.

The means are a covariate that the fit itself determines. The model is fitted with those of the fit
before, again and again until they no longer change, as nlme's `varPower(form = ~ fitted(.))` does
(Davidian & Giltinan, 1995, Nonlinear Models for Repeated Measurement Data, section 2.4). At the
end the likelihood is that of a model with the fitted means as a fixed covariate.
"""

from __future__ import annotations

import numpy as np

from numbamm.errors import ConvergenceWarning, warn

#: At most so many fits, until no parameter changes by more than this.
MOST, CHANGE = 50, 1e-7


def first_means(frame) -> np.ndarray:
    """Fitted means of least squares, with which the first fit begins."""
    y = frame.y if frame.offset is None else frame.y - frame.offset
    root = 1.0 if frame.weights is None else np.sqrt(frame.weights)
    X = frame.X * np.reshape(root, (-1, 1))
    means = frame.X @ np.linalg.lstsq(X, y * root, rcond=None)[0]
    return means if frame.offset is None else means + frame.offset


def settle(model, fit) -> None:
    """Fit again with the means of the fit before, until they no longer change.

    Parameters
    ----------
    model : LinearMixedModel
        Fitted once.
    fit : callable
        Fits it from ``optsum.initial``.

    Warns
    -----
    ConvergenceWarning
        The means still change after so many fits.
    """
    optsum, begin = model.optsum, model.optsum.initial
    evaluations = optsum.feval
    try:
        for _ in range(MOST):
            before = optsum.final
            side = model.residual_side.with_means(model.frame, model.estimates.fitted)
            model.residual_side, model.blocks = side, side.blocks
            optsum.initial = before.copy()
            fit()
            evaluations += optsum.feval
            if np.abs(optsum.final - before).max(initial=0) < CHANGE * (1 + np.abs(before).max()):
                return
    finally:
        optsum.initial, optsum.feval = begin, evaluations
    warn(
        f"after {MOST} fits the fitted means, on which the standard deviations depend, still "
        "change: take a covariate of the data instead, or power of a known mean",
        ConvergenceWarning,
    )

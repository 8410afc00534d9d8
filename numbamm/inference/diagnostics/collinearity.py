"""`check_collinearity`: which coefficients the data hardly tell apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from numbamm.report.result import Result

#: Condition indices from which a dependency counts as near, and as severe.
NEAR, SEVERE = 10.0, 30.0
#: A coefficient takes part in a dependency that has at least this share of its variance.
SHARE = 0.5


@dataclass(repr=False)
class Collinearity(Result):
    """Condition indices, and what they are made of.

    Attributes
    ----------
    proportions : pandas.DataFrame
        For each condition index, a line, the share of each coefficient's variance, a column,
        that comes from it.
    """

    proportions: pd.DataFrame | None = None


def check_collinearity(model) -> Collinearity:
    """Condition indices of the information about the coefficients, and who takes part in them.

    Parameters
    ----------
    model : MixedModel
        A fitted model.

    Returns
    -------
    Collinearity
        A line a component, by increasing condition ``index``; ``coefficients`` names those that
        have at least half of their variance from it, if they are two or more.

    Raises
    ------
    NotFittedError

    Notes
    -----
    Indices are square roots of the ratios of the eigenvalues of the inverse of `cov_params`,
    scaled to a diagonal of ones: columns of X of length one, in the metric in which the model
    sees them. From 10 on a dependency is near, from 30 severe. The intercept is among them, so
    that covariates far from zero show: centring them helps. `vif` has the inflation by terms.

    References
    ----------
    Belsley, Kuh & Welsch, 1980, Regression Diagnostics, chapter 3.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> mm.check_collinearity(m).to_frame()["index"].round(2).tolist()
    [1.0, 1.15]
    """
    feterm = model.feterm
    names = feterm.kept_names
    values, vectors, rounded = _components(model)
    values, vectors = np.maximum(values[::-1], np.finfo(float).eps ** 2), vectors[:, ::-1]
    index = np.sqrt(values[0] / values) if len(values) else values
    shares = vectors**2 / values
    shares = (shares / shares.sum(axis=1, keepdims=True)).T
    said = [_taking_part(names, line) for line in shares]
    notes = []
    if feterm.dropped:
        notes.append(f"Exactly dependent, without a coefficient: {', '.join(feterm.dropped)}.")
    if rounded:
        notes.append("The indices are those of X alone, since rounding hides those of the model.")
    worst = index[-1] if len(index) else 1.0
    if worst >= NEAR:
        how = "severe" if worst >= SEVERE else "near"
        notes.append(f"A {how} dependency: centring covariates may help, or leaving some out.")
    else:
        notes.append("No sign of collinearity.")
    return Collinearity(
        "Collinearity of the fixed effects",
        pd.DataFrame({"coefficients": said, "index": index}),
        notes,
        proportions=pd.DataFrame(shares, columns=names, index=index),
    )


def _components(model) -> tuple[np.ndarray, np.ndarray, bool]:
    """Eigenvalues and vectors of the scaled information, increasing, and whether X alone has them.

    Beside covariates very far from zero the covariance of the coefficients is rounding. Singular
    values of X, whose squares are then the eigenvalues, have twice as many digits.
    """
    try:
        with np.errstate(all="ignore"):
            information = _scaled(np.linalg.inv(_scaled(model._cov)))
        values, vectors = np.linalg.eigh(information)
    except np.linalg.LinAlgError:
        values, vectors = np.full(1, np.nan), np.empty(0)
    if (values > 1e4 * np.finfo(float).eps).all():  # four digits
        return values, vectors, False
    x = model.feterm.x[:, model.feterm.kept]
    x = x if model._sqrtw is None else x * model._sqrtw[:, None]
    _, s, axes = np.linalg.svd(x / np.linalg.norm(x, axis=0), full_matrices=False)
    return s[::-1] ** 2, axes[::-1].T, True


def _scaled(matrix) -> np.ndarray:
    """A covariance matrix's correlations."""
    size = np.sqrt(np.diag(matrix))
    return matrix / np.outer(size, size)


def _taking_part(names, shares) -> str:
    """The coefficients with large shares, the largest first; one alone is no dependency."""
    some = [j for j in np.argsort(-shares, kind="stable") if shares[j] >= SHARE]
    return ", ".join(f"{names[j]} ({shares[j]:.2f})" for j in some) if len(some) > 1 else ""

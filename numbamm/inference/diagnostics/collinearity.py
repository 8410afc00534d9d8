"""`check_collinearity`: coefficients that the data can hardly tell apart."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from numbamm.elsewhere import names_arguments
from numbamm.inference.parts.part_view import of_part
from numbamm.report.result import Result

#: Condition indices from which a linear dependency counts as near and as severe.
NEAR, SEVERE = 10.0, 30.0
#: A coefficient takes part in a dependency if at least this share of its variance comes from it.
SHARE = 0.5


@dataclass(repr=False)
class Collinearity(Result):
    """Condition indices and variance proportions.

    Attributes
    ----------
    proportions : pandas.DataFrame
        A row per condition index and a column per coefficient: the share of the coefficient's
        variance that comes from the component with that index.

    See Also
    --------
    check_collinearity : Makes one.
    Result : The table, and what all results have.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> round(float(m.check_collinearity().proportions["Days"].max()), 2)
    0.57
    """

    proportions: pd.DataFrame = field(kw_only=True)


@names_arguments
def check_collinearity(model, part: str | None = None) -> Collinearity:
    """Condition indices of the fixed effects, and the coefficients that take part in dependencies.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    part : {"mean", "zi", "hurdle", "dispersion"}, optional
        Of a model of several parts: the coefficients of that part.

    Returns
    -------
    Collinearity
        A row per component, sorted by condition ``index``; ``coefficients`` lists those with at
        least half of their variance from the component, if they are two or more.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        The model has no such part.

    See Also
    --------
    vif : Variance inflation factors of terms.

    Notes
    -----
    The inverse of `cov_params`, the information about the coefficients, is scaled to a diagonal of
    ones. A condition index is the square root of the ratio of its largest eigenvalue to another
    one. From 10 on a dependency is near, from 30 on severe. The intercept is included, so that
    covariates far from zero give large indices: centring them helps. See `vif` for the inflation
    of variances by terms.

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
    model, _ = of_part(model, part)
    feterm = model.feterm
    names = feterm.kept_names
    values, vectors, rounded = _components(model)
    values, vectors = np.maximum(values[::-1], np.finfo(float).eps ** 2), vectors[:, ::-1]
    index = np.sqrt(values[0] / values) if len(values) else values
    shares = vectors**2 / values
    shares = (shares / shares.sum(axis=1, keepdims=True)).T
    coefficients = [_taking_part(names, row) for row in shares]
    notes = []
    if feterm.dropped:
        notes.append(
            f"Exactly dependent columns, which have no coefficient: {', '.join(feterm.dropped)}."
        )
    if rounded:
        notes.append(
            "The indices are those of X alone: those of the model are lost in rounding errors."
        )
    worst = index[-1] if len(index) else 1.0
    if worst >= NEAR:
        degree = "severe" if worst >= SEVERE else "near"
        notes.append(f"A {degree} dependency: centring covariates may help, or leaving some out.")
    else:
        notes.append("No sign of collinearity.")
    return Collinearity(
        "Collinearity of the fixed effects",
        pd.DataFrame({"coefficients": coefficients, "index": index}),
        notes,
        proportions=pd.DataFrame(shares, columns=names, index=index),
    )


def _components(model) -> tuple[np.ndarray, np.ndarray, bool]:
    """Eigenvalues of the scaled information in increasing order, eigenvectors, and a flag.

    With covariates very far from zero the covariance of the coefficients has no correct digits.
    The flag tells that the eigenvalues are squared singular values of X instead, which have twice
    as many digits.
    """
    try:
        with np.errstate(all="ignore"):
            information = _scaled(np.linalg.inv(_scaled(model.beta_covariance)))
        values, vectors = np.linalg.eigh(information)
    except np.linalg.LinAlgError:
        values, vectors = np.full(1, np.nan), np.empty(0)
    if (values > 1e4 * np.finfo(float).eps).all():  # at least four correct digits
        return values, vectors, False
    x = model.feterm.x[:, model.feterm.kept]
    x = x if model.sqrt_weights is None else x * model.sqrt_weights[:, None]
    _, s, axes = np.linalg.svd(x / np.linalg.norm(x, axis=0), full_matrices=False)
    return s[::-1] ** 2, axes[::-1].T, True


def _scaled(matrix) -> np.ndarray:
    """A matrix scaled to a diagonal of ones."""
    size = np.sqrt(np.diag(matrix))
    return matrix / np.outer(size, size)


def _taking_part(names, shares) -> str:
    """Names of the coefficients with large shares, as text; empty for one alone: no dependency."""
    large = [j for j in np.argsort(-shares, kind="stable") if shares[j] >= SHARE]
    return ", ".join(f"{names[j]} ({shares[j]:.2f})" for j in large) if len(large) > 1 else ""

"""`pca`: principal components of the random effects, which show redundant dimensions."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from numbamm.elsewhere import names_arguments
from numbamm.options import flag
from numbamm.report.result import Result


@dataclass(repr=False)
class PrincipalComponents(Result):
    """Principal components of the random effects, term by term.

    Attributes
    ----------
    loadings : dict of str to pandas.DataFrame
        For each grouping factor a frame with a row per random effect and a column per component.
        If several terms have the same factor, the later ones are named ``factor (2)`` and so on.

    See Also
    --------
    pca : Makes one.
    Result : The table, and what all results have.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> m.pca().loadings["Subject"].shape
    (2, 2)
    """

    loadings: dict[str, pd.DataFrame] = field(kw_only=True)


@names_arguments
def pca(model, *, corr: bool = True) -> PrincipalComponents:
    """Principal components of the random effects' covariance matrices.

    Components of variance zero are dimensions that the data do not support.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    corr : bool
        Whether to analyse correlations, as MixedModels.jl does, or covariances relative to the
        residual variance, λλ', as lme4's `rePCA` does.

    Returns
    -------
    PrincipalComponents
        A row per component: ``group, component, sd, proportion, cumulative``. Signs are chosen so
        that the largest loading of each component is positive.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        `corr` is neither True nor False.

    See Also
    --------
    LinearMixedModel.rePCA : As lme4 does.
    ranova : Tests of parts of the random effects.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
    >>> m.pca().frame["cumulative"].round(3).to_list()
    [0.541, 1.0]
    """
    _, corr = model.estimates, flag("corr", corr)
    lines, loadings = [], {}
    for term in model.reterms:
        size = np.sqrt(np.sum(term.lambda_**2, axis=1)) if corr else np.ones(term.p)
        vectors, sd, _ = np.linalg.svd(term.lambda_ / np.where(size > 0, size, 1.0)[:, None])
        largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
        total = np.sum(sd**2)
        share = sd**2 / total if total > 0 else np.full(term.p, np.nan)
        names = [f"PC{i + 1}" for i in range(term.p)]
        earlier = sum(name.split(" (")[0] == term.group for name in loadings)
        name = f"{term.group} ({earlier + 1})" if earlier else term.group
        loadings[name] = pd.DataFrame(vectors * np.sign(largest), index=term.cnames, columns=names)
        for j in range(term.p):
            lines.append((name, names[j], sd[j], share[j], share[: j + 1].sum()))
    frame = pd.DataFrame(lines, columns=["group", "component", "sd", "proportion", "cumulative"])
    kind = "correlations" if corr else "covariances relative to the residual variance"
    notes = ["The data do not support components of variance zero."]
    return PrincipalComponents(
        f"Principal components of the random effects: {kind}",
        frame,
        notes if (frame["sd"] < 1e-4).any() else [],
        loadings=loadings,
    )


@names_arguments
def rePCA(model) -> PrincipalComponents:
    """Principal components of λλ', as lme4's `rePCA`; the same as ``pca(corr=False)``.

    Parameters
    ----------
    model : MixedModel
        A fitted model.

    Returns
    -------
    PrincipalComponents
        See `pca`.

    Raises
    ------
    NotFittedError
        Before the fit.

    See Also
    --------
    pca : Of correlations, as MixedModels.jl does.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
    >>> m.rePCA().frame["cumulative"].round(3).to_list()
    [0.946, 1.0]
    """
    return pca(model, corr=False)

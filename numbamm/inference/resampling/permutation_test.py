"""`permutation_test`: a test of one term by random signs of the residuals of clusters."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from numbamm.elsewhere import names_arguments
from numbamm.errors import NumbammError, OptionError, did_you_mean, shown
from numbamm.inference.comparison.fits import mixed_model
from numbamm.inference.comparison.reduced import unfitted_model
from numbamm.inference.fixed.terms import fixed_terms, without
from numbamm.inference.resampling.replicates import ReplicateTask, key_of, run, stream, valid_count
from numbamm.inference.robust.clusters import Clusters
from numbamm.optimize.run import uninterrupted
from numbamm.report.result import Result


@names_arguments
def permutation_test(
    model,
    term: str,
    n: int = 999,
    *,
    cluster: Any = None,
    seed: int | None = 0,
    workers=1,
    progress: bool | None = None,
) -> Result:
    """Test a term of the fixed effects by random signs of the residuals of clusters.

    Parameters
    ----------
    model : LinearMixedModel
        A fitted model; it is not changed.
    term : str
        The term, as `anova` names it.
    n : int
        Number of random signs of all clusters.
    cluster : str or array, optional
        The clusters, as for `cov_params`.
    seed : int, optional
        Makes the signs reproducible.
    workers, progress
        As for `bootstrap`.

    Returns
    -------
    Result
        One row: the likelihood-ratio statistic ``chisq`` of the data, the number of ``signs``, and
        ``pvalue``, the share of statistics as large, that of the data among them.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        There is no such term, the model is a generalized one, or an option has an unusable value.

    See Also
    --------
    bootstrap : Replicates of the estimates.
    anova : Tests by F distributions.

    Notes
    -----
    The model without the term is fitted, and the residuals of its fixed effects are multiplied by
    one sign for each cluster: with the term's effect zero, and residuals symmetric about zero
    whatever their covariance within clusters, all these responses are equally probable. Both
    models are fitted to each by maximum likelihood. With m clusters there are 2^(m - 1) signs that
    differ: with fewer than eight clusters p-values are coarse.

    References
    ----------
    Cameron, Gelbach & Miller, 2008, Rev. Econ. Stat. 90, 414; Winkler et al., 2014, NeuroImage 92,
    381.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> float(m.permutation_test("Days", 199, seed=1).frame["pvalue"].iloc[0])
    0.005
    """
    _ = mixed_model(model).estimates
    if not model.is_linear or model.residual_side is not None:
        raise OptionError(
            "permutation_test is for linear models with independent residuals; bootstrap() and "
            "lrtest() are for others"
        )
    count, key = valid_count("n", n), key_of(seed)
    terms = {found.name: found for found in fixed_terms(model.frame)}
    if not isinstance(term, str) or term not in terms:
        raise OptionError(
            f"term: {shown(term)} is no term of the fixed effects{did_you_mean(str(term), terms)}; "
            f"there are {', '.join(terms)}"
        )
    task = SignTask(model, terms[term], key, Clusters.of(model, cluster))
    observed = task.statistic(model.frame.y)
    batches, ended = run(task, range(count), workers, progress)
    if ended is not None:
        raise ended
    drawn = np.concatenate(batches) if batches else np.empty(0)
    drawn = drawn[np.isfinite(drawn)]
    p = (1 + np.sum(drawn >= observed * (1 - 1e-9))) / (1 + len(drawn))
    frame = pd.DataFrame(
        [{"chisq": observed, "signs": float(len(drawn)), "pvalue": p}], index=[term]
    )
    return Result(
        f"Test by signs of the residuals of {task.clusters.count} clusters of "
        f"{task.clusters.name}: {model.formula}",
        frame,
        [],
        headings={"signs": "signs"},
    )


class SignTask(ReplicateTask):
    """Likelihood-ratio statistics of responses with random signs of residuals."""

    def __init__(self, model, term, key: int, clusters: Clusters) -> None:
        super().__init__(model, term, key)
        self.clusters = clusters
        X, names = without(model.frame, term)
        rank = np.linalg.matrix_rank
        if rank(X) == model.feterm.rank:
            raise OptionError(
                f"term: without {term.name} the fixed effects span the same columns, and there is "
                "nothing to test"
            )
        smaller = replace(model.frame, X=X, xnames=names, formula=f"{model.formula} - {term.name}")
        self._pair = [
            self._by_likelihood(m) for m in (unfitted_model(model, smaller), model.twin())
        ]
        small = self._pair[0]
        fixed = small.frame.X[:, small.feterm.kept] @ small.estimates.beta
        self._fixed = fixed if model.frame.offset is None else fixed + model.frame.offset
        self._residuals = model.frame.y - self._fixed

    @staticmethod
    def _by_likelihood(model):
        model.optsum.reml = False
        return uninterrupted(model.refit(model.frame.y, reml=False, progress=False))

    def statistic(self, y) -> float:
        """The difference of the two objectives for a response."""
        if not hasattr(self._local, "pair"):
            self._local.pair = deepcopy(self._pair)
        small, large = (
            uninterrupted(m.refit(y, reml=False, progress=False)).objective
            for m in self._local.pair
        )
        return max(small - large, 0.0)

    def __call__(self, batch) -> np.ndarray:
        out = np.full(len(batch), np.nan)
        for place, i in enumerate(batch):
            signs = stream(self._key, i).choice([-1.0, 1.0], self.clusters.count)
            try:
                out[place] = self.statistic(
                    self._fixed + signs[self.clusters.codes] * self._residuals
                )
            except (NumbammError, ArithmeticError, np.linalg.LinAlgError):
                continue
        return out

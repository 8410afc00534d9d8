"""`Clusters`: the independent groups of rows of a model, for robust covariances."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from numbamm.errors import OptionError, did_you_mean, shown


@dataclass(frozen=True)
class Clusters:
    """Groups of rows that share no random effect.

    Attributes
    ----------
    name : str
        What the clusters are the levels of.
    codes : ndarray of int, shape (n,)
        The cluster of each row that is used.
    count : int
        Number of clusters.
    """

    name: str
    codes: np.ndarray
    count: int

    @classmethod
    def of(cls, model, cluster, independent: bool = True) -> Clusters:
        """The clusters that a user names.

        Parameters
        ----------
        model : MixedModel
        cluster : str, array or None
            A grouping factor; a label for each row of the data, or for each row that is used; None
            for the finest grouping factor that no random effect crosses.
        independent : bool
            Whether levels of all random effects must be within clusters.

        Raises
        ------
        OptionError
            There is no such factor, a label is missing, there is a single cluster, levels of a
            random-effects term are in several clusters, or have a known covariance.
        """
        factors = {term.group: term.refs for term in model.reterms}
        if independent:
            _refuse_related(model)
        if cluster is None:
            name, labels = _finest(model, factors)
        elif isinstance(cluster, str):
            if cluster not in factors:
                raise OptionError(
                    f"cluster: {shown(cluster)} is no grouping factor"
                    f"{did_you_mean(cluster, factors)}; there are {', '.join(factors)}. For "
                    "another column give its values, one for each row: cluster=data[...]"
                )
            name, labels = cluster, factors[cluster]
        else:
            name, labels = _given(model, cluster)
        codes, levels = pd.factorize(labels)
        if (codes < 0).any():
            raise OptionError(f"cluster: {(codes < 0).sum()} rows that are used have no label")
        if len(levels) < 2:
            raise OptionError("cluster: a robust covariance needs two clusters or more")
        for term in model.reterms if independent else ():
            if not _is_within(term.refs, codes):
                raise OptionError(
                    f"cluster: levels of {term.group} are in several clusters of {name}; clusters "
                    "must be independent, so that each level of each random effect is in one"
                )
        return cls(name, codes, len(levels))

    def holds(self, refs) -> bool:
        """Whether each level of a factor is in one cluster."""
        return _is_within(refs, self.codes)

    def batches(self, entries: int) -> Iterator[np.ndarray]:
        """Rows of the clusters, in batches of clusters with as many rows each.

        Parameters
        ----------
        entries : int
            Largest number of entries of the square matrices of a batch.

        Yields
        ------
        ndarray of int, shape (clusters, rows)
        """
        order = np.argsort(self.codes, kind="stable")
        sizes = np.bincount(self.codes)
        starts = np.cumsum(sizes) - sizes
        for size in np.unique(sizes):
            first = starts[sizes == size]
            step = max(1, int(entries // size**2))
            for at in range(0, len(first), step):
                yield order[first[at : at + step, None] + np.arange(size)]


def _refuse_related(model) -> None:
    """Refuse levels with a known covariance, by which all rows may depend on each other."""
    for term in model.reterms:
        if term.relation is not None:
            raise OptionError(
                f"cluster: levels of {term.group} have a known covariance ({term.relation.name}), "
                "so that there are no independent clusters of rows: leave robust methods out"
            )


def _finest(model, factors) -> tuple[str, np.ndarray]:
    """The grouping factor with most levels within whose levels those of all others lie."""
    for name, refs in sorted(factors.items(), key=lambda item: -item[1].max(initial=0)):
        if all(_is_within(term.refs, refs) for term in model.reterms):
            return name, refs
    raise OptionError(
        f"cluster must be given: random effects of {', '.join(factors)} are crossed, and no factor "
        "has independent levels"
    )


def _given(model, cluster) -> tuple[str, np.ndarray]:
    """The labels of the rows that are used, and their name."""
    labels = cluster if isinstance(cluster, pd.Series) else pd.Series(np.asarray(cluster).ravel())
    if len(labels) == model.frame.nrows:
        labels = labels.iloc[model.frame.rows]
    elif len(labels) != model.nobs:
        raise OptionError(
            f"cluster must be a grouping factor or have a label for each of the "
            f"{model.frame.nrows} rows, not {len(labels)}"
        )
    return str(labels.name or "cluster"), labels


def _is_within(fine, coarse) -> bool:
    """Whether each level of the first factor occurs with one level of the second alone."""
    first = np.full(int(fine.max()) + 1, -1, dtype=np.int64)
    first[fine[::-1]] = coarse[::-1]
    return bool((first[fine] == coarse).all())

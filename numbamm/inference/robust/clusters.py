"""`Clusters`: the independent groups of rows of a model, for robust covariances."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from numbamm.errors import OptionError, did_you_mean, shown


@dataclass(frozen=True)
class Clusters:
    """Groups of rows that are independent in the model.

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
            A grouping factor, of random effects or of correlated residuals; a label for each row
            of the data, or for each row that is used; None for the finest grouping factor with
            independent levels.
        independent : bool
            Whether all rows that are correlated must be within clusters: those of a level, of
            levels with a known covariance, and of a group of residuals.

        Raises
        ------
        OptionError
            There is no such factor, a label is missing, there is a single cluster, or rows that
            are correlated are in several clusters.
        """
        factors = grouping_factors(model)
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
        for what, parts in _independent_parts(model) if independent else ():
            if not _is_within(parts, codes):
                raise OptionError(
                    f"cluster: {what} are in several clusters of {name}; clusters must be "
                    "independent, so that all rows that the model takes as correlated are in one"
                )
        return cls(name, codes, len(levels))

    def holds(self, refs) -> bool:
        """Whether each level of a factor is in one cluster."""
        return _is_within(refs, self.codes)

    def batches(self, entries: int, alone: int) -> Iterator[np.ndarray]:
        """Rows of the clusters, in batches of clusters with as many rows each.

        Parameters
        ----------
        entries : int
            Largest number of entries of the square matrices of a batch.
        alone : int
            A cluster of more rows is a batch of its own.

        Yields
        ------
        ndarray of int, shape (clusters, rows)
        """
        order = np.argsort(self.codes, kind="stable")
        sizes = np.bincount(self.codes)
        starts = np.cumsum(sizes) - sizes
        for size in np.unique(sizes):
            first = starts[sizes == size]
            step = 1 if size > alone else max(1, int(entries // size**2))
            for at in range(0, len(first), step):
                yield order[first[at : at + step, None] + np.arange(size)]


def grouping_factors(model) -> dict[str, np.ndarray]:
    """Codes of the rows by grouping factor: of random effects, and of correlated residuals."""
    factors = {term.group: term.refs for term in model.reterms}
    side = model.residual_side
    if side is not None and side.texts.residual is not None and side.texts.residual.group:
        factors.setdefault(":".join(side.texts.residual.group), side.reading.groups)
    return factors


def _independent_parts(model) -> list[tuple[str, np.ndarray]]:
    """For each part of V what correlates rows, and codes: rows of different ones do not."""
    parts = []
    for term in model.reterms:
        what, codes = f"levels of {term.group}", term.refs
        if term.relation is not None:
            what = f"levels of {term.group} that {term.relation.name} relates"
            codes = term.relation.families(np.unique(term.refs))[term.refs]
        parts.append((what, codes))
    side = model.residual_side
    if side is not None and side.texts.residual is not None:
        parts.append((f"residuals that {side.texts.residual.text} correlates", side.reading.groups))
    return parts


def _finest(model, factors) -> tuple[str, np.ndarray]:
    """The grouping factor with most levels between which no rows are correlated."""
    parts = _independent_parts(model)
    for name, refs in sorted(factors.items(), key=lambda item: -item[1].max(initial=0)):
        if all(_is_within(codes, refs) for _, codes in parts):
            return name, refs
    if not factors:
        raise OptionError(f"cluster must be given: {model.formula} has no grouping factor")
    raise OptionError(
        f"cluster must be given: levels of {', '.join(factors)} are crossed or related, and those "
        "of no factor are independent"
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

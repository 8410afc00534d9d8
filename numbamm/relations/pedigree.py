"""`pedigree`: the relationship matrix of animals, and its sparse inverse, from their parents.

With parents before offspring, the additive relationship matrix is A = TDT': T⁻¹ has ones on its
diagonal and -1/2 at an animal's parents, and D is the diagonal of Mendelian sampling variances,

    d = 1 - (1 + F_sire)/4 - (1 + F_dam)/4          (without the terms of unknown parents)

F being inbreeding coefficients. So the inverse T⁻ᵀD⁻¹T⁻¹ is written down animal by animal.

Sources: Henderson (1976), Biometrics 32, 69-83; Quaas (1976), Biometrics 32, 949-953; Meuwissen &
Luo (1992), Genet. Sel. Evol. 24, 305-313.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import scipy.sparse as sp

from numbamm.completion import ForUsers
from numbamm.elsewhere import names_arguments
from numbamm.errors import DataError, did_you_mean, shown
from numbamm.memory import refuse_beyond
from numbamm.relations.inbreeding import inbreeding_coefficients
from numbamm.relations.innovations import Innovations

UNKNOWN = -1
#: Texts that stand for an unknown parent, as programs of animal breeding write it.
NO_PARENT = frozenset(("", "0", "NA", "."))


class Pedigree(ForUsers):
    """Additive relationships of the animals of a pedigree; made by `pedigree`.

    Attributes
    ----------
    labels : ndarray, shape (q,)
        The animals, in the order of the pedigree; after them parents without a row of their own.
    sire, dam : ndarray of int64, shape (q,)
        Positions of the parents in `labels`, -1 where they are unknown.
    order : ndarray of int64, shape (q,)
        Positions in an order in which parents come before their offspring.
    inbreeding : pandas.Series
        Inbreeding coefficient F of each animal; the diagonal of the relationship matrix is 1 + F.
    precision : scipy.sparse.csc_array, shape (q, q)
        Inverse of the relationship matrix.
    covariance : pandas.DataFrame
        The relationship matrix itself, dense.

    See Also
    --------
    pedigree : Makes one.
    phylogeny : Covariances of species.

    Examples
    --------
    >>> import numbamm as mm
    >>> family = mm.pedigree({"animal": ["b", "c"], "sire": ["a", "a"], "dam": [None, "b"]})
    >>> family.labels.tolist(), family.sire.tolist(), family.dam.tolist()
    (['b', 'c', 'a'], [2, 2, -1], [-1, 0, -1])
    >>> family.precision.toarray().round(2).tolist()
    [[1.83, -1.0, -0.17], [-1.0, 2.0, -1.0], [-0.17, -1.0, 1.83]]
    """

    _between_rooms = frozenset({"innovations"})

    def __init__(self, labels, sire, dam, order) -> None:
        self.labels, self.sire, self.dam, self.order = labels, sire, dam, order

    @cached_property
    def _f(self) -> np.ndarray:
        return inbreeding_coefficients(self.sire, self.dam, self.order)

    @property
    def inbreeding(self) -> pd.Series:
        """Inbreeding coefficients, a pandas Series over the animals."""
        return pd.Series(self._f, index=self.labels, name="inbreeding")

    @cached_property
    def _mendelian(self) -> np.ndarray:
        """Mendelian sampling variances D, shape (q,)."""
        d = np.ones(len(self.labels))
        for parent in (self.sire, self.dam):
            known = parent != UNKNOWN
            d[known] -= (1.0 + self._f[parent[known]]) / 4.0
        return d

    @property
    def precision(self) -> sp.csc_array:
        """Inverse of the relationship matrix, sparse, in the order of `labels`."""
        return self.innovations.precision

    @cached_property
    def innovations(self) -> Innovations:
        """Breeding values as those of their parents and Mendelian sampling."""
        q = len(self.labels)
        rows, columns, values = [np.arange(q)], [np.arange(q)], [np.ones(q)]
        for parent in (self.sire, self.dam):
            known = np.flatnonzero(parent != UNKNOWN)
            rows.append(known)
            columns.append(parent[known])
            values.append(np.full(len(known), -0.5))
        where = np.concatenate(rows), np.concatenate(columns)
        differences = sp.csc_array((np.concatenate(values), where), shape=(q, q))
        return Innovations(differences, self._mendelian, 1.0 + self._f, self.order)

    @property
    def covariance(self) -> pd.DataFrame:
        """The relationship matrix A, dense, a pandas DataFrame over the animals.

        Raises
        ------
        DataError
            It would take more than half of the memory.
        """
        q = len(self.labels)
        refuse_beyond(16.0 * q**2, f"the relationship matrix of {q} animals", "use precision")
        A = np.zeros((q, q))
        for animal in self.order:
            known = [p for p in (self.sire[animal], self.dam[animal]) if p != UNKNOWN]
            for parent in known:
                A[animal] += A[parent] / 2.0
            A[:, animal] = A[animal]
            A[animal, animal] = 1.0 + self._f[animal]
        return pd.DataFrame(A, index=self.labels, columns=self.labels)

    def __repr__(self) -> str:
        founders = int(((self.sire == UNKNOWN) & (self.dam == UNKNOWN)).sum())
        inbred = int((self._f > 0).sum())
        return f"Pedigree({len(self.labels)} animals, {founders} founders, {inbred} inbred)"


@names_arguments
def pedigree(data: Any, animal: str = "animal", sire: str = "sire", dam: str = "dam") -> Pedigree:
    """Additive relationships from a table of animals and their parents.

    Parameters
    ----------
    data : frame or dict of arrays
        A row an animal, in any order. Parents without a row of their own are founders.
    animal, sire, dam : str
        The columns. An unknown parent is missing, 0, or one of the texts ``""``, ``"0"``, ``"NA"``
        and ``"."``. An animal may be a sire here and a dam there.

    Returns
    -------
    Pedigree
        For ``precision={"animal": ...}`` of `lmm` and `glmm`; with attributes ``labels``,
        ``inbreeding``, ``precision`` and ``covariance``.

    Raises
    ------
    DataError
        There is no such column; an animal has no name, has two rows, is its own parent, or is its
        own ancestor by others.

    See Also
    --------
    phylogeny : Covariances of species from a tree.
    heritability : Shares of the variance.

    Examples
    --------
    >>> import numbamm as mm
    >>> animals = {"animal": ["c", "d", "e"], "sire": ["a", "a", "c"], "dam": ["b", "b", "d"]}
    >>> p = mm.pedigree(animals)
    >>> p
    Pedigree(5 animals, 2 founders, 1 inbred)
    >>> p.inbreeding["e"].item()
    0.25
    >>> p.covariance.loc["c", ["a", "d", "e"]].tolist()
    [0.5, 0.5, 0.75]
    """
    frame = pd.DataFrame(data) if isinstance(data, dict) else data
    frame = nw.from_native(frame, eager_only=True)
    columns = []
    for name in (animal, sire, dam):
        if name not in frame.columns:
            near = did_you_mean(name, frame.columns) or f"; there are {', '.join(frame.columns)}"
            raise DataError(f"the pedigree has no column '{name}'{near}")
        columns.append(_column(frame[name]))
    own, *parents = columns
    unknown = np.array([_is_unknown(label) for label in own])
    if unknown.any():
        raise DataError(f"the pedigree has no animal in row {int(np.argmax(unknown))}")
    index = pd.Index(own)
    if index.has_duplicates:
        twice = index[index.duplicated()].unique()[0]
        raise DataError(f"animal {shown(twice)} has two rows in the pedigree: leave one out")
    absent = [p for column in parents for p in column if not _is_unknown(p) and p not in index]
    labels = index.append(pd.Index(list(dict.fromkeys(absent)), dtype=object)) if absent else index
    if absent:
        labels = labels.infer_objects()
    places = [_positions(column, labels) for column in parents]
    for column in places:
        if (column[: len(own)] == np.arange(len(own))).any():
            who = own[int(np.argmax(column == np.arange(len(own))))]
            raise DataError(f"animal {shown(who)} is its own parent in the pedigree")
    more = np.full(len(labels) - len(own), UNKNOWN)
    of_sire, of_dam = (np.concatenate([c, more]) for c in places)
    order = _parents_first(of_sire, of_dam, labels)
    return Pedigree(labels.to_numpy(), of_sire, of_dam, order)


def _column(series) -> list:
    """The labels of a column; whole numbers that a missing value made floats are such again."""
    values = series.to_pandas()
    if values.dtype.kind == "f" and (values.dropna() % 1 == 0).all():
        values = values.astype("Int64")
    values = values.astype(object)
    return [None if pd.isna(v) else v for v in values.tolist()]


def _is_unknown(label) -> bool:
    if isinstance(label, str):
        return label.strip() in NO_PARENT
    return label is None or label == 0


def _positions(column, labels: pd.Index) -> np.ndarray:
    found = np.full(len(column), UNKNOWN, dtype=np.int64)
    known = [i for i, label in enumerate(column) if not _is_unknown(label)]
    found[known] = labels.get_indexer(pd.Index([column[i] for i in known], dtype=object))
    return found


def _parents_first(sire, dam, labels) -> np.ndarray:
    """An order in which parents come before their offspring (Kahn's).

    Raises
    ------
    DataError
        An animal is its own ancestor.
    """
    q = len(sire)
    missing = (sire != UNKNOWN).astype(int) + (dam != UNKNOWN)
    parent = np.concatenate([sire, dam])
    child = np.tile(np.arange(q), 2)[parent != UNKNOWN]
    parent = parent[parent != UNKNOWN]
    by_parent = np.argsort(parent, kind="stable")
    starts = np.searchsorted(parent[by_parent], np.arange(q + 1))
    offspring, starts = child[by_parent].tolist(), starts.tolist()
    missing = missing.tolist()
    order = [i for i in range(q) if missing[i] == 0]
    for done in order:  # grows while it is read
        for one in offspring[starts[done] : starts[done + 1]]:
            missing[one] -= 1
            if missing[one] == 0:
                order.append(one)
    if len(order) < q:
        raise DataError(f"the pedigree has a cycle: {_cycle(sire, dam, missing, labels)}")
    return np.array(order, dtype=np.int64)


def _cycle(sire, dam, missing, labels) -> str:
    """A cycle in words: each animal is a parent of the next."""
    at = next(i for i, n in enumerate(missing) if n)
    path: list[int] = []
    while at not in path:
        path.append(at)
        at = next(int(p) for p in (sire[at], dam[at]) if p != UNKNOWN and missing[p])
    path = [*path[path.index(at) :], at][::-1]
    names = [shown(labels[i]) for i in path[:6]]
    return " is a parent of ".join(names) + (", and so on" if len(path) > 6 else "")

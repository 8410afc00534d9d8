"""Known covariances as users give them: ``cov={"animal": K}``, ``precision={"animal": Q}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from numbamm.errors import DataError, OptionError, shown
from numbamm.memory import refuse_beyond
from numbamm.relations.relation import Relation
from numbamm.relations.unrelated_families import inverse_of_blocks

#: Entries may differ so much from those across the diagonal, relative to the largest variance.
ASYMMETRY = 1e-8
#: What to do where a sparse covariance matrix is too large.
DENSE = "give its inverse as precision={...}, if that is sparse"
#: What is accepted, as messages say it.
FORMS = (
    "a pandas DataFrame with the levels as its index and columns, a square array in the order of "
    "the data's levels, a pair (matrix, labels), or a result of mm.pedigree or mm.phylogeny"
)


def read_relations(cov: Any, precision: Any) -> dict[str, Relation]:
    """Relations by grouping factor; those without labels have None for them.

    Parameters
    ----------
    cov, precision : mapping or None
        As for `lmm`.

    Raises
    ------
    OptionError
        They are no mappings, name a factor twice, or a value is none of the accepted forms.
    DataError
        A matrix is no covariance or precision matrix, or its labels do not fit it.
    """
    found: dict[str, Relation] = {}
    for argument, given in (("cov", cov), ("precision", precision)):
        if given is None:
            continue
        if not isinstance(given, Mapping):
            raise OptionError(
                f"{argument} must be a dict from grouping factors to matrices, "
                f'{argument}={{"animal": K}}, not {shown(given)}'
            )
        for group, value in given.items():
            if group in found:
                raise OptionError(f"cov and precision both have '{group}': leave one out")
            found[group] = _relation(value, argument, f"{argument}[{group!r}]")
    return found


def _relation(value: Any, argument: str, name: str) -> Relation:
    """The relation of one grouping factor."""
    from numbamm.relations.pedigree import Pedigree
    from numbamm.relations.phylogeny import Phylogeny

    if isinstance(value, Pedigree | Phylogeny):
        if argument == "precision":
            return Relation(np.asarray(value.labels), innovations=value.innovations, name=name)
        value = value.covariance
    matrix, labels = value if isinstance(value, tuple) and len(value) == 2 else (value, None)
    if isinstance(matrix, pd.DataFrame):
        if labels is None:
            matrix, labels = _of_frame(matrix, name)
        matrix = matrix.to_numpy()
    matrix = _square(matrix, name)
    if labels is not None:
        labels = _checked_labels(labels, matrix.shape[0], name)
    matrix = _symmetric(matrix, name)
    if argument == "precision":
        return Relation(labels, precision=sp.csc_array(matrix), name=name)
    if sp.issparse(matrix):
        if (inverse := inverse_of_blocks(matrix)) is not None:
            return Relation(labels, precision=inverse, name=name)
        refuse_beyond(8.0 * matrix.shape[0] ** 2, f"{name} as a dense matrix", DENSE)
        matrix = matrix.toarray()
    return Relation(labels, covariance=np.ascontiguousarray(matrix), name=name)


def _of_frame(frame: pd.DataFrame, name: str) -> tuple[pd.DataFrame, pd.Index]:
    """The frame with its columns in the order of its index, and the labels."""
    labels = frame.index
    for where, index in (("index", frame.index), ("columns", frame.columns)):
        if index.has_duplicates:
            twice = index[index.duplicated()].unique().tolist()
            raise DataError(f"{name}: its {where} has labels twice: {_some(twice)}")
    if set(frame.columns) != set(labels):
        if isinstance(labels, pd.RangeIndex) and len(frame.columns) == len(frame):
            return frame.set_axis(frame.columns, axis=0), frame.columns  # a file without an index
        only = [label for label in labels if label not in set(frame.columns)]
        only += [label for label in frame.columns if label not in set(labels)]
        raise DataError(
            f"{name}: its index and its columns must be the same levels; only one of both has "
            f"{_some(only)}"
        )
    return frame.loc[:, labels], labels


def _square(matrix: Any, name: str):
    """The matrix as a float array, dense or sparse; square and finite."""
    if np.iscomplexobj(matrix.dtype.type() if sp.issparse(matrix) else matrix):
        raise OptionError(f"{name} has complex numbers: give real ones")
    if not sp.issparse(matrix):
        try:
            matrix = np.asarray(matrix, dtype=np.float64)
        except (TypeError, ValueError):
            raise OptionError(f"{name} is {shown(matrix)}, but must be {FORMS}") from None
    else:
        matrix = sp.csc_array(matrix, dtype=np.float64)
    if matrix.ndim != 2:
        raise OptionError(f"{name} is {shown(matrix)}, but must be {FORMS}")
    if matrix.shape[0] != matrix.shape[1] or matrix.shape[0] == 0:
        raise DataError(f"{name} must be a square matrix; its shape is {matrix.shape}")
    coordinates: Any = sp.coo_array(matrix)  # those of a dense one, too
    wrong = ~np.isfinite(coordinates.data)
    if wrong.any():
        row = int(coordinates.coords[0][wrong].min())
        raise DataError(f"{name} has missing or infinite values, the first in row {row}")
    return matrix


def _symmetric(matrix, name: str):
    """The matrix made exactly symmetric.

    Raises
    ------
    DataError
        Two entries differ by more than rounding, or a variance is negative.
    """
    difference = abs(matrix - matrix.T)
    largest = float(np.abs(matrix.diagonal()).max())
    if difference.max() > ASYMMETRY * largest:
        if sp.issparse(difference):
            coo = difference.tocoo()
            worst = int(coo.data.argmax())
            i, j = int(coo.row[worst]), int(coo.col[worst])
        else:
            i, j = map(int, np.unravel_index(difference.argmax(), difference.shape))
        raise DataError(
            f"{name} is not symmetric: entry ({i}, {j}) is {matrix[i, j]:.6g}, and ({j}, {i}) is "
            f"{matrix[j, i]:.6g}"
        )
    if (matrix.diagonal() < 0).any() or largest == 0.0:
        row = int(np.argmin(matrix.diagonal()))
        what = "inverse of a covariance matrix" if "precision" in name else "covariance matrix"
        raise DataError(
            f"{name} is no {what}: its diagonal entry {row} is {matrix.diagonal()[row]:.6g}"
        )
    return (matrix + matrix.T) / 2


def _checked_labels(labels, order: int, name: str) -> np.ndarray:
    index = pd.Index(labels)
    if len(index) != order:
        raise DataError(f"{name} has {order} rows, but {len(index)} labels")
    if index.has_duplicates:
        twice = index[index.duplicated()].unique().tolist()
        raise DataError(f"{name} has labels twice: {_some(twice)}")
    if index.hasnans:
        raise DataError(f"{name} has a missing label at position {int(np.argmax(index.isna()))}")
    return index.to_numpy()


def _some(labels: list, most: int = 5) -> str:
    """The first labels, and how many more there are."""
    more = f" and {len(labels) - most} more" if len(labels) > most else ""
    return ", ".join(shown(label) for label in labels[:most]) + more

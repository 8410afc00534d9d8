"""`Rows`: the rows that predictions and simulations are for, those of the fit or new ones."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from numbamm.errors import DataError, OptionError


@dataclass
class Rows:
    """Model matrices of n rows.

    Attributes
    ----------
    X : ndarray, shape (n, rank)
        The kept columns of the fixed effects; NaN in rows that miss a value.
    offset : ndarray, shape (n,), or None
    terms : list of (refs, z)
        For each of `reterms`, levels (new ones behind those of the fit, -1 for none) and
        columns, shape (p, n).
    unseen : list of list
        Labels of the new levels, term by term.
    weights : ndarray, shape (n,), or None
    missing : ndarray of bool, shape (n,), or None
        Rows that miss a value; None where none does.
    aligned : callable
        Values and a name as a Series over the rows.
    """

    X: np.ndarray
    offset: np.ndarray | None
    terms: list[tuple[np.ndarray, np.ndarray]]
    unseen: list[list]
    weights: np.ndarray | None
    missing: np.ndarray | None
    aligned: Callable

    @classmethod
    def of_fit(cls, model, weights=None) -> Rows:
        """The rows of the fit, which have weights of their own."""
        if weights is not None:
            raise OptionError("weights are for new rows: those of the fit have their own")
        frame, terms = model.frame, [(term.refs, term.z) for term in model.reterms]
        X, unseen = frame.X[:, model.feterm.kept], [[] for _ in terms]
        return cls(X, frame.offset, terms, unseen, frame.weights, None, model._aligned)

    @classmethod
    def new(cls, model, newdata, wanted: Collection[int], weights=None) -> Rows:
        """New rows, with the terms at the positions that are wanted."""
        if model.frame.has_array_offset:
            raise DataError(
                "the model's offset was given as an array, which new data cannot have: "
                "fit with offset=<column name>, or with offset(...) in the formula, to predict"
            )
        new = model.frame.new_rows(newdata, random=wanted, weights=weights)
        nobody = np.full(len(new.X), -1, dtype=np.int32)
        terms = [(nobody, np.zeros((term.p, len(new.X)))) for term in model.reterms]
        unseen: list[list] = [[] for _ in terms]
        for k, (refs, z, labels) in zip(wanted, new.terms, strict=True):
            terms[k], unseen[k] = (refs, z), labels
        index = newdata.index if isinstance(newdata, pd.DataFrame) else None

        def aligned(values, name):
            return pd.Series(values, index=index, name=name)

        X = new.X[:, model.feterm.kept]
        return cls(X, new.offset, terms, unseen, new.weights, new.missing, aligned)

    def linear_predictor(self, beta, effects) -> np.ndarray:
        """Xβ + Zb + offset.

        Parameters
        ----------
        beta : ndarray, shape (rank,)
        effects : list of ndarray, shape (levels, p)
            Those of new levels included.
        """
        eta = self.X @ beta
        if self.offset is not None:
            eta = eta + self.offset
        for (refs, z), b in zip(self.terms, effects, strict=True):
            if (refs >= 0).any():
                eta = eta + np.einsum("pn,np->n", z, b[refs])
        return eta if self.missing is None else np.where(self.missing, np.nan, eta)


def row_weights(model, given):
    """Prior weights of new rows: as given, or the column that the fit had.

    Raises
    ------
    OptionError
        The fit had weights that new rows do not have.
    """
    frame = model.frame
    if given is not None or frame.weights is None:
        return given
    if frame.trials is None and frame.weights_name is not None:
        return frame.weights_name
    what = "weights were an array" if frame.trials is None else "numbers of trials are its own"
    raise OptionError(f"the fit's {what}, which new rows do not have: give weights=...")

"""`ModelRows`: model matrices of the rows to predict or simulate, those of the fit or new ones."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from numbamm.errors import DataError, OptionError
from numbamm.inference.prediction.new_points import NewPoints

if TYPE_CHECKING:
    from numbamm.models.residual_side.new_residuals import NewResiduals


@dataclass
class ModelRows:
    """The model matrices of n rows.

    Attributes
    ----------
    X : ndarray, shape (n, rank)
        The kept columns of the fixed effects; NaN in rows with a missing value.
    offset : ndarray, shape (n,), or None
    terms : list of (refs, z)
        For each of `reterms` the level of each row, shape (n,), and the columns of Z, shape (p, n).
        New levels are numbered after those of the fit; -1 stands for no random effect. At points
        that the fit did not have, the columns are those of `OverPositions.weights_at`.
    unseen : list of list
        For each term the labels of the new levels.
    weights : ndarray, shape (n,), or None
    missing : ndarray of bool, shape (n,), or None
        Rows with a missing value; None if there are none.
    aligned : callable
        Makes a Series over the rows from values and a name.
    parts : dict of str → ndarray
        Columns of further parts of the model.
    elsewhere : list of NewPoints
        What is left of the effects at points that the fit did not have.
    of_mean : list of bool
        Whether each term belongs to the predictor of the mean.
    residuals : NewResiduals or None
        Of new rows, where residuals have a structure and are asked for.
    """

    X: np.ndarray
    offset: np.ndarray | None
    terms: list[tuple[np.ndarray, np.ndarray]]
    unseen: list[list]
    weights: np.ndarray | None
    missing: np.ndarray | None
    aligned: Callable
    parts: dict[str, np.ndarray] = field(default_factory=dict)
    elsewhere: list[NewPoints] = field(default_factory=list)
    of_mean: list[bool] = field(default_factory=list)
    residuals: NewResiduals | None = None

    @classmethod
    def of_fit(cls, model, weights=None) -> ModelRows:
        """The rows of the fit, with their weights."""
        if weights is not None:
            raise OptionError("weights are for new rows; the rows of the fit keep theirs")
        frame, terms = model.frame, [(term.refs, term.z) for term in model.reterms]
        X, unseen = frame.X[:, model.feterm.kept], [[] for _ in terms]
        parts = {name: X for name, (X, _) in frame.parts.items()}
        rows = cls(X, frame.offset, terms, unseen, frame.weights, None, model.aligned, parts)
        rows.of_mean = [not term.part for term in model.reterms]
        return rows

    @classmethod
    def new(
        cls,
        model,
        newdata,
        wanted: Collection[int],
        weights=None,
        theta=None,
        parts: Collection[str] = (),
        residuals: str = "",
    ) -> ModelRows:
        """New rows, with the random-effects terms at the positions `wanted`, at θ, and parts.

        `residuals` are "correlated", to be drawn or predicted from those of the fit, or
        "deviations", of which the standard deviations are asked for; neither, if not given.
        """
        if model.frame.has_array_offset:
            raise DataError(
                "the model's offset was given as an array, which new data cannot have: "
                "fit with offset=<column name>, or with offset(...) in the formula, to predict"
            )
        if model.composition is not None:
            parts = model.composition.formulas
        side, plain = model.residual_side if residuals else None, set()
        if side is not None:
            from numbamm.models.residual_side.new_residuals import NewResiduals, needed

            plain, parts = needed(side, correlated=residuals == "correlated")
        new = model.frame.new_rows(
            newdata, random=wanted, weights=weights, parts=parts, columns=sorted(plain)
        )
        no_level = np.full(len(new.X), -1, dtype=np.int32)
        terms = [(no_level, np.zeros((term.p, len(new.X)))) for term in model.reterms]
        unseen: list[list] = [[] for _ in terms]
        parameters = model.scaled.structure.split(model.theta if theta is None else theta)
        elsewhere = []
        for k, (refs, z, labels, others) in zip(wanted, new.terms, strict=True):
            terms[k], unseen[k] = (refs, z), labels
            for there in others:
                elsewhere.append(NewPoints.of(k, model.reterms[k].structure, parameters[k], there))
                elsewhere[-1].fill(z)
        index = newdata.index if isinstance(newdata, pd.DataFrame) else None

        def aligned(values, name):
            return pd.Series(values, index=index, name=name)

        X = new.X[:, model.feterm.kept]
        of_rows = new.weights, new.missing, aligned, new.parts, elsewhere
        of_mean = [not term.part for term in model.reterms]
        own = None if side is None else NewResiduals.of(model, new)
        return cls(X, new.offset, terms, unseen, *of_rows, of_mean, own)

    def linear_predictor(self, beta, effects) -> np.ndarray:
        """Xβ + Zb + offset, shape (n,); NaN in rows with a missing value.

        Parameters
        ----------
        beta : ndarray, shape (rank,)
        effects : list of ndarray, shape (levels, p)
            The random effects of each term, those of new levels included.
        """
        eta = self.X @ beta
        if self.offset is not None:
            eta = eta + self.offset
        of_mean = self.of_mean or [True] * len(self.terms)
        for (refs, z), b, is_of_mean in zip(self.terms, effects, of_mean, strict=True):
            if is_of_mean and (refs >= 0).any():
                eta = eta + np.einsum("pn,np->n", z, b[refs])
        return eta if self.missing is None else np.where(self.missing, np.nan, eta)


def row_weights(model, given):
    """Prior weights of new rows: as given, or the name of the column that the fit used.

    Raises
    ------
    OptionError
        The weights of the fit are no column that new rows could have.
    """
    frame = model.frame
    if given is not None or frame.weights is None:
        return given
    if frame.trials is None and frame.weights_name is not None:
        return frame.weights_name
    if frame.trials is None:
        cause = "the fit's weights were an array"
    else:
        cause = "the fit's numbers of trials belong to its rows"
    raise OptionError(f"{cause}, which new rows do not have: give weights=...")

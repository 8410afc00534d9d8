"""`MarginalEffects`: a model for marginaleffects, which must be installed to import this file."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
from marginaleffects.classes import ModelAbstract, ModelVault

from numbamm.errors import OptionError
from numbamm.formula.names import column_of
from numbamm.inference.fixed import ddf as degrees

#: Names that marginaleffects does not allow in data: columns that it does not need are left out.
_RESERVED = {"rowid", "type", "group", "estimate", "term", "contrast", "statistic"}


class MarginalEffects(ModelAbstract):
    """A fitted model for marginaleffects' functions; see `for_marginaleffects`."""

    def __init__(self, model, type: str, df: float) -> None:
        self.type, self.df_resid = type, float(df)
        self.levels = _levels(model.frame)
        fixed = list(model.frame.columns)
        vault = ModelVault(
            coef=model.estimates.beta,
            coefnames=np.array(model.feterm.kept_names),
            formula=lambda newdata: (None, self.get_exog(newdata)),
            modeldata=_data(model.frame, self.levels),
            package="numbamm",
            variable_names=[model.frame.response, *fixed],
        )
        if type == "response":
            _refuse_other_means(model)
        try:
            super().__init__(model, vault)
        except pl.exceptions.InvalidOperationError as error:  # raised when it prepares the data
            raise OptionError(
                f"marginaleffects does not work with polars {pl.__version__}: install another "
                "release of one of them (0.6 needs 'polars<2')"
            ) from error

    def get_exog(self, newdata: pl.DataFrame) -> np.ndarray:
        """Columns of X with coefficients, then the offset if there is one."""
        frame, columns = self.model.frame, {}
        for name in newdata.columns:
            values, levels = newdata[name], self.levels.get(name)
            columns[name] = (
                values.to_numpy() if levels is None else [levels[str(v)] for v in values]
            )
        rows = frame.new_rows(columns, random=False)
        kept = rows.X[:, self.model.feterm.kept]
        return kept if rows.offset is None else np.column_stack([kept, rows.offset])

    def get_predict(self, params: np.ndarray, newdata: np.ndarray) -> pl.DataFrame:
        """Predictions for the population with coefficients `params`, from `get_exog`'s result."""
        eta = newdata[:, : len(params)] @ np.asarray(params)
        if newdata.shape[1] > len(params):
            eta = eta + newdata[:, -1]
        values = self.model.mean(eta) if self.type == "response" else eta
        rowid = pl.Series("rowid", np.arange(len(eta)), dtype=pl.Int32)
        return pl.DataFrame({"rowid": rowid, "estimate": values})

    def get_vcov(self, vcov=True) -> np.ndarray | None:
        """Covariance matrix of the coefficients; for a string, by the method of that name."""
        if isinstance(vcov, str):
            return degrees.method(self.model, vcov).vcov
        return self.model.beta_covariance if vcov else None

    def get_autodiff_args(self) -> dict | None:
        """Options of its automatic differentiation; None if it does not have the link."""
        if self.type == "link" or self.model.link_record.linear:
            return {"model_type": "linear", "family": None, "link": None}
        family = self.model.link_record.marginaleffects
        if family is None:
            return None
        return {"model_type": "glm", "family": family, "link": self.model.link}


def _levels(frame) -> dict[str, dict]:
    """For each factor of the fixed effects a dict of its levels by their names as text."""
    coded = {column_of(name): levels for name, levels in frame.design.coding.levels.items()}
    return {
        name: {str(level): level for level in coded[name]}
        for name, column in frame.columns.items()
        if name in coded and column.dtype != bool
    }


def _data(frame, levels: dict[str, dict]) -> pl.DataFrame:
    """The rows used: variables of the fixed effects, offset, grouping factors and response."""
    data = {}
    for name, column in frame.columns.items():
        if name in levels:
            labels = list(levels[name])
            codes = pd.Index(list(levels[name].values())).get_indexer(column)
            data[name] = pl.Series([labels[code] for code in codes], dtype=pl.Enum(labels))
        else:
            data[name] = pl.Series(column.to_numpy())
    if frame.offset_name and frame.offset_name not in data:
        without = {**frame.columns, frame.offset_name: np.zeros(len(frame.y))}
        data[frame.offset_name] = frame.offset - frame.new_rows(without, random=False).offset
    for term in frame.reterms:
        if term.group not in data and term.group not in _RESERVED:
            labels = [str(level) for level in term.levels]
            data[term.group] = pl.Series([labels[r] for r in term.refs], dtype=pl.Enum(labels))
    if frame.response not in _RESERVED:
        data.setdefault(frame.response, frame.y)
    return pl.DataFrame(data)


def _refuse_other_means(model) -> None:
    """Refuse models whose responses have another mean than the inverse link of η.

    Raises
    ------
    OptionError
    """
    parts = model.composition
    if parts is None or parts.mean_is_mu:
        return
    cause = f"has zeros of the part {parts.zero_part}" if parts.zero_part else "is not μ"
    raise OptionError(
        f"marginaleffects knows the coefficients of the mean alone, and the mean of a response "
        f'{cause}: take slopes(), comparisons() and emmeans(type="response") of the model'
    )

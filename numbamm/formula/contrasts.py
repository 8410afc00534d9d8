"""Coding of a categorical column by contrasts, which are given by name or as a matrix."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from formulaic.materializers.types.factor_values import FactorValuesMetadata
from formulaic.transforms import contrasts as fc

from numbamm.elsewhere import value_hint
from numbamm.errors import DataError, OptionError, did_you_mean
from numbamm.formula.levels import level_codes, positions, type_hint
from numbamm.formula.names import column_of

_BY_NAME = {
    "treatment": fc.TreatmentContrasts,
    "sum": fc.SumContrasts,
    "helmert": fc.HelmertContrasts,
    "poly": fc.PolyContrasts,
    "polynomial": fc.PolyContrasts,
    "diff": fc.DiffContrasts,
}


def as_contrasts(value: Any) -> fc.Contrasts:
    """formulaic's contrasts for a user's specification.

    Parameters
    ----------
    value
        ``"treatment"``, ``"sum"``, ``"helmert"``, ``"poly"``, ``"diff"``; formulaic's
        contrasts; a matrix with a row for each level; or a dict of column name → vector.

    Raises
    ------
    OptionError
        If it is none of these.
    """
    if isinstance(value, str):
        if value.lower() not in _BY_NAME:
            raise OptionError(
                f"there are no contrasts '{value}'{value_hint('contrasts', value, _BY_NAME)}; "
                f"there are {', '.join(_BY_NAME)}"
            )
        return _BY_NAME[value.lower()]()
    if inspect.isclass(value) and issubclass(value, fc.Contrasts):
        return value()
    if isinstance(value, fc.Contrasts):
        return value
    names = list(value) if isinstance(value, Mapping) else None
    try:
        matrix = np.asarray(value if names is None else list(value.values()), dtype=float)
    except (TypeError, ValueError):
        matrix = np.empty(0)
    if matrix.ndim != 2 or not np.isfinite(matrix).all():
        raise OptionError(
            "contrasts must be a name or a matrix of finite numbers with a row for each level, "
            "or a dict of column name → numbers"
        )
    return fc.CustomContrasts(matrix if names is None else matrix.T, names=names)


@dataclass
class CategoricalMetadata(FactorValuesMetadata):
    """formulaic's metadata of a factor, with the contrasts requested by ``C(f, contrasts)``."""

    contrasts: fc.Contrasts | None = None


@dataclass
class Coding:
    """Coding of categorical factors, learnt from the data of the fit and applied to other data.

    Attributes
    ----------
    contrasts : dict
        The user's contrasts by name of column.
    levels : dict of pandas.Index
        Levels of each factor (by its expression), learnt from the data of the fit.
    chosen : dict of Contrasts
        The contrasts in use for each factor.
    fitted : bool
        Whether the levels have been learnt; from then on a new level is an error.
    """

    contrasts: dict[str, fc.Contrasts] = field(default_factory=dict)
    levels: dict[str, pd.Index] = field(default_factory=dict)
    chosen: dict[str, fc.Contrasts] = field(default_factory=dict)
    fitted: bool = False

    def columns(
        self, expression: str, values: Any, reduced: bool, requested: fc.Contrasts | None
    ) -> dict[str, np.ndarray]:
        """Columns of one factor.

        Parameters
        ----------
        expression
            The factor as it appears in the names of its columns: ``f``, ``C(f)``.
        values
            Its values, shape (n,).
        reduced
            Whether to code by contrasts; else there is an indicator for each level.
        requested
            Contrasts that the formula itself requests, by ``C(f, contrasts)``.

        Raises
        ------
        DataError
            If a level is new, or if there is a single level, which has no contrasts.
        """
        codes = self._codes(expression, values)
        levels = list(self.levels[expression])
        if not reduced:
            template, matrix = "{name}[{field}]", np.eye(len(levels))
            names = levels
        else:
            contrasts = self._choose(expression, values, requested)
            matrix = _coding_matrix(contrasts, expression, levels)
            names = contrasts.get_coding_column_names(levels, reduced_rank=True)
            template = contrasts.get_factor_format(levels, reduced_rank=True)
        return {
            template.format(name=expression, field=name): matrix[:, j][codes]
            for j, name in enumerate(names)
        }

    def _codes(self, expression: str, values: Any) -> np.ndarray:
        if not self.fitted:
            codes, self.levels[expression] = level_codes(values)
            return codes
        if expression not in self.levels:
            raise DataError(f"'{expression}' was numeric in the fit and is categorical here")
        levels = self.levels[expression]
        codes = positions(values, levels)
        if (codes < 0).any():
            new = pd.unique(np.asarray(values)[codes < 0])
            listed = ", ".join(repr(label) for label in new[:5]) + (", ..." if len(new) > 5 else "")
            raise DataError(
                f"'{expression}' has levels that were not in the fit: {listed}; "
                f"its levels are {', '.join(map(repr, levels))}{type_hint(new, levels)}"
            )
        return codes

    def _choose(self, expression: str, values: Any, requested: fc.Contrasts | None) -> fc.Contrasts:
        if expression not in self.chosen:
            dtype = getattr(values, "dtype", None)
            ordered = isinstance(dtype, pd.CategoricalDtype) and dtype.ordered
            default = fc.PolyContrasts() if ordered else fc.TreatmentContrasts()
            given = self.contrasts.get(column_of(expression))
            self.chosen[expression] = requested or given or default
        return self.chosen[expression]

    def refuse_unused(self, columns: list[str]) -> None:
        """Raise an `OptionError` for contrasts of a column that is not a categorical effect."""
        coded = {column_of(expression) for expression in self.levels}
        for name in self.contrasts:
            if name in coded:
                continue
            if name not in columns:
                hint = did_you_mean(name, coded)
                raise OptionError(f"contrasts are given for '{name}', which no effect uses{hint}")
            raise OptionError(
                f"contrasts are given for '{name}', which is not a categorical effect: "
                f"write C({name}) for a numeric column; a grouping factor takes no contrasts"
            )


def _coding_matrix(contrasts: fc.Contrasts, expression: str, levels: list) -> np.ndarray:
    k = len(levels)
    if k == 1:
        raise DataError(
            f"'{expression}' has a single level ({levels[0]!r}) in the rows used: "
            "there is nothing to contrast it with; leave the effect out"
        )
    if isinstance(contrasts, fc.CustomContrasts):
        rows, columns = contrasts.contrasts.shape
        if rows != k or not 1 <= columns < k:
            raise OptionError(
                f"the contrasts of '{expression}' are {rows} × {columns}; "
                f"its {k} levels need {k} × {k - 1}"
            )
    try:
        # the public get_coding_matrix() would spend time on a labelled frame
        return np.asarray(contrasts._get_coding_matrix(levels, reduced_rank=True), dtype=float)
    except ValueError as error:
        raise OptionError(f"contrasts of '{expression}': {error}") from error

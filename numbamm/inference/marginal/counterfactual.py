"""`averages_of`: averages of mean responses over the rows of the data, with some values changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from numbamm.errors import DataError, OptionError, shown
from numbamm.inference.fixed import ddf as degrees
from numbamm.inference.fixed.backtransform import BackTransform
from numbamm.inference.fixed.emmeans import bare
from numbamm.inference.fixed.refgrid import ReferenceGrid
from numbamm.inference.marginal.averages import INESTIMABLE, Averages, tests
from numbamm.inference.marginal.mean_kinds import concerns_parts, grid_for, means_of, types_of
from numbamm.options import mapping, name_list, one_of, valid_alpha

RE = ("zero", "integrated")


class Counterfactual:
    """The rows of the data of a fit, whose variables can be changed.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    by, at : optional
        As for `slopes`.
    type : str
        One of `types_of`.
    re : {"zero", "integrated"}
    ddf, robust, cluster : optional
        As for `contrast`.
    alpha : float

    Attributes
    ----------
    grid : ReferenceGrid
    data : pandas.DataFrame
        The variables of the fixed effects, in the rows that are used.
    groups : list of (tuple, ndarray)
        Values of the variables in `by`, and which rows have them.
    settings : list of dict
        The combinations of the values in `at`.
    """

    def __init__(
        self,
        model,
        *,
        by: str | Iterable[str],
        at: Mapping[str, Any] | None,
        type: str,
        re: str,
        ddf: str | None,
        robust: str | None,
        cluster: Any,
        alpha: float,
    ) -> None:
        self.alpha = valid_alpha(alpha)
        self.method = degrees.method(model, ddf, robust, cluster)
        self.model, self.type, self.re = (
            model,
            one_of("type", type, types_of(model)),
            one_of("re", re, RE),
        )
        if type == "link" and re == "integrated":
            raise OptionError(
                're="integrated" is for type="response": on the link the mean is that at zero'
            )
        if model.is_streamed:
            raise DataError(
                "the rows of the model have streamed by: averages over them need data in memory"
            )
        self.grid = grid_for(model, type)
        self.data = pd.DataFrame(dict(self.grid.frame.columns)).reset_index(drop=True)
        self.by = [bare(name) for name in name_list("by", () if by is None else by, least=0)]
        for name in self.by:
            self.grid.check(name)
        self.settings = self._settings({} if at is None else mapping("at", at))
        both = [name for name in self.by if self.settings[0] and name in self.settings[0]]
        if both:
            raise OptionError(f"'{both[0]}' is both in by and in at: rows cannot be grouped by it")
        self.groups = self._groups()
        self.means: Any = means_of(model, self.grid, type, re == "integrated")

    def _settings(self, at: Mapping[str, Any]) -> list[dict[str, Any]]:
        names = [bare(name) for name in at]
        changed = ReferenceGrid(self.grid.frame, dict(zip(names, at.values(), strict=True)))
        lists = [changed.values[name] for name in names]
        return [dict(zip(names, values, strict=True)) for values in product(*lists)]

    def _groups(self) -> list[tuple[tuple, np.ndarray]]:
        if not self.by:
            return [((), np.arange(len(self.data)))]
        indices = self.data.groupby(self.by, sort=True, observed=True).indices
        return [(k if isinstance(k, tuple) else (k,), np.asarray(v)) for k, v in indices.items()]

    def with_values(self, **values: Any) -> pd.DataFrame:
        """The data with some variables set to one value, or to a value for each row."""
        data = self.data.copy()
        for name, value in values.items():
            new = pd.Series([value] * len(data)) if np.isscalar(value) else pd.Series(value)
            dtype = self.data[name].dtype if name in self.grid.factors else float
            data[name] = new.set_axis(data.index).astype(dtype)
        return data

    @property
    def outcomes(self) -> list[dict]:
        """For each number that is predicted of a row, the columns of the table that say which."""
        return self.means.outcomes

    def mean_responses(self, data: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Mean responses of changed data, and their derivatives by the parameters.

        Returns
        -------
        ndarray, shape (outcomes, n)
        ndarray, shape (outcomes, n, parameters)
        """
        value, gradient = self.means.at(self.means.rows(data, are_data=True))
        if value.ndim == 1:
            return value[None], gradient[None]
        return value.T, np.moveaxis(gradient, 1, 0)

    def slopes(
        self, setting: dict[str, Any], var: str, place, points, weights
    ) -> tuple[np.ndarray, np.ndarray]:
        """Slopes of mean responses by a covariate, and their derivatives by the parameters.

        Parameters
        ----------
        setting : dict
        var : str
        place : ndarray, shape (n,)
            The covariate.
        points, weights : ndarray, shape (points, n)
            Of `stencil`.

        Returns
        -------
        ndarray, shape (outcomes, n)
        ndarray, shape (outcomes, n, parameters)
        """
        at = [self.with_values(**setting | {var: point}) for point in points]
        if self.re == "integrated" and not concerns_parts(self.model, self.type):
            rows = [self.means.rows(data, are_data=True) for data in at]
            here = self.means.rows(self.with_values(**setting | {var: place}), are_data=True)
            value, gradient = self.means.slopes_at(here, rows, weights)
            return value[None], gradient[None]
        means, by = zip(*map(self.mean_responses, at), strict=True)
        value = np.einsum("an,aon->on", weights, means)
        return value, np.einsum("an,aonp->onp", weights, by)

    def table(
        self, compute: Callable[[dict[str, Any]], list], title: str, notes: list[str], **options
    ) -> Averages:
        """Averages within the groups of `by`, for each setting of `at`.

        Parameters
        ----------
        compute : callable
            Takes a setting. Returns a list: names of columns with their values, and a function
            that takes the rows of a group and returns a number and its gradient.
        title : str
        notes : list of str
        """
        labels, values, gradients = [], [], []
        for setting in self.settings:
            for line, average in compute(setting):
                for key, rows in self.groups:
                    value, gradient = average(rows)
                    labels.append(line | dict(zip(self.by, key, strict=True)) | setting)
                    values.append(value)
                    gradients.append(gradient)
        names = pd.DataFrame(labels)
        for name in names:
            if name in self.grid.factors and name in self.data:
                names[name] = names[name].astype(object)
        parameters = self.means.parameters(self.method)
        gradient, estimable = self.means.of_parameters(np.array(gradients))
        value = np.where(estimable, values, np.nan)
        method = self.method if self.model.is_linear else None
        frame = tests(value, gradient, parameters.covariance, method, self.alpha)
        integrated = self.re == "integrated"
        return Averages(
            f"{title}, {self.method.title}",
            pd.concat([names, frame], axis=1),
            [
                *notes,
                *(parameters.notes if integrated else []),
                *self.scale_notes(),
                *([] if estimable.all() else [INESTIMABLE]),
                *self.method.notes,
            ],
            labels=names,
            by=[*self.by, *self.outcomes[0]],
            gradient=gradient,
            parameters=parameters.covariance,
            method=method,
            alpha=self.alpha,
            **options,
        )

    def scale_notes(self) -> list[str]:
        """What the means are means of."""
        if concerns_parts(self.model, self.type):
            return self.means.notes()
        back = BackTransform(self.model)
        if self.type == "link":
            scale = back.response if back.steps else f"the link, {self.model.link}"
            return [f"On the scale of {scale}."]
        noise = " and the residuals" if back.steps else ""
        if self.re == "integrated":
            return [f"Means over the distribution of the random effects{noise}."]
        if back.steps:
            return [f"Of {back.left}, for random effects and residuals of zero: its median."]
        return ["Means for random effects of zero."] if not self.model.link_record.linear else []


def covariate(context: Counterfactual, name: Any, option: str) -> str:
    """The name of a variable, which must be a covariate.

    Raises
    ------
    OptionError
    """
    if not isinstance(name, str):
        raise OptionError(f"{option} must be the name of a variable, not {shown(name)}")
    name = bare(name)
    context.grid.check(name)
    return name

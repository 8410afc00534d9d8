"""`MixedModelBase`: what the estimators for scikit-learn share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from numbamm.errors import DataError, OptionError, shown

try:
    from sklearn.base import BaseEstimator
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise OptionError(
        'numbamm.sklearn needs scikit-learn: pip install "numbamm[sklearn]"'
    ) from error

#: Names of the response and of the groups in the frames that are made.
RESPONSE, GROUPS, WEIGHTS = "y", "groups", "sample_weight"


class MixedModelBase(BaseEstimator):
    """Formula or columns, groups, and the model that is fitted to them.

    Subclasses fit a model to a frame, and what there is without groups: `_fit_mixed`, `_fit_plain`.
    """

    def __init__(self, formula: str | None = None, *, random: Any = None, options=None) -> None:
        self.formula, self.random, self.options = formula, random, options

    def _fit(self, X, y, groups, sample_weight):
        """Fit a mixed model if there are groups or a formula, else one of fixed effects alone."""
        if self.formula is None:
            X, y = self._checked(X, y)
            if groups is None:
                self.model_ = None
                self.plain_ = self._fit_plain(X, y, sample_weight)
                return self
        elif not isinstance(X, pd.DataFrame):
            raise OptionError("with a formula X must be a pandas DataFrame, which has its columns")
        else:
            self._check_n_features_of(X)
        frame, formula = self._frame(X, groups), self._formula(X)
        name = formula.partition("~")[0].strip()
        if self.formula is not None and name in frame:
            raise DataError(f"X has the column of the response, '{name}'; it is given as y")
        frame[name] = np.asarray(y)
        options = dict(self.options or {})
        if sample_weight is not None:
            frame[WEIGHTS] = np.asarray(sample_weight, dtype=float)
            options["weights"] = WEIGHTS
        self.plain_, self.model_ = None, self._fit_mixed(formula, frame, options)
        return self

    def _predicted(self, X, groups, **options) -> np.ndarray:
        """Predictions of the mixed model, with random effects of groups that it knows."""
        import warnings

        from numbamm.errors import NumbammWarning

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NumbammWarning)  # new groups: no random effects
            if groups is None and self.formula is None:
                options["random"] = False
            return self.model_.predict(self._frame(X, groups), **options).to_numpy()

    def _rows(self, X):
        """X, checked against that of the fit."""
        check_is_fitted(self)
        if self.formula is None:
            return validate_data(self, X, reset=False)
        if not isinstance(X, pd.DataFrame):
            raise OptionError("with a formula X must be a pandas DataFrame, which has its columns")
        return X

    def _frame(self, X, groups) -> pd.DataFrame:
        """The columns of X and the groups as a frame."""
        if isinstance(X, pd.DataFrame):
            frame = X.copy()
        else:
            frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])
        if groups is not None:
            labels = np.asarray(groups)
            if labels.shape != (len(frame),):
                raise DataError(f"groups must be one label for each of {len(frame)} rows")
            frame[GROUPS] = labels
        return frame

    def _formula(self, X) -> str:
        """The formula as given, or that of all columns with random effects by groups."""
        if self.formula is not None:
            return self.formula if "~" in self.formula else f"{RESPONSE} ~ {self.formula}"
        columns = [f"x{j}" for j in range(X.shape[1])]
        slopes = self._slopes(columns)
        fixed, random = " + ".join(["1", *columns]), " + ".join(["1", *slopes])
        return f"{RESPONSE} ~ {fixed} + ({random} | {GROUPS})"

    def _slopes(self, columns: list[str]) -> list[str]:
        """The columns that have random slopes, by the option `random`."""
        if self.random is None:
            return []
        chosen = [self.random] if isinstance(self.random, str | int) else list(self.random)
        names = list(getattr(self, "feature_names_in_", columns))
        out = []
        for one in chosen:
            if one in names:
                out.append(columns[names.index(one)])
            elif isinstance(one, int | np.integer) and 0 <= one < len(columns):
                out.append(columns[one])
            else:
                raise OptionError(f"random: {shown(one)} is no column of X")
        return out

    def _check_n_features_of(self, X: pd.DataFrame) -> None:
        """Keep names and number of the columns, as scikit-learn does."""
        self.n_features_in_ = X.shape[1]
        self.feature_names_in_ = np.asarray([str(name) for name in X.columns], dtype=object)

    def _checked(self, X, y):
        raise NotImplementedError

    def _fit_plain(self, X, y, sample_weight):
        raise NotImplementedError

    def _fit_mixed(self, formula: str, frame: pd.DataFrame, options: dict):
        raise NotImplementedError

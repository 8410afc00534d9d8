"""`MixedModelRegressor`: a linear mixed model as an estimator of scikit-learn."""

from __future__ import annotations

import numpy as np

from numbamm.models.linear import LinearMixedModel
from numbamm.sklearn.base import MixedModelBase, validate_data

from sklearn.base import RegressorMixin  # isort: skip  # after the check in base


class MixedModelRegressor(RegressorMixin, MixedModelBase):
    """A linear mixed model as an estimator of scikit-learn.

    Parameters
    ----------
    formula : str, optional
        The right-hand side, ``"x + (1 + x | g)"``, or a whole formula. X is then a DataFrame with
        its columns, the grouping factors among them. If not given, all columns of X are fixed
        effects, and `groups`, an argument of `fit`, have random effects; without groups the model
        has fixed effects alone, by least squares.
    random : int, str or list of these, optional
        Without a formula: the columns with random slopes, besides the random intercepts.
    reml : bool
        Whether to fit by restricted maximum likelihood.
    options : dict, optional
        Further options of `LinearMixedModel`, such as ``{"optimizer": "newton"}``.

    Attributes
    ----------
    model_ : LinearMixedModel or None
        The fitted model; None without groups.
    plain_ : LinearRegression or None
        The fit without groups.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only if X has names.

    See Also
    --------
    lmm : With tables and all inference.
    cross_validate : Cross-validation that needs no refits from nothing.

    Notes
    -----
    `fit` and `predict` take ``groups`` through metadata routing:
    ``est.set_fit_request(groups=True).set_predict_request(groups=True)``. Groups that the fit has
    not seen are predicted with random effects of zero. `set_params`, `clone`, pipelines, grid
    search and `GroupKFold` work as for other estimators.

    Examples
    --------
    >>> import numbamm as mm
    >>> from numbamm.sklearn import MixedModelRegressor
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> model = MixedModelRegressor("Days + (Days | Subject)")
    >>> model.fit(sleep[["Days", "Subject"]], sleep["Reaction"]).predict(sleep).round(1)[:2]
    array([253.7, 273.3])
    """

    def __init__(
        self, formula: str | None = None, *, random=None, reml: bool = True, options=None
    ) -> None:
        super().__init__(formula, random=random, options=options)
        self.reml = reml

    def fit(self, X, y, groups=None, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : DataFrame or array, shape (n, columns)
        y : array, shape (n,)
        groups : array, shape (n,), optional
            The group of each row; a formula may name them ``groups``.
        sample_weight : array, shape (n,), optional
            Prior weights: the variance of a row is σ² over its weight.

        Returns
        -------
        MixedModelRegressor
            Itself.

        Raises
        ------
        ValueError
            As from scikit-learn's checks, and numbamm's errors of data, formulas and options.
        """
        return self._fit(X, y, groups, sample_weight)

    def predict(self, X, groups=None) -> np.ndarray:
        """Predict means, with random effects of the groups that the fit knows.

        Parameters
        ----------
        X : DataFrame or array, shape (n, columns)
        groups : array, shape (n,), optional
            Without them, and without a formula, predictions are for random effects of zero.

        Returns
        -------
        ndarray, shape (n,)

        Raises
        ------
        NotFittedError
            Before the fit.
        """
        X = self._rows(X)
        if self.model_ is None:
            return self.plain_.predict(X)
        return self._predicted(X, groups)

    def score(self, X, y, groups=None, sample_weight=None) -> float:
        """R² of the predictions, as of all regressors of scikit-learn."""
        from sklearn.metrics import r2_score

        return r2_score(y, self.predict(X, groups), sample_weight=sample_weight)

    def _checked(self, X, y):
        return validate_data(self, X, y, y_numeric=True)

    def _fit_plain(self, X, y, sample_weight):
        from sklearn.linear_model import LinearRegression

        return LinearRegression().fit(X, y, sample_weight=sample_weight)

    def _fit_mixed(self, formula, frame, options):
        model = LinearMixedModel(formula, frame, **{"reml": self.reml, **options})
        return model.fit(progress=False)

"""`MixedModelClassifier`: a binary mixed model as an estimator of scikit-learn."""

from __future__ import annotations

import numpy as np

from numbamm.models.generalized import GeneralizedLinearMixedModel
from numbamm.sklearn.base import MixedModelBase, validate_data

from sklearn.base import ClassifierMixin  # isort: skip  # after the check in base
from sklearn.utils import assert_all_finite, column_or_1d  # isort: skip
from sklearn.utils.multiclass import check_classification_targets  # isort: skip


class MixedModelClassifier(ClassifierMixin, MixedModelBase):
    """A generalized linear mixed model of two classes as an estimator of scikit-learn.

    Parameters
    ----------
    formula, random, options
        As for `MixedModelRegressor`; options are those of `GeneralizedLinearMixedModel`. Without
        groups the model is a logistic regression without penalty.
    link : str
        The link, such as ``"logit"`` or ``"probit"``.
    fast : bool
        Whether β is found inside PIRLS, which is faster and a little less precise.

    Attributes
    ----------
    classes_ : ndarray, shape (2,)
    model_ : GeneralizedLinearMixedModel or None
        The fitted model; None without groups.
    plain_ : LogisticRegression or None
        The fit without groups.

    See Also
    --------
    glmm : With tables and all inference.
    numbamm.sklearn.regressor.MixedModelRegressor : For numbers.

    Examples
    --------
    >>> import numbamm as mm
    >>> from numbamm.sklearn import MixedModelClassifier
    >>> data = mm.datasets.load("Contraception")
    >>> model = MixedModelClassifier("age + urban + (1 | district)")
    >>> X = data[["age", "urban", "district"]]
    >>> model.fit(X, data["use"]).predict_proba(X).shape
    (1934, 2)
    """

    def __init__(
        self,
        formula: str | None = None,
        *,
        random=None,
        link: str = "logit",
        fast: bool = False,
        options=None,
    ) -> None:
        super().__init__(formula, random=random, options=options)
        self.link, self.fast = link, fast

    def fit(self, X, y, groups=None, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : DataFrame or array, shape (n, columns)
        y : array, shape (n,)
            Two classes.
        groups : array, shape (n,), optional
            The group of each row; a formula may name them ``groups``.
        sample_weight : array, shape (n,), optional
            How often each row counts.

        Returns
        -------
        MixedModelClassifier
            Itself.

        Raises
        ------
        ValueError
            As from scikit-learn's checks, and numbamm's errors of data, formulas and options.
        """
        y = column_or_1d(y, warn=True)
        assert_all_finite(y)
        check_classification_targets(y)
        self.classes_ = np.unique(np.asarray(y))
        if len(self.classes_) != 2:
            what = "1 class" if len(self.classes_) == 1 else f"{len(self.classes_)} classes"
            raise ValueError(f"Only binary classification is supported. The target has {what}.")
        events = (np.asarray(y) == self.classes_[1]).astype(float)
        return self._fit(X, events, groups, sample_weight)

    def predict_proba(self, X, groups=None) -> np.ndarray:
        """Probabilities of the two classes, shape (n, 2); as for `MixedModelRegressor.predict`."""
        X = self._rows(X)
        if self.model_ is None:
            return self.plain_.predict_proba(X)
        p = self._predicted(X, groups)
        return np.column_stack([1 - p, p])

    def decision_function(self, X, groups=None) -> np.ndarray:
        """Linear predictors of the second class, shape (n,)."""
        X = self._rows(X)
        if self.model_ is None:
            return self.plain_.decision_function(X)
        return self._predicted(X, groups, type="link")

    def predict(self, X, groups=None) -> np.ndarray:
        """The more probable class of each row, shape (n,)."""
        second = self.predict_proba(X, groups)[:, 1] > 0.5
        return self.classes_[second.astype(int)]

    def score(self, X, y, groups=None, sample_weight=None) -> float:
        """The share of rows whose class is predicted."""
        from sklearn.metrics import accuracy_score

        return accuracy_score(y, self.predict(X, groups), sample_weight=sample_weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def _checked(self, X, y):
        return validate_data(self, X, y)

    def _fit_plain(self, X, y, sample_weight):
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=np.inf, max_iter=1000).fit(X, y, sample_weight=sample_weight)

    def _fit_mixed(self, formula, frame, options):
        model = GeneralizedLinearMixedModel(formula, frame, "bernoulli", self.link, **options)
        return model.fit(fast=self.fast, progress=False)

"""Mixed models as estimators of scikit-learn: pipelines, grid search, cross-validation by groups.

Needs scikit-learn, ``pip install "numbamm[sklearn]"``.
"""

from numbamm.sklearn.classifier import MixedModelClassifier
from numbamm.sklearn.regressor import MixedModelRegressor

__all__ = ["MixedModelClassifier", "MixedModelRegressor"]

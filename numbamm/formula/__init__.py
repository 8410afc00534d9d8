"""Formula text and a data frame → model frame."""

from numbamm.formula.checks import check_gaussian, check_generalized
from numbamm.formula.modelframe import ModelFrame, model_frame

__all__ = ["ModelFrame", "check_gaussian", "check_generalized", "model_frame"]

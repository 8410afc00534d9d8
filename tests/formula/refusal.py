"""Formulas and data that are refused."""

import pytest

from numbamm.formula import model_frame


def refuse(error, message, formula, data, **options):
    with pytest.raises(error, match=message):
        model_frame(formula, data, **options)

"""Expressions, evaluated: names that are known, and those that are not."""

import numpy as np
import pytest
from formula.refusal import refuse

from numbamm.errors import DataError, FormulaError


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("y ~ xx + (1 | g)", "no column 'xx' in the data; did you mean 'x'"),
        ("y ~ X + (1 | g)", "no column 'X' in the data; did you mean 'x'"),
        ("y ~ log(dosis) + (1 | g)", r"no column 'dosis' .*log\(dosis\).*did you mean 'dose'"),
        ("y ~ x + (1 | gg)", "no column 'gg' in the data; did you mean 'g'"),
        ("y ~ x + (dosis | g)", "no column 'dosis' in the data; did you mean 'dose'"),
        ("yy ~ x + (1 | g)", "no column 'yy' in the data, for 'yy'; did you mean 'y'"),
        ("y ~ x + offset(q) + (1 | g)", "no column 'q'"),
    ],
)
def test_unknown_columns(data, formula, message):
    refuse(DataError, message, formula, data)


def test_a_name_of_the_callers_scope_is_no_column(data):
    refuse(DataError, "no column 'z'", "y ~ z + (1 | g)", data, context={"z": np.zeros(60)})


def test_unknown_functions(data):
    message = r"no function 'lgo' for 'lgo\(x\)'; did you mean 'log'"
    refuse(FormulaError, message, "y ~ lgo(x) + (1 | g)", data)
    refuse(FormulaError, message, "y ~ lgo(x) + (1 | g)", data, context={"lgo": 3})

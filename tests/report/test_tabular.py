"""What models and results have in common."""

import re

import numpy as np
import pandas as pd
import pytest
from report.every_result import RESULTS, data

import numbamm as mm


@pytest.mark.parametrize("name", RESULTS)
def test_frames_hold_what_is_shown(results, name):
    frame = results[name].to_frame()
    assert isinstance(frame, pd.DataFrame) and len(frame)
    numbers = np.concatenate([pd.to_numeric(frame[n], errors="coerce") for n in frame])
    if name in ("convergence", "optsum"):  # tables of words
        return
    report = results[name]._report()
    found = 0
    for table in report.tables:
        for row in table.rows:
            for cell in row[table.left :]:
                if not re.fullmatch(r"-?\d+\.\d+", cell):
                    continue
                decimals = len(cell.partition(".")[2])
                close = np.abs(numbers - float(cell)) <= 0.5000001 * 10.0**-decimals
                found += bool(close.any())
                # Criteria and variances of a model are not in the frame of its parameters.
                assert close.any() or name in ("model", "generalized", "summary"), cell
    assert found


def test_a_model_without_a_fit_has_no_table():
    model = mm.LinearMixedModel("y ~ x + (1 | g)", data())
    for form in ("to_html", "to_markdown", "to_latex", "to_frame"):
        with pytest.raises(mm.NotFittedError, match="fit()"):
            getattr(model, form)()

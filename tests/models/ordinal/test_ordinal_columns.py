"""Columns of all parts, and their coefficients in the user's columns."""

import numpy as np
import pytest
from ordinal_models import simulated

from numbamm import formula as formulas
from numbamm.glm.cumulative.cumulative_rows import LOWER, UPPER
from numbamm.models.ordinal.ordinal_columns import OrdinalColumns


@pytest.mark.parametrize("structure", ["flexible", "symmetric", "equidistant"])
def test_coefficients_of_the_basis_are_those_of_the_columns(structure):
    data = simulated()
    frame = formulas.model_frame(
        "y ~ x * w + (1 | g)",
        data,
        ordered_response=True,
        parts={"nominal": "~ `odd name`", "scale": "~ x"},
    )
    columns = OrdinalColumns.of(frame, np.sqrt(data["w"].to_numpy()), structure)
    parts, n = columns.parts, len(data)
    psi = np.random.default_rng(3).normal(size=parts.size)
    user = columns.to_user @ psi
    table = np.empty((3, n))
    parts.fill(psi, table)
    nominal, scale = columns.parts_of({k: X for k, (X, _) in frame.parts.items()}, n)
    alpha, log_scale = columns.thresholds_at(user, nominal, scale)
    eta = frame.X[:, columns.feterm.kept] @ columns.location_coefficients(user)
    ends = np.column_stack([np.full(n, -np.inf), alpha, np.full(n, np.inf)])
    rows, basis_eta = np.arange(n), parts.location @ psi[parts.of_location]
    for line, k in ((UPPER, parts.y + 1), (LOWER, parts.y)):
        np.testing.assert_allclose(table[line] - basis_eta, ends[rows, k] - eta, atol=1e-8)
    np.testing.assert_allclose(parts.log_scales(psi), log_scale)
    assert columns.names[-1] == "scale.x"
    intercept = (columns.of_feterm @ user)[0]
    first = parts.T @ user[: parts.T.shape[1]]
    np.testing.assert_allclose(intercept, -first.mean())

"""`EstimateColumns`: the columns of replicates, for each kind of model, and as JSON."""

import json

import numpy as np
import pytest

import numbamm as mm
from numbamm.inference.resampling.bootstrap_columns import EstimateColumns


def negative_binomial():
    rng = np.random.default_rng(3)
    rows = {"y": rng.negative_binomial(2, 0.3, 60), "my x": rng.normal(size=60)}
    rows["g"] = np.arange(60) % 6
    return mm.glmm("y ~ `my x` + (1 | g)", rows, "negativebinomial", fast=True)


@pytest.mark.parametrize(
    ("make", "sizes"),
    [("sleep", ["sigma"]), ("counts", []), (negative_binomial, ["shape"])],
)
def test_columns_and_values(request, make, sizes):
    model = request.getfixturevalue(make) if isinstance(make, str) else make()
    columns = EstimateColumns.of(model)
    estimates = dict(zip(columns.columns, columns.row_of(model), strict=True))
    assert list(estimates)[: 1 + len(sizes)] == ["objective", *sizes]
    assert estimates["objective"] == model.objective
    for name, value in model.params.items():
        assert estimates[f"beta_{name}"] == value
    for name, value in zip(model.theta_names, model.theta, strict=True):
        assert estimates[f"theta_{name}"] == value
    for size in sizes:
        assert estimates[size] == getattr(model, size)


def test_json(sleep):
    columns = EstimateColumns.of(sleep)
    again = EstimateColumns.from_json(json.loads(json.dumps(columns.to_json())))
    assert again.columns == columns.columns
    assert again.components.names == columns.components.names
    assert again.to_json() == columns.to_json()

"""What users are told of a fit."""

import numpy as np
import pytest
from ordinal_models import simulated

import numbamm as mm
from numbamm.models.fitting.laplace_check import change_by_quadrature


def test_columns_that_separate_the_categories_are_named():
    data = simulated().assign(z=lambda d: (d["y"] > "mid") * 1.0)
    with pytest.warns(mm.NumbammWarning, match="separate some of the categories.*z grow"):
        model = mm.clmm("y ~ z + (1 | g)", data)
    assert model.bse["z"] > 50 and model.pvalues["z"] > 0.9  # of two directions without an end
    assert model.bse.iloc[0] < 1
    prob = model.predict(type="prob", se=True)
    assert np.isfinite(prob.to_numpy()).all()
    data = data.assign(z=data["y"].cat.codes * 7.0)
    with pytest.raises(mm.DataError, match="completely.*z"):
        mm.CumulativeLinkMixedModel("y ~ z + (1 | g)", data)


def test_levels_with_one_extreme_category_each_have_no_standard_deviation():
    data = {"y": np.repeat([1, 3, 1, 3, 1, 3, 2, 2], 4), "g": np.repeat(np.arange(8), 4)}
    with pytest.warns(mm.NumbammWarning, match="6 of 8 levels"):
        model = mm.clmm("y ~ 1 + (1 | g)", data)
    assert np.isnan(model.llf)


def test_a_poor_approximation_advises_quadrature():
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(80), 2)
    latent = 4 * rng.normal(size=80)[g] + rng.logistic(size=160)
    data = {"y": np.searchsorted([-2.0, 2.0], latent), "g": g}
    with pytest.warns(mm.NumbammWarning, match="9 nodes a dimension changes") as caught:
        model = mm.clmm("y ~ 1 + (1 | g)", data)
    nodes, change = change_by_quadrature(model)
    assert f"{change:+.2f}" in str(caught[0].message)
    by_nodes = model.space_of(model.parameters(False), nodes)
    z = by_nodes.to_scaled(model.optsum.final)
    assert by_nodes.objective(z) - model.objective == pytest.approx(change)


def test_a_good_one_does_not():
    assert abs(change_by_quadrature(mm.clmm("y ~ x + (1 | g)", simulated()))[1]) < 1

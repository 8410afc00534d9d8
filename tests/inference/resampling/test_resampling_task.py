"""Which task a kind of bootstrap has."""

import pytest

import numbamm as mm
from numbamm.errors import OptionError
from numbamm.inference.resampling.cluster_fits import ClusterFits
from numbamm.inference.resampling.resampled_fits import CaseFits, ResidualFits, WildFits
from numbamm.inference.resampling.resampling_task import refuse_kind, resampling_task
from numbamm.inference.robust.clusters import Clusters


def test_tasks():
    m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    clusters = Clusters.of(m, None)
    for kind, task in {"cases": ClusterFits, "residual": ResidualFits, "wild": WildFits}.items():
        assert type(resampling_task(m, None, 1, kind, clusters)) is task
    nested = mm.lmm("strength ~ 1 + (1 | batch / cask)", mm.datasets.load("Pastes"))
    found = resampling_task(nested, None, 1, "cases", Clusters.of(nested, None))
    assert type(found) is CaseFits


def test_residuals_of_generalized_models_are_refused():
    cbpp = mm.datasets.load("cbpp")
    g = mm.glmm("incidence ~ period + (1 | herd)", cbpp, "poisson")
    with pytest.raises(OptionError, match="is for linear models"):
        refuse_kind(g, "wild")

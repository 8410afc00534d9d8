"""`resampling_task`: the bootstraps that resample the data, by their kinds."""

from __future__ import annotations

from numbamm.errors import OptionError
from numbamm.inference.resampling.bootstrap_columns import EstimateColumns
from numbamm.inference.resampling.cluster_fits import ClusterFits, can_be_gathered
from numbamm.inference.resampling.replicates import ReplicateTask
from numbamm.inference.resampling.resampled_fits import CaseFits, ResidualFits, WildFits
from numbamm.inference.robust.clusters import Clusters

KINDS = ("parametric", "cases", "residual", "wild")


def refuse_kind(model, kind: str) -> None:
    """Refuse a kind of bootstrap other than the parametric one that does not suit the model.

    Raises
    ------
    OptionError
    """
    if any(term.relation is not None for term in model.reterms) or model.residual_side is not None:
        raise OptionError(
            f'kind="{kind}" is for independent levels and residuals: take kind="parametric"'
        )
    if kind != "cases" and not model.is_linear:
        raise OptionError(f'kind="{kind}" is for linear models: take "parametric" or "cases"')


def resampling_task(
    model, names: EstimateColumns, key: int, kind: str, clusters: Clusters | None
) -> ReplicateTask:
    """The task of a kind of bootstrap other than the parametric one; see `refuse_kind`."""
    if kind == "cases":
        assert clusters is not None
        gathered = can_be_gathered(model, clusters)
        return (ClusterFits if gathered else CaseFits)(model, names, key, clusters)
    if kind == "residual":
        return ResidualFits(model, names, key, clusters)
    assert clusters is not None
    return WildFits(model, names, key, clusters)

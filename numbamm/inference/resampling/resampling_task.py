"""`resampling_task`: the task of a kind of bootstrap that resamples the data."""

from __future__ import annotations

from numbamm.errors import OptionError
from numbamm.inference.resampling.bootstrap_columns import EstimateColumns
from numbamm.inference.resampling.cluster_fits import ClusterFits, can_be_gathered
from numbamm.inference.resampling.replicates import ReplicateTask
from numbamm.inference.resampling.resampled_fits import CaseFits, ResidualFits, WildFits
from numbamm.inference.robust.clusters import Clusters

KINDS = ("parametric", "cases", "residual", "wild")


def resampling_task(
    model, names: EstimateColumns, key: int, kind: str, clusters: Clusters | None
) -> ReplicateTask:
    """The task of a kind of bootstrap other than the parametric one.

    Raises
    ------
    OptionError
        The kind does not suit the model.
    """
    if any(term.relation is not None for term in model.reterms) or model.residual_side is not None:
        raise OptionError(
            f'kind="{kind}" is for independent levels and residuals: take kind="parametric"'
        )
    if model.composition is not None:
        raise OptionError(
            f'kind="{kind}" is for models of one predictor, not for those with zi, hurdle or '
            'dispersion: take kind="parametric"'
        )
    if kind == "cases":
        gathered = can_be_gathered(model, clusters)
        return (ClusterFits if gathered else CaseFits)(model, names, key, clusters)
    if not model.is_linear:
        raise OptionError(f'kind="{kind}" is for linear models: take "parametric" or "cases"')
    return (ResidualFits if kind == "residual" else WildFits)(model, names, key, clusters)

"""`parts_table`: the coefficients of a model's parts besides that of the mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def parts_table(model) -> pd.DataFrame:
    """A row for each coefficient; see `GeneralizedLinearMixedModel.parts`."""
    import pandas as pd

    columns = ["part", "term", "estimate", "se", "link", "value"]
    _ = model.estimates
    if model.composition is None:
        return pd.DataFrame(columns=columns)
    rows, parameters, rank = [], model.composition.family.parameters, model.feterm.rank
    lines = model.part_lines
    estimates = lines.to_user @ np.asarray(model.estimates.shape)
    with np.errstate(invalid="ignore"):
        errors = np.sqrt(np.diag(model.part_covariance)[rank:])
    for k, (line, at) in enumerate(zip(lines.lines, lines.slices, strict=True)):
        parameter = parameters[k] if k < len(parameters) else None
        link = parameter.link_name if parameter else "logit"
        constant = line.feterm.cnames == ["Intercept"]
        for name, estimate, error in zip(
            line.feterm.kept_names, estimates[at], errors[at], strict=True
        ):
            value = np.nan
            if constant:
                value = float(parameter.value(estimate)) if parameter else _logistic(estimate)
            rows.append([line.name, name, estimate, error, link, value])
    return pd.DataFrame(rows, columns=columns)


def _logistic(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))

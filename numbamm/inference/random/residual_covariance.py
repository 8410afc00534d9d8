"""`residual_covariance`: the covariance matrix of residuals that have a structure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from numbamm.elsewhere import names_arguments
from numbamm.errors import OptionError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd


@names_arguments
def residual_covariance(model, group=None) -> pd.DataFrame:
    """The covariance matrix of residuals: of all visits, or of the rows of one group.

    Parameters
    ----------
    model : LinearMixedModel
        A fitted model with `residual` or `dispersion`.
    group : label, optional
        A group of the residual structure, or a level of ``by=``. If not given, the matrix is that
        of all visits, for structures over visits without ``by=``.

    Returns
    -------
    pandas.DataFrame
        Indexed by visits; for a group by the rows of the data. A dispersion that differs within
        visits, and weights, are in the matrices of groups alone.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        The model's residuals have no structure, there is no such group, or `group` is needed.

    See Also
    --------
    LinearMixedModel.varcorr : As a table, with the random effects.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy").query("Days < 3")
    >>> m = mm.lmm("Reaction ~ Days", sleep, residual="us(Days | Subject)")
    >>> m.residual_covariance().shape, m.residual_covariance("308").shape
    ((3, 3), (3, 3))
    """
    import pandas as pd

    side, sigma = _side(model), model.sigma
    reading = side.reading
    strata = [label.partition("=")[2] for label in reading.strata]
    if group is None or str(group) in strata:
        if not reading.visits or (group is None and reading.strata):
            levels = reading.labels if not reading.strata else strata
            raise OptionError(
                f"residual_covariance needs group=, one of {', '.join(map(repr, levels[:5]))}"
                f"{' ...' if len(levels) > 5 else ''}: the matrices of groups differ"
            )
        stratum = 0 if group is None else strata.index(str(group))
        V = sigma**2 * side.of_visits(stratum)
        return pd.DataFrame(V, index=reading.visits, columns=reading.visits)
    labels = list(map(str, reading.labels))
    if str(group) not in labels or side.texts.residual is None:
        hint = did_you_mean(str(group), labels)
        raise OptionError(f"there is no group {group!r} among those of {side.text}{hint}")
    rows = np.flatnonzero(reading.groups == labels.index(str(group)))
    index = model.frame.rows[rows]
    index = index if model.frame.index is None else model.frame.index[index]
    return pd.DataFrame(sigma**2 * side.at_rows(rows), index=index, columns=index)


def _side(model):
    _ = model.estimates
    if model.residual_side is None:
        raise OptionError(
            "the model's residuals are independent, with one variance: sigma is all there is; "
            "build it with residual= or dispersion= for more"
        )
    return model.residual_side

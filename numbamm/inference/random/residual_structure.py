"""`residual_parameters` and `residual_covariance`: what a model says about its residuals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from numbamm.blocks.threads import blas_threads
from numbamm.elsewhere import names_arguments
from numbamm.errors import OptionError, did_you_mean
from numbamm.inference.random.residual_parameters import ResidualParameters
from numbamm.report.tableframe import TableFrame

if TYPE_CHECKING:
    import pandas as pd

#: Half-width of differences, in about a hundredth of a standard error.
STEP = 1e-3


@names_arguments
def residual_parameters(model) -> TableFrame:
    """Standard deviations, correlations, ranges, powers and so on of the residuals.

    Parameters
    ----------
    model : LinearMixedModel
        A fitted model with `residual` or `dispersion`.

    Returns
    -------
    TableFrame, a pandas.DataFrame
        ``estimate`` and ``se``, a row each. The first is σ, unless there is a standard deviation
        for each visit.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        The model's residuals have no structure.

    See Also
    --------
    LinearMixedModel.residual_covariance : The matrix.
    LinearMixedModel.varcorr : With the random effects.

    Notes
    -----
    Standard errors follow by the delta method from the observed information of all covariance
    parameters, σ included; at a bound, as of a correlation of 1 or a nugget of 0, there are none.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> m = mm.lmm("Reaction ~ Days + (1 | Subject)", sleep, residual="ar1(Days | Subject)")
    >>> m.residual_parameters().round(3).to_dict("index")["rho"]
    {'estimate': 0.641, 'se': 0.091}
    """
    import pandas as pd

    side = _side(model)
    phi, sigma = side.phi, model.sigma

    def values(x: np.ndarray) -> np.ndarray:
        own = side.parameters(x[1:], float(np.exp(x[0])))
        first = [] if side.reading.cells is not None else [float(np.exp(x[0]))]
        return np.array([*first, *own.values()])

    at = np.concatenate([[np.log(sigma)], phi])
    steps = 1e-6 * np.eye(len(at))
    J = np.array([(values(at + h) - values(at - h)) / 2e-6 for h in steps])
    with blas_threads():
        covariance = _covariance(model)
    errors = np.sqrt(np.einsum("ak,ab,bk->k", J, covariance, J))
    own = ResidualParameters(side)
    met = own.are_at_bounds(own.values(phi, sigma))
    errors[len(errors) - len(met) :][met] = np.nan
    names = list(side.parameters(phi, sigma))
    names = names if side.reading.cells is not None else ["sigma", *names]
    frame = pd.DataFrame({"estimate": values(at), "se": errors}, index=names)
    return TableFrame(frame, f"Parameters of the residuals: {side.text}")


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
    LinearMixedModel.residual_parameters : With standard errors.

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


def _covariance(model) -> np.ndarray:
    """Covariance of log σ, which comes first, and φ, by the observed information.

    With f profiled over σ, cov z = 2 H⁻¹; given z, log σ has the variance 1/(2d) around log σ̂(z).
    """
    space, k = model.space, model.residual_side.size
    z = space.to_scaled(model.optsum.final)
    free = np.ones(len(z), dtype=bool)
    if model.is_singular():
        theta = z[k:] * space.scaled.theta_sizes
        free[k:] = np.abs(theta) > 1e-6  # a zero is on the boundary, and counts as known
    _, H = space.derivatives(z)
    inner = np.zeros_like(H)
    inner[np.ix_(free, free)] = 2 * np.linalg.pinv(H[np.ix_(free, free)], hermitian=True)
    if model.optsum.sigma is not None:
        out = np.zeros((k + 1, k + 1))
        out[1:, 1:] = inner[:k, :k]
        return out
    steps = np.diag(STEP * space.scales(z))
    slopes = [(space.log_sigma(z + h) - space.log_sigma(z - h)) / (2 * h.max()) for h in steps]
    cross = inner @ np.array(slopes)
    out = np.empty((k + 1, k + 1))
    out[0, 0] = 0.5 / model.degrees + np.array(slopes) @ cross
    out[0, 1:] = out[1:, 0] = cross[:k]
    out[1:, 1:] = inner[:k, :k]
    return out

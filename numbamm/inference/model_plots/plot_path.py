"""`model.plot.path`: how the optimisation went."""

from __future__ import annotations

import numpy as np

from numbamm.elsewhere import names_arguments


@names_arguments
def path(model, *, axes=None) -> np.ndarray:
    """Plot the objective and the parameters of each evaluation of the fit.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    axes : sequence of two matplotlib Axes, optional
        Where to draw; a new figure, if not given.

    Returns
    -------
    ndarray of matplotlib Axes, shape (2,)
        By how much the objective exceeds the lowest one, on a logarithmic axis; and the
        parameters.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        matplotlib is not installed.

    See Also
    --------
    OptSummary : How the search ended.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> [ax.get_ylabel() for ax in m.plot.path()]
    ['Objective above its minimum', 'Parameter']
    """
    _ = model.estimates
    return model.optsum.plot(axes=axes)

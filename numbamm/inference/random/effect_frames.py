"""`EffectFrames`: frames by grouping factor that a fit's plots draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from numbamm.errors import OptionError
from numbamm.report.frames import Frames

if TYPE_CHECKING:
    import pandas as pd


class EffectFrames(Frames):
    """Frames of random effects by grouping factor; ``plot()`` draws them.

    Parameters
    ----------
    frames : dict of str to pandas.DataFrame
    model : MixedModel
        The fitted model.
    name : str
        The method of ``model.plot`` that draws them.

    See Also
    --------
    LinearMixedModel.ranef, shrinkage : Return them.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> effects = m.ranef()
    >>> list(effects), effects["Subject"].shape
    (['Subject'], (18, 2))
    """

    def __init__(self, frames: dict[str, pd.DataFrame], model, name: str) -> None:
        super().__init__(frames)
        self._model, self._estimates, self._name = model, model.estimates, name

    def __reduce__(self):
        return Frames, (dict(self),)  # without the model

    @property
    def plot(self) -> Callable[..., np.ndarray]:
        """The plot of these effects: that method of ``model.plot``, with its options.

        Raises
        ------
        OptionError
            The model has been fitted again since.

        See Also
        --------
        models.plot_methods.Plots.ranef, models.plot_methods.Plots.shrinkage : What is drawn.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> len(m.ranef().plot())
        2
        """
        if self._model.estimates is not self._estimates:
            raise OptionError("the model has been fitted again since: take its effects anew")
        return getattr(self._model.plot, self._name)

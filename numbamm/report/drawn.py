"""`Drawn` and `EffectFrames`: tables of a fit that the plots of its model draw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from numbamm.errors import OptionError
from numbamm.report.frames import Frames

if TYPE_CHECKING:
    import pandas as pd


class Drawn:
    """Base of tables of a fit; ``plot()`` draws them.

    Parameters
    ----------
    model : MixedModel
        The fitted model.
    name : str
        The method of ``model.plot`` that draws them.
    """

    #: The model, its estimates and the method; None of what was pickled, without its model.
    _source: tuple[Any, Any, str] | None = None

    def _draw_by(self, model, name: str) -> None:
        self._source = model, model.estimates, name

    def __getstate__(self) -> dict:
        return {name: value for name, value in vars(self).items() if name != "_source"}

    @property
    def plot(self) -> Callable[..., Any]:
        """The plot of these numbers: that method of ``model.plot``, with its options.

        Raises
        ------
        OptionError
            The model has been fitted again since, or these numbers come from a file.

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
        if self._source is None:
            raise OptionError("numbers from a file have no model to draw them: use model.plot")
        model, estimates, name = self._source
        if model.estimates is not estimates:
            raise OptionError("the model has been fitted again since: take these numbers anew")
        return getattr(model.plot, name)


class EffectFrames(Drawn, Frames):
    """Frames of random effects by grouping factor; ``plot()`` draws them.

    Parameters
    ----------
    frames : dict of str to pandas.DataFrame
    title : str
        What the numbers are: the title of the table.
    model : MixedModel
        The fitted model.
    name : str
        The method of ``model.plot`` that draws them.

    See Also
    --------
    LinearMixedModel.ranef, LinearMixedModel.coef, shrinkage : Return them.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> effects = m.ranef()
    >>> list(effects), effects["Subject"].shape
    (['Subject'], (18, 2))
    """

    def __init__(self, frames: Mapping[str, pd.DataFrame], title: str, model, name: str) -> None:
        super().__init__(frames, title)
        self._draw_by(model, name)

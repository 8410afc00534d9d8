"""`Plots`: the methods of ``model.plot``, functions of `numbamm.inference.model_plots`.

A file ``plot_residuals.py`` of that folder has the method `residuals`, and so on; the stub beside
this file declares them for type checkers. A function is imported when its method is first looked
up.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import MethodType

from numbamm.elsewhere import value_hint

#: The folder of the functions, and how it is imported: models know no inference, see the page
#: docs/about/architecture.md.
FOLDER = Path(__file__).parents[1] / "inference" / "model_plots"
PACKAGE = "numbamm.inference.model_plots"


class PlotMethod:
    """A method of ``model.plot``: the function of that name, with the model as first argument."""

    def __set_name__(self, owner, name: str) -> None:
        self.name = name

    def __get__(self, plots, owner=None):
        function = getattr(import_module(f"{PACKAGE}.plot_{self.name}"), self.name)
        return function if plots is None else MethodType(function, plots._model)


class Drawing:
    """What ``model.plot`` is: the model, and how it lists its methods."""

    def __init__(self, model) -> None:
        self._model = model

    def __dir__(self) -> list[str]:
        return NAMES

    def __call__(self, *, seed: int | None = 0, axes=None):
        """Four plots that tell whether the model fits: `diagnostics`."""
        return self.diagnostics(seed=seed, axes=axes)

    def __getattr__(self, name: str):
        if name.startswith("_"):
            raise AttributeError(f"plots have no attribute '{name}'")
        raise AttributeError(
            f"m.plot has no '{name}'{value_hint('plot', name, NAMES)}; there are {', '.join(NAMES)}"
        )

    def __repr__(self) -> str:
        return f"Plots of {self._model.formula}: {', '.join(NAMES)}"


NAMES = sorted(path.stem.removeprefix("plot_") for path in FOLDER.glob("plot_*.py"))

Plots = type(
    "Plots",
    (Drawing,),
    {
        "__module__": __name__,
        "__doc__": "Plots of a fitted model, a method each.",
        **{name: PlotMethod() for name in NAMES},
    },
)

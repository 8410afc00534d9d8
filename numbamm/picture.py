"""`Picture`: the file that the command line draws a model's diagnostics into."""

from __future__ import annotations

from pathlib import Path

from numbamm.errors import OptionError


class Picture:
    """A file for a picture, which can be written.

    Parameters
    ----------
    name : str
        The suffix says the format: ``.png``, ``.pdf``, ``.svg`` and others that matplotlib has.

    Raises
    ------
    OptionError
        matplotlib is not installed, or it has no such format, or there is no such folder.
    """

    def __init__(self, name: str) -> None:
        try:
            import matplotlib
        except ImportError as error:
            raise OptionError('--plot needs matplotlib: pip install "numbamm[plot]"') from error
        matplotlib.use("Agg")  # no window, and no display is needed
        from matplotlib.backend_bases import FigureCanvasBase

        self.path = Path(name)
        formats = FigureCanvasBase.get_supported_filetypes()
        if self.path.suffix.lower().removeprefix(".") not in formats:
            endings = ", ".join(f".{ending}" for ending in sorted(formats))
            raise OptionError(f"--plot {name}: the file must end in one of {endings}")
        if not self.path.absolute().parent.is_dir():
            raise OptionError(f"--plot {name}: there is no folder {self.path.parent}")

    def draw(self, model) -> None:
        """Draw the diagnostics of a fitted model.

        Raises
        ------
        OptionError
            The file cannot be written.
        """
        figure = model.plot.diagnostics()[0].figure
        try:
            figure.savefig(self.path)
        except OSError as error:
            raise OptionError(f"--plot {self.path} cannot be written: {error}") from error

"""`Estimates`: a result that consists of estimates and intervals, and can be drawn."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from numbamm.report.content import shown_name
from numbamm.report.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(repr=False)
class Estimates(Result):
    """Estimates with intervals, a row each; `plot` draws them.

    Attributes
    ----------
    ratios : bool
        Whether the estimates are ratios, which are compared with 1 on a logarithmic axis, rather
        than differences, which are compared with 0.
    measure : str
        What the estimates are, in words: ``"Odds ratio"``.

    See Also
    --------
    coef_table, contrast, LinearMixedModel.summary : Some that return estimates.
    Result : The table, and what all results have.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> table = m.coef_table()
    >>> round(float(table.frame.loc["Days", "estimate"]), 3)
    10.467
    """

    ratios: bool = False

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw the estimates and their intervals, one below the other.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure, if not given.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        OptionError
            matplotlib is not installed.

        See Also
        --------
        numbamm.plot_coefficients : The coefficients of several models.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> ax = m.coef_table().plot()
        >>> [tick.get_text() for tick in ax.get_yticklabels()]
        ['Days', '(Intercept)']
        """
        from numbamm.report.plots.forest import forest

        frame = self.frame
        return forest(
            self._names(),
            {"": tuple(frame[["estimate", "lower", "upper"]].to_numpy(dtype=float).T)},
            xlabel=self.measure,
            reference=1.0 if self.ratios else 0.0,
            log=self.ratios,
            ax=ax,
        )

    @property
    def measure(self) -> str:
        """What the estimates are, in words: ``Odds ratio`` of the heading ``odds.ratio``."""
        heading = self.headings.get("estimate", "ratio" if self.ratios else "estimate")
        words = re.sub(r"(?<=[a-z])\.(?=[a-z])", " ", heading)
        return words[0].upper() + words[1:]

    def _names(self) -> list[str]:
        """The name of each row: those of the index, or the words before the estimate."""
        frame = self.frame
        words = frame.iloc[:, : frame.columns.get_loc("estimate")]
        if not words.shape[1]:
            return [shown_name(str(name)) for name in frame.index]
        # A comparison, then the values within which it is made.
        columns = [words.columns[-1], *words.columns[:-1]]
        return [", ".join(map(str, row)) for row in words[columns].itertuples(index=False)]

"""`ModelFrame`: the response, the model matrices and the rows that a model is fitted to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from numbamm.completion import ForUsers
from numbamm.design.remat import ReMat

if TYPE_CHECKING:
    import pandas as pd

    from numbamm.formula.newrows import NewRows
    from numbamm.formula.right_side import Design


@dataclass(repr=False)
class ModelFrame(ForUsers):
    """The response and the model matrices of a formula on data.

    Attributes
    ----------
    formula : str
        The formula with normalised spaces.
    response : str
        Left-hand side of the formula.
    y : ndarray of float64, shape (n,)
        The response. Like all arrays of length n it has the retained rows only.
    X : ndarray of float64, shape (n, p)
        Columns of the fixed effects.
    xnames : list of str
        Their names.
    reterms : list of ReMat
        The random-effects terms by decreasing number of random effects.
    weights, offset : ndarray of float64, shape (n,), or None
        The offset is the sum of the argument and the formula's ``offset()`` terms.
    rows : ndarray of int64, shape (n,)
        Positions of the retained rows in the data as given.
    nrows : int
        Rows of the data as given.
    n_missing : int
        Rows dropped because of a missing value in a used column.
    n_zero_weight : int
        Rows dropped because their weight, or their number of trials, is zero.
    index : pandas.Index or None
        Index of the data as given, if they were a pandas frame.
    units : dict of str to str
        Units of columns, from ``data.attrs["units"]`` of a pandas frame; plots show them.
    trials : ndarray of float64, shape (n,), or None
        Trials behind each proportion, if the response is ``cbind(successes, failures)``.
    success_level : object or None
        The level that counts as 1 in a two-level response.
    weights_name : str or None
        The column given as `weights`.
    offset_name : str or None
        The column given as `offset`, which new data must have too.
    has_array_offset : bool
        Whether an array was given as `offset`, which is unknown for new data.
    design : Design
        What makes the same columns of other data.
    columns : dict of str → pandas.Series
        The data's columns that the fixed effects use, in the retained rows: for other codings
        of factors, and for grids of their levels.
    members : list of list of int
        For each of `reterms`, the positions of the formula's terms in it.
    parts : dict of str → (ndarray, list of str)
        Columns, shape (n, columns), and their names, of the formulas of further parts.
    part_columns : dict of str → pandas.Series
        The data's columns that other parts need, in the retained rows.
    categories : list or None
        The categories of an ordered response, in their order.

    See Also
    --------
    FeMat, ReMat : Columns as they are fitted.
    LinearMixedModel.endog, LinearMixedModel.exog : The response and the columns alone.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.LinearMixedModel("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    >>> m.frame.response, m.frame.nrows, m.frame.n_missing, m.frame.y[:2].tolist()
    ('Yield', 30, 0, [1545.0, 1440.0])
    """

    _between_rooms = frozenset(
        "design members new_rows of_part nobs are_cells with_unit parts part_columns digest".split()
    )

    formula: str
    response: str
    y: np.ndarray
    X: np.ndarray
    xnames: list[str]
    reterms: list[ReMat]
    weights: np.ndarray | None
    offset: np.ndarray | None
    rows: np.ndarray
    nrows: int
    n_missing: int
    n_zero_weight: int
    index: pd.Index | None
    units: dict[str, str]
    trials: np.ndarray | None
    success_level: Any
    weights_name: str | None
    offset_name: str | None
    has_array_offset: bool
    design: Design = field(repr=False)
    columns: dict[str, pd.Series] = field(repr=False)
    members: list[list[int]] = field(repr=False)  # positions of the design's terms in each reterm
    parts: dict[str, tuple[np.ndarray, list[str]]] = field(default_factory=dict, repr=False)
    part_columns: dict[str, pd.Series] = field(default_factory=dict, repr=False)
    categories: list[Any] | None = None

    #: Whether the rows are cells of equal rows; see `sources.cell_table`.
    are_cells: ClassVar[bool] = False

    @property
    def digest(self) -> np.ndarray:
        """Σ w, Σ wy and Σ wy²: equal for models of the same responses and weights."""
        return digest(self.y, self.weights)

    @property
    def nobs(self) -> int:
        """Number of rows used."""
        return len(self.y)

    def new_rows(
        self,
        newdata: Any,
        *,
        random: bool | Collection[int] = True,
        weights: Any = None,
        parts: Collection[str] = (),
        columns: Collection[str] = (),
    ) -> NewRows:
        """The same model matrices for other data, with the levels and transforms of the fit.

        Parameters
        ----------
        newdata
            A frame or a dict of arrays with the columns that the right-hand side uses.
        random
            Whether to build the random-effects terms, or the positions of those to build; columns
            that only other terms use are not needed.
        weights
            Prior weights: a column's name, or an array.
        parts
            Names of the further parts to build.
        columns
            Names of columns to take as they are.

        Raises
        ------
        DataError
            If a column is missing, or if a fixed-effects factor has a level unknown to the fit.
        """
        from numbamm.formula.newrows import new_rows

        wanted = range(len(self.reterms)) if random is True else sorted(random or ())
        return new_rows(self, newdata, wanted, weights, parts, columns)

    def of_part(self, name: str) -> ModelFrame:
        """The frame of the same rows, whose fixed effects are those of a further part."""
        X, names = self.parts[name]
        design = self.design.of_part(name)
        return replace(
            self,
            response=name,
            X=X,
            xnames=names,
            offset=None,
            offset_name=None,
            has_array_offset=False,
            trials=None,
            success_level=None,
            design=design,
            columns={column: self.part_columns[column] for column in sorted(design.fixed_columns)},
        )

    def with_unit(self, name: str) -> str:
        """A column's name, and its unit if there is one: ``Reaction (ms)``."""
        return f"{name} ({self.units[name]})" if name in self.units else name

    def __repr__(self) -> str:
        terms = ", ".join(f"({', '.join(t.cnames)} | {t.group})" for t in self.reterms)
        return f"ModelFrame({self.formula!r}: {len(self.y)} rows, X {self.X.shape}, {terms})"


def digest(y: np.ndarray, w: np.ndarray | None) -> np.ndarray:
    """Σ w, Σ wy and Σ wy² of responses and their weights; see `ModelFrame.digest`."""
    w = np.ones(len(y)) if w is None else w
    with np.errstate(over="ignore"):
        return np.array([w.sum(), w @ y, w @ y**2])

"""`ManyFits`: what `lmm_many` and `lmm_groups` return."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from numbamm.errors import OptionError, did_you_mean, shown, warn
from numbamm.files import require_pyarrow
from numbamm.inference.many.fit_columns import OF_TESTS, Names
from numbamm.inference.many.store import Store
from numbamm.inference.resampling.workers import holding
from numbamm.report.content import Report, of_frame
from numbamm.report.tabular import Tabular

if TYPE_CHECKING:
    import pandas as pd

#: Lines of the printed table.
SHOWN = 10


@dataclass(repr=False)
class ManyFits(Tabular):
    """Fits of many responses, or of many groups of rows.

    It prints as the tests with the smallest p-values. `to_frame` has all tests, a line each, and
    `fits` everything that was estimated, a line a fit. What could not be fitted is in `failed`
    alone.

    Attributes
    ----------
    title : str
        Title of the table.
    formula : str
    labels : list of str
        What fits are named by: ``response``, or the columns that make the groups.
    keys : list
        Names of the fits, in order; tuples, where several columns make the groups.
    names : Names
        Names of the coefficients, θ, components and tests.
    failed : dict of key to str
        Fits that there are none of, and the reasons.
    doubts : dict of key to str
        What speaks against estimates, or why there are no degrees of freedom.
    n_singular : int
        Number of singular fits.
    n, n_failed : int
        Number of responses or groups, and of those that could not be fitted.
    notes : list of str
        Sentences below the table.
    path : path or None
        The Parquet file that has the columns, if they were not kept in memory.

    See Also
    --------
    lmm_many, lmm_groups : Make one.

    Examples
    --------
    >>> import numpy as np
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> Y = np.random.default_rng(1).normal(size=(180, 5))
    >>> r = mm.lmm_many("~ Days + (1 | Subject)", sleep, Y)
    >>> r.n, r.to_frame().shape
    (5, (10, 7))
    """

    title: str
    formula: str
    labels: list[str]
    keys: list[Hashable]
    names: Names
    failed: dict[Hashable, str]
    doubts: dict[Hashable, str]
    n_singular: int
    notes: list[str] = field(default_factory=list)
    path: object = None
    _columns: dict = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Number of responses or groups, failed ones included."""
        return len(self.keys)

    @property
    def n_failed(self) -> int:
        """Number of those that could not be fitted."""
        return len(self.failed)

    @property
    def fits(self) -> pd.DataFrame:
        """All that was estimated, a pandas frame with a line for each fit.

        Columns: ``nobs``, ``objective``, ``sigma``; ``beta_``, ``se_`` and ``theta_`` followed by
        names; standard deviations and correlations of the random effects as in
        ``Bootstrap.frame``; ``singular``, ``converged``; and of each test ``df_``,
        ``statistic_`` and ``pvalue_``, with ``padjusted_`` if that was asked for. Of tests of
        other combinations than coefficients also ``estimate_`` and ``se_``.

        See Also
        --------
        ManyFits.to_frame : With a line for each test.

        Examples
        --------
        >>> import numpy as np
        >>> import numbamm as mm
        >>> sleep = mm.datasets.load("sleepstudy")
        >>> Y = np.random.default_rng(1).normal(size=(180, 5))
        >>> mm.lmm_many("~ Days + (1 | Subject)", sleep, Y).fits["beta_Days"].round(3).to_list()
        [-0.043, -0.002, -0.011, 0.019, 0.018]
        """
        import pandas as pd

        columns = self._all_columns()
        good = self._good()
        names = [name for name in columns if name not in ("reason", "doubt", *self.labels)]
        frame = pd.DataFrame({name: columns[name][good] for name in names})
        return frame.set_axis(self._index(good))

    def _index(self, good):
        import pandas as pd

        keys = [key for key, fine in zip(self.keys, good, strict=True) if fine]
        if len(self.labels) > 1:
            return pd.MultiIndex.from_tuples(keys, names=self.labels)
        return pd.Index(keys, name=self.labels[0])

    def _good(self) -> np.ndarray:
        """Which of the keys have a fit."""
        return np.array([key not in self.failed for key in self.keys], dtype=bool)

    def _all_columns(self) -> dict:
        """The columns, which may be in a file."""
        if self.path is None:
            return self._columns
        table = require_pyarrow().parquet.read_table(self.path)
        return {name: table[name].to_numpy() for name in table.column_names}

    def to_frame(self, test: str | None = None) -> pd.DataFrame:
        """All tests, a pandas frame with a line for each test of each fit.

        Parameters
        ----------
        test : str, optional
            The name of one test, whose lines alone are wanted.

        Returns
        -------
        pandas.DataFrame
            The response or group, ``test``, ``estimate``, ``se``, ``df``, ``statistic``,
            ``pvalue``, and ``padjusted`` if that was asked for.

        Raises
        ------
        OptionError
            There is no such test.

        See Also
        --------
        ManyFits.fits : With a line for each fit.

        Examples
        --------
        >>> import numpy as np
        >>> import numbamm as mm
        >>> sleep = mm.datasets.load("sleepstudy")
        >>> Y = np.random.default_rng(1).normal(size=(180, 5))
        >>> r = mm.lmm_many("~ Days + (1 | Subject)", sleep, Y, fdr="bh")
        >>> r.to_frame("Days")["padjusted"].round(2).to_list()
        [0.5, 0.91, 0.84, 0.8, 0.8]
        """

        tests = self.names.tests
        if test is not None:
            if test not in tests:
                raise OptionError(
                    f"there is no test {shown(test)}{did_you_mean(str(test), tests)}; there are "
                    f"{', '.join(tests)}"
                )
            tests = [test]
        columns, good = self._all_columns(), self._good()
        count, n = len(tests), int(good.sum())
        frame = self._index(good).repeat(count).to_frame(index=False)
        frame["test"] = np.tile(np.array(tests, dtype=object), n)
        whats = [*OF_TESTS]
        if any(f"padjusted_{t}" in columns for t in tests):
            whats.append("padjusted")
        for what in whats:
            values = [columns[self.names.of_test(what, t)][good] for t in tests]
            frame[what] = np.stack(values, axis=1).ravel() if len(frame) else np.empty(0)
        known = frame["estimate"].notna()
        return frame if known.all() else frame[known].reset_index(drop=True)

    def _report(self) -> Report:
        kind = "groups" if self.labels != ["response"] else "responses"
        counts = f"{self.n:,} {kind}: {self.n_singular:,} singular, {self.n_failed:,} failed."
        notes = [counts, *self.notes]
        if self.path is not None:
            return Report(
                self.title, self.formula, [], [*notes, f"The numbers are in {self.path}."]
            )
        if self.n == self.n_failed or not self.names.tests:
            return Report(self.title, self.formula, [], notes)
        frame = self.to_frame()
        if len(frame) > SHOWN:
            interesting = frame[frame["test"] != "Intercept"]
            frame = interesting if len(interesting) else frame
            frame = frame.iloc[np.argsort(frame["pvalue"].to_numpy(), kind="stable")[:SHOWN]]
            what = "tests" if len(interesting) == 0 else "tests but of intercepts"
            notes.insert(1, f"The {SHOWN} {what} with the smallest p-values; to_frame() has all.")
        shown_frame = frame.reset_index(drop=True)
        for label in self.labels:
            shown_frame[label] = [str(key) for key in shown_frame[label]]
        return Report(self.title, self.formula, [of_frame(shown_frame)], notes)


def many_fits(
    store: Store, done: int, columns: dict, *, keys, labels, path, fdr, names, title, formula, ended
) -> ManyFits:
    """The result, from columns that are stored; warns of an interrupt and of failures."""
    if done < len(keys) and ended is None:
        warn(f"interrupted: {done:,} of {len(keys):,} are fitted, and kept")
    keys = keys[:done]
    reasons, doubtful, singular = store.reasons, store.doubts, store.singular
    failed = {keys[i]: reason for i, reason in reasons.items()}
    doubts = {keys[i]: reason for i, reason in doubtful.items()}
    if failed:
        first = next(iter(failed))
        warn(
            f"{len(failed):,} of {len(keys):,} could not be fitted, {first!r} among them: "
            f"{failed[first]}; `failed` has all reasons"
        )
    notes = []
    if doubts:
        notes.append(f"Doubts about {len(doubts):,} fits; see `doubts`.")
    if fdr:
        whose = "Benjamini and Hochberg" if fdr == "bh" else "Benjamini and Yekutieli"
        notes.append(f"padjusted: by {whose}, over the fits of each test.")
    result = ManyFits(
        title, formula, labels, keys, names, failed, doubts, singular, notes, path, columns
    )
    if ended is not None:
        raise holding(ended, result)
    return result

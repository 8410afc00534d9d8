"""`Tabular`: what prints as a table, and leaves as text, HTML, Markdown, LaTeX or Word."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

from numbamm.report import html, text
from numbamm.report.content import Report

if TYPE_CHECKING:
    import pandas as pd


class Tabular:
    """Base of models and results that print as tables.

    A class says what is in its table, `_report`, and which numbers are behind it, `to_frame`.

    See Also
    --------
    Result, ModelTable : Some that are tables.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    >>> print(m.icc().to_markdown().splitlines()[0])
    **Intraclass correlations**
    """

    def _report(self) -> Report:
        """Titles, cells and notes."""
        raise NotImplementedError

    def to_frame(self) -> pd.DataFrame:
        """The unrounded numbers of the table, a pandas frame.

        Returns
        -------
        pandas.DataFrame
            A copy: changing it does not change the result.

        Raises
        ------
        NotFittedError
            Of a model that has not been fitted. A result raises nothing.

        See Also
        --------
        tidy : The parameters of a model, one per row.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
        >>> m.icc().to_frame()["adjusted"].round(2).to_dict()
        {'Batch': 0.36, 'all': 0.36}
        """
        raise NotImplementedError

    def __repr__(self) -> str:
        return text.report_text(self._report())

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_html(self) -> str:
        """The table as HTML: one ``<div>``, valid wherever it is put, without colours.

        Returns
        -------
        str

        Raises
        ------
        NotFittedError
            Of a model that has not been fitted. A result raises nothing.

        See Also
        --------
        LinearMixedModel.to_markdown, LinearMixedModel.to_latex

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
        >>> m.r2().to_html().count("<tr>")
        3
        """
        return html.report_html(self._report())

    def to_markdown(self) -> str:
        """The table as Markdown: a pipe table with its title above and its notes below.

        Returns
        -------
        str

        Raises
        ------
        NotFittedError
            Of a model that has not been fitted. A result raises nothing.

        See Also
        --------
        LinearMixedModel.to_html, LinearMixedModel.to_latex

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
        >>> print(m.icc().to_markdown())
        **Intraclass correlations**
        <BLANKLINE>
        |       | adjusted | unadjusted |
        | :---- | -------: | ---------: |
        | Batch |   0.3616 |     0.3616 |
        | all   |   0.3616 |     0.3616 |
        """
        from numbamm.report.markdown import report_markdown

        return report_markdown(self._report())

    def to_latex(
        self, *, caption: str | None = None, label: str | None = None, floating: bool = True
    ) -> str:
        r"""The table as LaTeX, for documents with ``\usepackage{booktabs}``.

        Parameters
        ----------
        caption : str, optional
            LaTeX code; the title and the formula of the table, if not given. There is no caption
            if it is empty.
        label : str, optional
            A name for ``\ref``.
        floating : bool
            Whether the table floats, in an environment ``table``; without it there is no caption.

        Returns
        -------
        str
            Special characters of names are escaped, and Greek letters are set in mathematics.
            Of other letters pdfLaTeX knows those of European languages; XeLaTeX and LuaLaTeX know
            those of their fonts.

        Raises
        ------
        NotFittedError
            Of a model that has not been fitted.
        OptionError
            `caption` or `label` is not a text, or `floating` neither True nor False.

        See Also
        --------
        LinearMixedModel.to_html, LinearMixedModel.to_word

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
        >>> print(m.icc().to_latex(floating=False))
        \begingroup
        \small
        \begin{tabular}{@{}lrr@{}}
        \toprule
        & adjusted & unadjusted \\
        \midrule
        Batch & 0.3616 & 0.3616 \\
        all & 0.3616 & 0.3616 \\
        \bottomrule
        \end{tabular}
        \par\endgroup
        """
        from numbamm.report.latex import report_latex

        return report_latex(self._report(), caption, label, floating)

    def to_word(self, path: str | PathLike) -> None:
        """Write the table into a Word document; this needs python-docx (``numbamm[word]``).

        Parameters
        ----------
        path : str or path
            The file, whose name ends in ``.docx``; one that exists is replaced.

        Raises
        ------
        NotFittedError
            Of a model that has not been fitted.
        OptionError
            python-docx is not installed, the file's name does not end in ``.docx``, or it cannot be
            written.

        See Also
        --------
        LinearMixedModel.to_latex, LinearMixedModel.to_html

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     m.to_word(Path(folder) / "table.docx")
        ...     [path.name for path in Path(folder).iterdir()]
        ['table.docx']
        """
        from numbamm.report.word import write_word

        write_word(self._report(), path)

    def to_great_tables(self) -> Any:
        """The table as a ``GT`` of the package great_tables, to be styled further.

        Returns
        -------
        great_tables.GT
            The cells are texts as in the printed table. If there are several tables, as for a
            model, it is the last of them, the coefficients; ``GT(result.to_frame())`` has the
            unrounded numbers.

        Raises
        ------
        NotFittedError
            Of a model that has not been fitted.
        OptionError
            great_tables is not installed.

        See Also
        --------
        LinearMixedModel.to_html

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
        >>> table = m.icc().to_great_tables()  # doctest: +SKIP
        """
        from numbamm.report.greattables import great_table

        return great_table(self._report())

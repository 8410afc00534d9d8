"""`FixedEffects`: the coefficients of a fit by statsmodels' names, with tests and intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numbamm import config

if TYPE_CHECKING:
    import pandas as pd

    from numbamm.report.tableframe import EffectTable


class FixedEffects:
    """Estimates of the fixed effects as pandas objects, labelled by coefficient.

    Standard errors, tests and intervals are Wald's, unless the configuration has another method
    under ``ddf``; `coef_table` and `conf_int` take one by call.
    """

    @property
    def beta(self) -> np.ndarray:
        """Coefficients β, shape (p,); NaN for columns dropped for rank deficiency.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        LinearMixedModel.params : With names.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> m.beta.round(3).tolist()
        [251.405, 10.467]
        """
        return self.feterm.full(self.estimates.beta)

    @property
    def coefficient_names(self) -> list[str]:
        """Names of all coefficients that tables show, those of dropped columns included."""
        return self.feterm.cnames

    @property
    def kept_coefficients(self) -> list[str]:
        """Names of the coefficients that have estimates."""
        return self.feterm.kept_names

    @property
    def dropped_coefficients(self) -> list[str]:
        """Names of columns without a coefficient, since they depend on others."""
        return self.feterm.dropped

    @property
    def why_dropped(self) -> str:
        """Why columns have no coefficient."""
        return "Rank-deficient fixed effects"

    @property
    def coefficients(self) -> np.ndarray:
        """Estimates of the kept coefficients."""
        return self.estimates.beta

    @property
    def coefficient_covariance(self) -> np.ndarray:
        """Their covariance matrix."""
        return self.beta_covariance

    @property
    def basis_to_coefficients(self) -> np.ndarray:
        """The map to the kept coefficients from those of the columns as they are fitted."""
        return self.feterm.to_basis

    def _labelled(self, values):
        import pandas as pd

        kept = pd.Series(values, index=self.kept_coefficients, dtype=float)
        names = self.coefficient_names
        return kept if len(kept) == len(names) else kept.reindex(names)

    @property
    def params(self) -> pd.Series:
        """Coefficients β, a pandas Series by coefficient; NaN for dropped columns.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        coef_table : With tests and intervals.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> m.params.round(3).to_dict()
        {'Intercept': 251.405, 'Days': 10.467}
        """
        return self._labelled(self.coefficients)

    def _tests(self):
        """The configured method of degrees of freedom; None for Wald's z, the usual one."""
        return None if config.get("ddf") in ("auto", "wald") else self.coefficient_method(None)

    @property
    def bse(self) -> pd.Series:
        """Standard errors of β, a pandas Series.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        LinearMixedModel.cov_params : With covariances.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> m.bse.round(3).to_dict()
        {'Intercept': 6.632, 'Days': 1.502}
        """
        return self._labelled(np.sqrt(np.diag(self._kept_covariance())))

    @property
    def tvalues(self) -> pd.Series:
        """Coefficients over their standard errors, a pandas Series.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        LinearMixedModel.pvalues

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> m.tvalues.round(2).to_dict()
        {'Intercept': 37.91, 'Days': 6.97}
        """
        return self.params / self.bse

    @property
    def pvalues(self) -> pd.Series:
        """Two-sided p-values, a pandas Series.

        From the normal distribution, unless the configuration has another method under ``ddf``.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        coef_table : By other methods: ``ddf="satterthwaite"``.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> bool(m.pvalues["Days"] < 1e-10)
        True
        """
        from scipy.special import ndtr, stdtr

        method, sizes = self._tests(), self.tvalues.abs()
        if method is None:
            return 2 * ndtr(-sizes)
        return 2 * stdtr(self._labelled(method.df(np.eye(self.feterm.rank))), -sizes)

    def cov_params(self, *, robust: str | None = None, cluster: Any = None) -> EffectTable:
        """Covariance matrix of the estimates of β.

        Parameters
        ----------
        robust : {"CR0", "CR1", "CR2"}, optional
            A covariance by clusters, which holds whatever the covariance of the rows of a cluster
            is. If not given, the covariance is the model's.
        cluster : str or array, optional
            With `robust`: a grouping factor, or a label for each row of the data. Clusters are
            independent: levels of random effects lie within them. If not given, the grouping
            factor within which those of all other terms are nested.

        Returns
        -------
        EffectTable, a pandas.DataFrame, shape (p, p)
            With the names of the coefficients; NaN for dropped columns. Its `to_latex`,
            `to_markdown` and `to_html` are those of results.

        Raises
        ------
        NotFittedError
            Before the fit.
        OptionError
            An option is unknown or does not suit the model, or levels of a random-effects term are
            in several clusters.
        DataError
            A cluster is too large, or the model has no rows at hand.

        See Also
        --------
        LinearMixedModel.corr_params : The correlations.
        coef_table, anova, contrast, emmeans : Tests with a robust covariance.

        Notes
        -----
        CR0 is the sandwich of scores summed over clusters (Liang & Zeger, 1986, Biometrika 73, 13);
        CR1 multiplies it by m / (m - 1) for m clusters. CR2 is unbiased if the model's covariance
        is right (Bell & McCaffrey, 2002), and its tests have degrees of freedom by Satterthwaite's
        approximation and, for several coefficients, by Hotelling's T² (Pustejovsky & Tipton, 2018,
        J. Bus. Econ. Stat. 36, 672): take it unless clusters are many. Generalized models have CR0
        alone, from the scores of all parameters.

        Examples
        --------
        >>> import numbamm as mm
        >>> sleep = mm.datasets.load("sleepstudy")
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
        >>> float(m.cov_params().loc["Intercept", "Days"].round(2))
        -1.37
        >>> float(m.cov_params(robust="CR2").loc["Intercept", "Days"].round(2))
        -1.45
        """
        title = "Covariances of the fixed effects"
        if robust is None and cluster is None:
            return self._square(self._kept_covariance(), title)
        method = self.coefficient_method(None, robust, cluster)
        return self._square(method.vcov, f"{title}, {method.title}")

    def corr_params(self) -> EffectTable:
        """Correlation matrix of the estimates of β.

        Returns
        -------
        EffectTable, a pandas.DataFrame, shape (p, p)
            With the names of the coefficients; NaN for dropped columns. Its `to_latex`,
            `to_markdown` and `to_html` are those of results.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        LinearMixedModel.cov_params : The covariances.

        Examples
        --------
        >>> import numbamm as mm
        >>> sleep = mm.datasets.load("sleepstudy")
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
        >>> float(m.corr_params().loc["Intercept", "Days"].round(3))
        -0.138
        """
        covariance = self._kept_covariance()
        se = np.sqrt(np.diag(covariance))
        return self._square(covariance / np.outer(se, se), "Correlations of the fixed effects")

    def _kept_covariance(self) -> np.ndarray:
        """Covariance matrix of the kept coefficients, by the configured method."""
        method = self._tests()
        return self.coefficient_covariance if method is None else method.vcov

    def _square(self, values, title: str) -> EffectTable:
        import pandas as pd

        from numbamm.report.tableframe import EffectTable

        names, kept = self.coefficient_names, self.kept_coefficients
        frame = pd.DataFrame(values, index=kept, columns=kept)
        if len(kept) < len(names):
            frame = frame.reindex(index=names, columns=names)
        return EffectTable(frame, title)

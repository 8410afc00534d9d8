"""`FixedEffects`: the coefficients of a fit by statsmodels' names, with Wald's intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from numbamm.errors import OptionError
from numbamm.options import valid_alpha

if TYPE_CHECKING:
    import pandas as pd


class FixedEffects:
    """Estimates of the fixed effects as pandas objects, labelled by coefficient."""

    @property
    def beta(self) -> np.ndarray:
        """Coefficients β, shape (p,); NaN for columns dropped for rank deficiency."""
        return self.feterm.full(self.estimates.beta)

    def _labelled(self, values):
        import pandas as pd

        return pd.Series(self.feterm.full(values), index=self.feterm.cnames)

    @property
    def params(self) -> pd.Series:
        """Coefficients β, a pandas Series by coefficient; NaN for dropped columns."""
        return self._labelled(self.estimates.beta)

    @property
    def bse(self) -> pd.Series:
        """Standard errors of β, a pandas Series."""
        return self._labelled(np.sqrt(np.diag(self.beta_covariance)))

    @property
    def tvalues(self) -> pd.Series:
        """Coefficients over their standard errors, a pandas Series."""
        return self.params / self.bse

    @property
    def pvalues(self) -> pd.Series:
        """Two-sided Wald p-values from the normal distribution, a pandas Series."""
        from scipy.special import ndtr

        return 2 * ndtr(-self.tvalues.abs())

    def conf_int(
        self, alpha: float = 0.05, method: str = "wald", *, ddf: str | None = None
    ) -> pd.DataFrame:
        """Confidence intervals of the coefficients.

        Parameters
        ----------
        alpha : float
            One minus the coverage.
        method : {"wald", "profile"}
            From the normal distribution, or by profile likelihood; see `numbamm.profile`, which
            has intervals of the other parameters, too.
        ddf : {"satterthwaite", "kenward-roger", "kenward-roger-observed", "wald"}, optional
            Wald's intervals from the t distribution with these degrees of freedom instead of
            the normal one.

        Returns
        -------
        pandas.DataFrame
            Lower and upper limits in columns 0 and 1, a line per coefficient.

        Raises
        ------
        NotFittedError
        OptionError
            An option is unknown, or does not suit the model or the other.

        See Also
        --------
        profile : Intervals of all parameters.
        bootstrap : Intervals by simulation.
        coef_table : Estimates, tests and intervals.

        Examples
        --------
        >>> import numbamm as mm
        >>> sleep = mm.datasets.load("sleepstudy")
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
        >>> m.conf_int().loc["Days"].round(2).to_list()
        [7.52, 13.41]
        >>> m.conf_int(method="profile").loc["Days"].round(2).to_list()
        [7.36, 13.58]
        """
        import pandas as pd
        from scipy.special import ndtri

        alpha = valid_alpha(alpha)
        if ddf is not None and method == "wald":
            frame = self.coef_table(ddf=ddf, alpha=alpha).frame[["lower", "upper"]]
            return frame.set_axis([0, 1], axis=1)
        if ddf is not None:
            raise OptionError(f'ddf="{ddf}" is for method="wald", not method="{method}"')
        if method == "profile":
            names = self.feterm.kept_names
            limits = self.profile(names, alpha=alpha).conf_int(alpha)
            return limits.reindex(self.feterm.cnames)
        if method != "wald":
            raise OptionError(f"method must be 'wald' or 'profile', not {method!r}")
        half = ndtri(1 - alpha / 2) * self.bse
        return pd.DataFrame({0: self.params - half, 1: self.params + half})

    def cov_params(self) -> pd.DataFrame:
        """Covariance matrix of β, a pandas DataFrame; NaN for dropped columns.

        See Also
        --------
        LinearMixedModel.corr_params : The correlations.

        Examples
        --------
        >>> import numbamm as mm
        >>> sleep = mm.datasets.load("sleepstudy")
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", sleep)
        >>> float(m.cov_params().loc["Intercept", "Days"].round(2))
        -1.37
        """
        return self._square(self.beta_covariance)

    def corr_params(self) -> pd.DataFrame:
        """Correlation matrix of β, a pandas DataFrame; NaN for dropped columns.

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
        se = np.sqrt(np.diag(self.beta_covariance))
        return self._square(self.beta_covariance / np.outer(se, se))

    def _square(self, values):
        import pandas as pd

        names, kept = self.feterm.cnames, self.feterm.kept
        out = np.full((len(names), len(names)), np.nan)
        out[np.ix_(kept, kept)] = values
        return pd.DataFrame(out, index=names, columns=names)

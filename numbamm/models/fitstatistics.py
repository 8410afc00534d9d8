"""`FitStatistics`: how well a model fits: likelihood, information criteria, and what they count."""

from __future__ import annotations

import numpy as np


class FitStatistics:
    """Likelihood and criteria of a fit, by statsmodels' names."""

    @property
    def objective(self) -> float:
        """What was minimised: -2 log-likelihood, or the REML criterion, with every constant.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        LinearMixedModel.objective_at : At other parameters.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> round(m.objective, 4)
        1751.9393
        """
        return self.estimates.objective

    @property
    def deviance(self) -> float:
        """The same number as `objective`.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        LinearMixedModel.objective

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> m.deviance == m.objective
        True
        """
        return self.objective

    @property
    def llf(self) -> float:
        """Log-likelihood (restricted under REML): minus half the objective.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        lrtest : Compares those of nested models.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> round(m.llf, 4)
        -875.9697
        """
        return -self.objective / 2

    @property
    def n_parameters(self) -> int:
        """Number of estimated parameters: rank of X, θ, dispersion, and those of a residual side.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        LinearMixedModel.df_resid

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> m.n_parameters  # two coefficients, three θ and σ
        6
        """
        own = 0 if self.residual_side is None else self.residual_side.size
        return self.feterm.rank + len(self.theta) + own + (not self.estimates.sigma_given)

    @property
    def nobs(self) -> int:
        """Number of rows used.

        See Also
        --------
        LinearMixedModel.df_resid

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> m.nobs
        180
        """
        return self.frame.nobs

    @property
    def df_resid(self) -> int:
        """nobs less the number of estimated parameters.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        LinearMixedModel.n_parameters

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> m.df_resid
        174
        """
        return self.nobs - self.n_parameters

    @property
    def aic(self) -> float:
        """Akaike's information criterion.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        information_criteria : Of several models.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> round(m.aic, 3)
        1763.939
        """
        return -2 * self.llf + 2 * self.n_parameters

    @property
    def aicc(self) -> float:
        """Akaike's criterion corrected for small samples; NaN with too few rows for it.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        information_criteria : Of several models.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> round(m.aicc, 3)
        1764.425
        """
        k, spare = self.n_parameters, self.nobs - self.n_parameters - 1
        return self.aic + 2 * k * (k + 1) / spare if spare > 0 else np.nan

    @property
    def bic(self) -> float:
        """Bayesian information criterion with log(nobs).

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        information_criteria : Of several models.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> round(m.bic, 3)
        1783.097
        """
        return -2 * self.llf + float(np.log(self.nobs)) * self.n_parameters

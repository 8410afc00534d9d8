"""`AsResult`: names by which programs read a statsmodels result, besides the model's own."""

from __future__ import annotations

from typing import Self

import numpy as np


class AsResult:
    """Attributes of statsmodels' results and models, for tables and tools that look for them.

    Here one object is both: `model` is the fitted model itself.
    """

    #: Whether `tvalues` and `pvalues` are of the t distribution: Wald's are not.
    use_t = False

    @property
    def model(self) -> Self:
        """The model itself.

        See Also
        --------
        LinearMixedModel.endog

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
        >>> m.model is m
        True
        """
        return self

    @property
    def endog_names(self) -> str:
        """What the response is called.

        See Also
        --------
        LinearMixedModel.endog

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
        >>> m.endog_names
        'Yield'
        """
        return self.frame.response

    @property
    def exog_names(self) -> list[str]:
        """Names of the coefficients, as in `params`.

        See Also
        --------
        LinearMixedModel.exog

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> m.exog_names
        ['Intercept', 'Days']
        """
        return list(self.feterm.cnames)

    @property
    def endog(self) -> np.ndarray:
        """The response in the rows used, shape (nobs,).

        See Also
        --------
        LinearMixedModel.endog_names

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
        >>> m.endog[:3].tolist()
        [1545.0, 1440.0, 1440.0]
        """
        return self.frame.y

    @property
    def exog(self) -> np.ndarray:
        """Fixed-effects columns of the rows used, shape (nobs, number of coefficients).

        See Also
        --------
        LinearMixedModel.exog_names

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> m.exog[:2].tolist()
        [[1.0, 0.0], [1.0, 1.0]]
        """
        return self.frame.X

    @property
    def scale(self) -> float:
        """Residual variance, or the dispersion.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        LinearMixedModel.sigma

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
        >>> round(m.scale, 1)
        2451.3
        """
        return self.sigma**2

    @property
    def k_constant(self) -> int:
        """1 where X has a constant column, else 0.

        See Also
        --------
        LinearMixedModel.df_model

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
        >>> m.k_constant
        1
        """
        return int(self.feterm.constant is not None)

    @property
    def df_model(self) -> int:
        """Rank of X, less one for a constant.

        See Also
        --------
        LinearMixedModel.df_resid

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
        >>> m.df_model
        1
        """
        return self.feterm.rank - self.k_constant

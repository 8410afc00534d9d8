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
        """The model itself."""
        return self

    @property
    def endog_names(self) -> str:
        """What the response is called."""
        return self.frame.response

    @property
    def exog_names(self) -> list[str]:
        """Names of the coefficients, as in `params`."""
        return list(self.feterm.cnames)

    @property
    def endog(self) -> np.ndarray:
        """The response in the rows used, shape (nobs,)."""
        return self.frame.y

    @property
    def exog(self) -> np.ndarray:
        """Fixed-effects columns of the rows used, shape (nobs, number of coefficients)."""
        return self.frame.X

    @property
    def scale(self) -> float:
        """Residual variance, or the dispersion."""
        return self.sigma**2

    @property
    def k_constant(self) -> int:
        """1 where X has a constant column, else 0."""
        return int(self.feterm.constant is not None)

    @property
    def df_model(self) -> int:
        """Rank of X, less one for a constant."""
        return self.feterm.rank - self.k_constant

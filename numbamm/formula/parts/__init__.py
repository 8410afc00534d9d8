"""Parts of a model besides its formula: dispersion, residual covariance."""

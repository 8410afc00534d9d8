"""Whether a fit can be trusted: convergence, influence, dispersion, collinearity."""

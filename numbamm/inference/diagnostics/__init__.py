"""Diagnostics of a fit: convergence, influence, dispersion, collinearity."""

"""Searches for a minimum that run compiled, over arrays: Newton, trust region, L-BFGS."""

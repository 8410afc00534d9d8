"""Generalized models with predictors of further parameters: dispersion, zero inflation, hurdles."""

"""Inference about the fixed effects: contrasts, tests of terms, marginal means."""

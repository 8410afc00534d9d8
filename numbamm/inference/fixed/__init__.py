"""Tests and estimates of the fixed effects: contrasts, tables of tests, marginal means."""

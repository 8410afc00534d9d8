"""Trends, slopes and comparisons, and averages over the distribution of the random effects."""

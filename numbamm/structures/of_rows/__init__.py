"""Structures of residuals: correlations of the rows of a group, by what decides about each pair."""

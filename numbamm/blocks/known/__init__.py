"""Tails whose random effects have known covariances between levels."""

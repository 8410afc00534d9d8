"""Covariance structures of random effects: one file each, and what all of them have in common."""

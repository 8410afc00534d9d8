"""Compiled searches for a minimum: trust region, L-BFGS, Newton's method by differences."""

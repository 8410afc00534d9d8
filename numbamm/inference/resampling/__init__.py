"""Inference from simulated responses: the parametric bootstrap and power."""

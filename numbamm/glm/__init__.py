"""Generalized models on arrays: families, links, PIRLS and quadrature, compiled."""

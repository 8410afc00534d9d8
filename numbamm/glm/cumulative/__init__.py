"""Cumulative link models: P(y ≤ k) = F((α_k - η) / s) for ordered categories k."""

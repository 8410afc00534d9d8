"""Modes of generalized models whose tail is not dense, by a PIRLS that Python leads."""

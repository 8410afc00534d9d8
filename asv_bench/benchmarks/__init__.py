"""Benchmarks by area; run ``asv run`` in this folder's parent, see the README."""

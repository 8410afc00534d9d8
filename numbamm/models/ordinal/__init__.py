"""Cumulative link mixed models."""

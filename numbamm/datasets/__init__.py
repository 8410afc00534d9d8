"""Data sets that numbamm ships, under the names that lme4's users know."""

from numbamm.datasets.catalogue import list, load

__all__ = ["list", "load"]

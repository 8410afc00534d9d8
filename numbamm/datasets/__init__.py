"""The data sets that come with numbamm, under their names in R packages such as lme4."""

from numbamm.datasets.catalogue import list, load

__all__ = ["list", "load"]


def __dir__():
    return sorted(__all__)

"""Plots of thousands of groups, saved as PNG: each should take less than two seconds."""

import os

import numpy as np

import numbamm as mm


class ThreeThousandGroups:
    """Plots of a model of 3,000 groups of four rows."""

    params = ["ranef", "qq", "shrinkage", "fit", "influence"]
    param_names = ("plot",)
    timeout = 120

    def setup(self, plot):
        import matplotlib

        matplotlib.use("agg")
        rng = np.random.default_rng(5)
        g, x = np.repeat(np.arange(3000), 4), np.tile(np.arange(4.0), 3000)
        b = rng.normal(size=(3000, 2))
        y = b[g, 0] + b[g, 1] * x + rng.normal(size=12_000)
        self.model = mm.lmm("y ~ x + (1 + x | g)", {"y": y, "x": x, "g": g})
        self.time_plot(plot)  # imports, and kernels

    def time_plot(self, plot):
        from matplotlib import pyplot

        kind = {"kind": "qq"} if plot == "qq" else {}
        name = "ranef" if plot == "qq" else plot
        axes = np.ravel(getattr(self.model.plot, name)(**kind))
        axes[0].figure.savefig(os.devnull, format="png")
        pyplot.close("all")

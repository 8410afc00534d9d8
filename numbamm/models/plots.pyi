"""The methods of ``model.plot``, a line each, for type checkers: a test compares with the folder.

A function is a method as it is, with the model as its first argument.
"""

import numbamm.inference.plots.bootstrap
import numbamm.inference.plots.coefficients
import numbamm.inference.plots.correlations
import numbamm.inference.plots.effects
import numbamm.inference.plots.fit
import numbamm.inference.plots.influence
import numbamm.inference.plots.means
import numbamm.inference.plots.path
import numbamm.inference.plots.profile
import numbamm.inference.plots.qq
import numbamm.inference.plots.ranef
import numbamm.inference.plots.residuals
import numbamm.inference.plots.scale_location
import numbamm.inference.plots.shrinkage

class Plots:
    def __init__(self, model) -> None: ...
    bootstrap = numbamm.inference.plots.bootstrap.bootstrap
    coefficients = numbamm.inference.plots.coefficients.coefficients
    correlations = numbamm.inference.plots.correlations.correlations
    effects = numbamm.inference.plots.effects.effects
    fit = numbamm.inference.plots.fit.fit
    influence = numbamm.inference.plots.influence.influence
    means = numbamm.inference.plots.means.means
    path = numbamm.inference.plots.path.path
    profile = numbamm.inference.plots.profile.profile
    qq = numbamm.inference.plots.qq.qq
    ranef = numbamm.inference.plots.ranef.ranef
    residuals = numbamm.inference.plots.residuals.residuals
    scale_location = numbamm.inference.plots.scale_location.scale_location
    shrinkage = numbamm.inference.plots.shrinkage.shrinkage

"""The methods of ``model.plot``, a line each, for type checkers: a test compares with the folder.

A function is a method as it is, with the model as its first argument.
"""

import numpy as np

import numbamm.inference.model_plots.plot_allfit
import numbamm.inference.model_plots.plot_bootstrap
import numbamm.inference.model_plots.plot_coef
import numbamm.inference.model_plots.plot_coefficients
import numbamm.inference.model_plots.plot_correlations
import numbamm.inference.model_plots.plot_diagnostics
import numbamm.inference.model_plots.plot_effects
import numbamm.inference.model_plots.plot_fit
import numbamm.inference.model_plots.plot_influence
import numbamm.inference.model_plots.plot_means
import numbamm.inference.model_plots.plot_path
import numbamm.inference.model_plots.plot_power
import numbamm.inference.model_plots.plot_profile
import numbamm.inference.model_plots.plot_qq
import numbamm.inference.model_plots.plot_ranef
import numbamm.inference.model_plots.plot_residuals
import numbamm.inference.model_plots.plot_scale_location
import numbamm.inference.model_plots.plot_shrinkage
import numbamm.inference.model_plots.plot_varcorr

NAMES: list[str]

class Plots:
    def __init__(self, model) -> None: ...
    def __call__(self, *, seed: int | None = 0, axes=None) -> np.ndarray: ...
    allfit = numbamm.inference.model_plots.plot_allfit.allfit
    bootstrap = numbamm.inference.model_plots.plot_bootstrap.bootstrap
    coef = numbamm.inference.model_plots.plot_coef.coef
    coefficients = numbamm.inference.model_plots.plot_coefficients.coefficients
    correlations = numbamm.inference.model_plots.plot_correlations.correlations
    diagnostics = numbamm.inference.model_plots.plot_diagnostics.diagnostics
    effects = numbamm.inference.model_plots.plot_effects.effects
    fit = numbamm.inference.model_plots.plot_fit.fit
    influence = numbamm.inference.model_plots.plot_influence.influence
    means = numbamm.inference.model_plots.plot_means.means
    path = numbamm.inference.model_plots.plot_path.path
    power = numbamm.inference.model_plots.plot_power.power
    profile = numbamm.inference.model_plots.plot_profile.profile
    qq = numbamm.inference.model_plots.plot_qq.qq
    ranef = numbamm.inference.model_plots.plot_ranef.ranef
    residuals = numbamm.inference.model_plots.plot_residuals.residuals
    scale_location = numbamm.inference.model_plots.plot_scale_location.scale_location
    shrinkage = numbamm.inference.model_plots.plot_shrinkage.shrinkage
    varcorr = numbamm.inference.model_plots.plot_varcorr.varcorr

"""The methods of a fitted model that are functions of a model, a line each.

A function is a method as it is, with the model as its first argument. Type checkers read this
file, and so does `inferences.py`; a new method is a new line here, and nothing else.
"""

import numbamm
import numbamm.inference.diagnostics.influence
import numbamm.inference.fixed.ddf
import numbamm.inference.fixed.marginaleffects
import numbamm.inference.intervals
import numbamm.inference.prediction.predict
import numbamm.inference.prediction.simulate
import numbamm.inference.random.conditional_modes
import numbamm.inference.random.pca
import numbamm.inference.random.residual_covariance
import numbamm.inference.summary
import numbamm.inference.update

class Inferences:
    add1 = numbamm.add1
    anova = numbamm.anova
    bootstrap = numbamm.bootstrap
    check_collinearity = numbamm.check_collinearity
    check_convergence = numbamm.check_convergence
    check_overdispersion = numbamm.check_overdispersion
    check_zeroinflation = numbamm.check_zeroinflation
    coef = numbamm.inference.random.conditional_modes.coef
    coef_table = numbamm.coef_table
    coefficient_method = numbamm.inference.fixed.ddf.coefficient_method
    compare_families = numbamm.compare_families
    compare_structures = numbamm.compare_structures
    comparisons = numbamm.comparisons
    conditional_aic = numbamm.conditional_aic
    conf_int = numbamm.inference.intervals.conf_int
    contrast = numbamm.contrast
    cooks_distance = numbamm.inference.diagnostics.influence.cooks_distance
    cross_validate = numbamm.cross_validate
    delete_levels = numbamm.delete_levels
    drop1 = numbamm.drop1
    emmeans = numbamm.emmeans
    emtrends = numbamm.emtrends
    for_marginaleffects = numbamm.inference.fixed.marginaleffects.for_marginaleffects
    glance = numbamm.glance
    heritability = numbamm.heritability
    icc = numbamm.icc
    influence = numbamm.influence
    nominal_test = numbamm.nominal_test
    pca = numbamm.pca
    permutation_test = numbamm.permutation_test
    power = numbamm.power
    predict = numbamm.inference.prediction.predict.predict
    profile = numbamm.profile
    r2 = numbamm.r2
    ranef = numbamm.inference.random.conditional_modes.ranef
    ranova = numbamm.ranova
    rePCA = numbamm.inference.random.pca.rePCA
    residual_covariance = numbamm.inference.random.residual_covariance.residual_covariance
    residual_parameters = numbamm.residual_parameters
    scale_test = numbamm.scale_test
    shrinkage = numbamm.shrinkage
    simulate = numbamm.inference.prediction.simulate.simulate
    simulated_residuals = numbamm.simulated_residuals
    slopes = numbamm.slopes
    step = numbamm.step
    summary = numbamm.inference.summary.summary
    tidy = numbamm.tidy
    update = numbamm.inference.update.update
    vif = numbamm.vif

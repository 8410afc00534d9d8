"""The methods of a fitted model that are functions of a model, a line each.

A function is a method as it is, with the model as its first argument. Type checkers read this
file, and so does `inferences.py`; a new method is a new line here, and nothing else.
"""

import numbamm
import numbamm.inference.influence
import numbamm.inference.levels
import numbamm.inference.marginaleffects
import numbamm.inference.pca
import numbamm.inference.predict
import numbamm.inference.simulate

class Inferences:
    anova = numbamm.anova
    bootstrap = numbamm.bootstrap
    check_collinearity = numbamm.check_collinearity
    check_convergence = numbamm.check_convergence
    check_overdispersion = numbamm.check_overdispersion
    check_zeroinflation = numbamm.check_zeroinflation
    coef = numbamm.inference.levels.coef
    coef_table = numbamm.coef_table
    contrast = numbamm.contrast
    cooks_distance = numbamm.inference.influence.cooks_distance
    delete_levels = numbamm.delete_levels
    drop1 = numbamm.drop1
    emmeans = numbamm.emmeans
    for_marginaleffects = numbamm.inference.marginaleffects.for_marginaleffects
    glance = numbamm.glance
    icc = numbamm.icc
    influence = numbamm.influence
    pca = numbamm.pca
    power = numbamm.power
    predict = numbamm.inference.predict.predict
    profile = numbamm.profile
    r2 = numbamm.r2
    ranova = numbamm.ranova
    rePCA = numbamm.inference.pca.rePCA
    shrinkage = numbamm.shrinkage
    simulate = numbamm.inference.simulate.simulate
    tidy = numbamm.tidy
    vif = numbamm.vif

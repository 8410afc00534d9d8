"""The public names, and where they live: type checkers read this file, and the package itself.

Each is imported when it is first used. A new public name is a new line here, and nothing else.
"""

from . import config as config, datasets as datasets, errors as errors, optimize as optimize
from .errors import (
    ConvergenceWarning as ConvergenceWarning,
    DataError as DataError,
    FitError as FitError,
    FormulaError as FormulaError,
    NotFittedError as NotFittedError,
    NumbammError as NumbammError,
    NumbammWarning as NumbammWarning,
    OptionError as OptionError,
    OverdispersionWarning as OverdispersionWarning,
    WorkerError as WorkerError,
)
from .glm.family import Family as Family
from .glm.link import Link as Link
from .inference.diagnostics.allfit import allfit as allfit
from .inference.categories.assumption_tests import (
    nominal_test as nominal_test,
    scale_test as scale_test,
)
from .inference.fixed.anova import anova as anova
from .inference.many.lmm_groups import lmm_groups as lmm_groups
from .inference.many.lmm_many import lmm_many as lmm_many
from .inference.many.many_fits import ManyFits as ManyFits
from .inference.resampling.bootstrap import Bootstrap as Bootstrap, bootstrap as bootstrap
from .inference.diagnostics.collinearity import check_collinearity as check_collinearity
from .inference.fixed.contrast import coef_table as coef_table, contrast as contrast
from .inference.diagnostics.convergence import check_convergence as check_convergence
from .inference.comparison.compare_families import compare_families as compare_families
from .inference.comparison.compare_structures import compare_structures as compare_structures
from .inference.comparison.criteria import information_criteria as information_criteria
from .inference.diagnostics.deletion import delete_levels as delete_levels
from .inference.comparison.add1 import add1 as add1
from .inference.comparison.buildformula import buildformula as buildformula
from .inference.comparison.conditional_aic import conditional_aic as conditional_aic
from .inference.comparison.drop1 import drop1 as drop1
from .inference.comparison.step import step as step
from .inference.fixed.emmeans import emmeans as emmeans
from .inference.marginal.comparisons import comparisons as comparisons
from .inference.marginal.emtrends import emtrends as emtrends
from .inference.marginal.slopes import slopes as slopes
from .inference.diagnostics.influence import influence as influence
from .inference.model_plots.plot_coefficients import plot_coefficients as plot_coefficients
from .inference.comparison.lrtest import lrtest as lrtest
from .inference.comparison.modeltable import modeltable as modeltable
from .inference.diagnostics.overdispersion import check_overdispersion as check_overdispersion
from .inference.random.heritability import heritability as heritability
from .inference.random.pca import pca as pca
from .inference.comparison.pool import pool as pool
from .inference.resampling.cross_validate import cross_validate as cross_validate
from .inference.resampling.permutation_test import permutation_test as permutation_test
from .inference.resampling.power import power as power, power_curve as power_curve
from .inference.profiling.profile import profile as profile
from .inference.comparison.ranova import ranova as ranova
from .inference.random.residual_table import residual_parameters as residual_parameters
from .inference.random.rsquared import icc as icc, r2 as r2
from .inference.random.shrinkage import shrinkage as shrinkage
from .inference.fixed.tidy import glance as glance, tidy as tidy
from .inference.diagnostics.simulated_residuals import simulated_residuals as simulated_residuals
from .inference.diagnostics.vif import vif as vif
from .inference.diagnostics.zeroinflation import check_zeroinflation as check_zeroinflation
from .models.ordinal.clmm import clmm as clmm
from .models.ordinal.cumulative_model import CumulativeLinkMixedModel as CumulativeLinkMixedModel
from .models.generalized import GeneralizedLinearMixedModel as GeneralizedLinearMixedModel
from .models.glmm import glmm as glmm
from .models.linear import LinearMixedModel as LinearMixedModel
from .models.lmm import lmm as lmm
from .optimize import OptSummary as OptSummary
from .relations.pedigree import Pedigree as Pedigree, pedigree as pedigree
from .relations.phylogeny import Phylogeny as Phylogeny, phylogeny as phylogeny

__version__: str

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
)
from .inference.allfit import allfit as allfit
from .inference.anova import anova as anova
from .inference.bootstrap import Bootstrap as Bootstrap, bootstrap as bootstrap
from .inference.collinearity import check_collinearity as check_collinearity
from .inference.contrast import coef_table as coef_table, contrast as contrast
from .inference.convergence import check_convergence as check_convergence
from .inference.criteria import information_criteria as information_criteria
from .inference.deletion import delete_levels as delete_levels
from .inference.drop1 import drop1 as drop1
from .inference.emmeans import emmeans as emmeans
from .inference.influence import influence as influence
from .inference.lrtest import lrtest as lrtest
from .inference.overdispersion import check_overdispersion as check_overdispersion
from .inference.pca import pca as pca
from .inference.power import power as power, power_curve as power_curve
from .inference.profile import profile as profile
from .inference.ranova import ranova as ranova
from .inference.rsquared import icc as icc, r2 as r2
from .inference.shrinkage import shrinkage as shrinkage
from .inference.tidy import glance as glance, tidy as tidy
from .inference.vif import vif as vif
from .inference.zeroinflation import check_zeroinflation as check_zeroinflation
from .models.generalized import (
    GeneralizedLinearMixedModel as GeneralizedLinearMixedModel,
    glmm as glmm,
)
from .models.linear import LinearMixedModel as LinearMixedModel, lmm as lmm
from .optimize import OptSummary as OptSummary

__version__: str

"""numbamm: linear and generalized linear mixed-effects models, compiled with numba.

>>> import numbamm as mm
>>> sleep = mm.datasets.load("sleepstudy")
>>> m = mm.lmm("Reaction ~ 1 + Days + (1 + Days | Subject)", sleep)
>>> print(m)  # doctest: +SKIP
"""

from importlib import import_module
from importlib.metadata import version

from numbamm.errors import (
    ConvergenceWarning,
    DataError,
    FitError,
    FormulaError,
    NotFittedError,
    NumbammError,
    NumbammWarning,
    OptionError,
    OverdispersionWarning,
)

__version__ = version("numbamm")

# Resolved at first use, so that `import numbamm` does not wait for numba and pandas.
_LAZY = {
    "GeneralizedLinearMixedModel": "numbamm.models.generalized",
    "LinearMixedModel": "numbamm.models.linear",
    "glmm": "numbamm.models.generalized",
    "lmm": "numbamm.models.linear",
    "OptSummary": "numbamm.optimize",
    "allfit": "numbamm.inference.allfit",
    "anova": "numbamm.inference.anova",
    "Bootstrap": "numbamm.inference.bootstrap",
    "bootstrap": "numbamm.inference.bootstrap",
    "check_collinearity": "numbamm.inference.collinearity",
    "check_convergence": "numbamm.inference.convergence",
    "check_overdispersion": "numbamm.inference.overdispersion",
    "check_zeroinflation": "numbamm.inference.zeroinflation",
    "coef_table": "numbamm.inference.contrast",
    "contrast": "numbamm.inference.contrast",
    "delete_levels": "numbamm.inference.deletion",
    "drop1": "numbamm.inference.drop1",
    "emmeans": "numbamm.inference.emmeans",
    "glance": "numbamm.inference.tidy",
    "icc": "numbamm.inference.rsquared",
    "influence": "numbamm.inference.influence",
    "information_criteria": "numbamm.inference.criteria",
    "lrtest": "numbamm.inference.lrtest",
    "pca": "numbamm.inference.pca",
    "power": "numbamm.inference.power",
    "power_curve": "numbamm.inference.power",
    "profile": "numbamm.inference.profile",
    "r2": "numbamm.inference.rsquared",
    "ranova": "numbamm.inference.ranova",
    "shrinkage": "numbamm.inference.shrinkage",
    "tidy": "numbamm.inference.tidy",
    "vif": "numbamm.inference.vif",
    "config": None,
    "datasets": None,
    "optimize": None,
}

__all__ = [
    "Bootstrap",
    "ConvergenceWarning",
    "DataError",
    "FitError",
    "FormulaError",
    "GeneralizedLinearMixedModel",
    "LinearMixedModel",
    "NotFittedError",
    "NumbammError",
    "NumbammWarning",
    "OptSummary",
    "OptionError",
    "OverdispersionWarning",
    "allfit",
    "anova",
    "bootstrap",
    "check_collinearity",
    "check_convergence",
    "check_overdispersion",
    "check_zeroinflation",
    "coef_table",
    "config",
    "contrast",
    "datasets",
    "delete_levels",
    "drop1",
    "emmeans",
    "glance",
    "glmm",
    "icc",
    "influence",
    "information_criteria",
    "lmm",
    "lrtest",
    "optimize",
    "pca",
    "power",
    "power_curve",
    "profile",
    "r2",
    "ranova",
    "shrinkage",
    "tidy",
    "vif",
]


def __getattr__(name: str):
    if name not in _LAZY:
        raise AttributeError(f"module 'numbamm' has no attribute {name!r}")
    home = _LAZY[name]
    value = import_module(f"numbamm.{name}") if home is None else getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))

"""`Inferences`: what a fitted model is asked, handed on to `numbamm.inference`."""

from __future__ import annotations

from numbamm.errors import OptionError


class Inferences:
    """Methods of models that call the function of the same name, which documents the options."""

    def predict(self, newdata=None, **options):
        """Predictions for the rows of the fit or for new ones; see `inference.predict`."""
        from numbamm.inference.predict import predict

        return predict(self, newdata, **options)

    def simulate(self, seed=None, **options):
        """A new response, drawn from the model; see `inference.simulate`."""
        from numbamm.inference.simulate import simulate

        return simulate(self, seed, **options)

    def coef(self):
        """Coefficients by level, fixed effects and random ones; see `inference.levels.coef`."""
        from numbamm.inference.levels import coef

        return coef(self)

    def coef_table(self, **options):
        """Fixed effects with small-sample tests; see `inference.contrast.coef_table`."""
        from numbamm.inference.contrast import coef_table

        return coef_table(self, **options)

    def contrast(self, L, **options):
        """Linear combinations of the fixed effects; see `numbamm.contrast`."""
        from numbamm.inference.contrast import contrast

        return contrast(self, L, **options)

    def anova(self, **options):
        """A test of each term of the fixed effects; see `numbamm.anova`."""
        from numbamm.inference.anova import anova

        return anova(self, **options)

    def drop1(self):
        """The fixed effects left out, one at a time; see `numbamm.drop1`."""
        from numbamm.inference.drop1 import drop1

        return drop1(self)

    def ranova(self):
        """The random effects left out, one at a time; see `numbamm.ranova`."""
        from numbamm.inference.ranova import ranova

        return ranova(self)

    def emmeans(self, specs, **options):
        """Estimated marginal means; see `numbamm.emmeans`."""
        from numbamm.inference.emmeans import emmeans

        return emmeans(self, specs, **options)

    def pca(self, **options):
        """Principal components of the random effects; see `numbamm.pca`."""
        from numbamm.inference.pca import pca

        return pca(self, **options)

    def rePCA(self):
        """Principal components of λλ', as lme4 has them; see `numbamm.pca`."""
        return self.pca(corr=False)

    def r2(self, **options):
        """Marginal and conditional R²; see `numbamm.r2`."""
        from numbamm.inference.rsquared import r2

        return r2(self, **options)

    def icc(self, **options):
        """Intraclass correlations; see `numbamm.icc`."""
        from numbamm.inference.rsquared import icc

        return icc(self, **options)

    def tidy(self, effects=("fixed", "random"), **options):
        """The parameters as a frame, a line each; see `numbamm.tidy`."""
        from numbamm.inference.tidy import tidy

        return tidy(self, effects, **options)

    def glance(self):
        """The fit as a frame of one line; see `numbamm.glance`."""
        from numbamm.inference.tidy import glance

        return glance(self)

    def vif(self):
        """Variance inflation factors; see `numbamm.vif`."""
        from numbamm.inference.vif import vif

        return vif(self)

    def check_overdispersion(self):
        """Pearson's statistic against χ²; see `numbamm.check_overdispersion`."""
        from numbamm.inference.overdispersion import check_overdispersion

        return check_overdispersion(self)

    def check_zeroinflation(self, n=0, seed=None):
        """Zeros against those expected; see `numbamm.check_zeroinflation`."""
        from numbamm.inference.zeroinflation import check_zeroinflation

        return check_zeroinflation(self, n, seed)

    def check_collinearity(self):
        """Condition indices of the fixed effects; see `numbamm.check_collinearity`."""
        from numbamm.inference.collinearity import check_collinearity

        return check_collinearity(self)

    def check_convergence(self):
        """How the search ended, and what to do; see `numbamm.check_convergence`."""
        from numbamm.inference.convergence import check_convergence

        return check_convergence(self)

    def influence(self):
        """Leverage, residuals and Cook's distance of the rows; see `numbamm.influence`."""
        from numbamm.inference.influence import influence

        return influence(self)

    def cooks_distance(self):
        """Cook's distances of the rows; see `numbamm.influence`."""
        from numbamm.inference.influence import cooks_distance

        return cooks_distance(self)

    def delete_levels(self, group=None, **options):
        """Estimates without each of a factor's levels; see `numbamm.delete_levels`."""
        from numbamm.inference.deletion import delete_levels

        return delete_levels(self, group, **options)

    def shrinkage(self):
        """How far the random effects are drawn towards zero; see `numbamm.shrinkage`."""
        from numbamm.inference.shrinkage import shrinkage

        return shrinkage(self)

    def bootstrap(self, n, seed=None, **options):
        """Fits to responses drawn from the model; see `numbamm.bootstrap`."""
        from numbamm.inference.bootstrap import bootstrap

        return bootstrap(self, n, seed, **options)

    def power(self, coef=None, **options):
        """How often tests of coefficients reject; see `numbamm.power`."""
        from numbamm.inference.power import power

        return power(self, coef, **options)

    def profile(self, parameters=None, **options):
        """Profile likelihoods of the parameters; see `numbamm.profile`."""
        from numbamm.inference.profile import profile

        return profile(self, parameters, **options)

    def for_marginaleffects(self, **options):
        """The model for marginaleffects; see `inference.marginaleffects.for_marginaleffects`."""
        try:
            from numbamm.inference.marginaleffects import for_marginaleffects
        except ImportError as error:
            raise OptionError("marginaleffects is needed: pip install marginaleffects") from error
        return for_marginaleffects(self, **options)

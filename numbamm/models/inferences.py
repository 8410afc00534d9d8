"""`Inferences`: what a fitted model is asked, handed on to `numbamm.inference`."""

from __future__ import annotations


class Inferences:
    """Methods of models that call the function of the same name, which documents the options."""

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

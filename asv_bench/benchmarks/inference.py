"""After the fit: degrees of freedom, tests of terms, deletion, bootstrap and profile."""

import numpy as np

import numbamm as mm

from .common import FORMULAS, frame
from .generalized import model as generalized


def crossed(first, second, rows=60_000, seed=0):
    """Intercepts of two crossed factors."""
    rng = np.random.default_rng(seed)
    a, b, x = rng.integers(0, first, rows), rng.integers(0, second, rows), rng.normal(size=rows)
    y = x + rng.normal(size=first)[a] + rng.normal(size=second)[b] + rng.normal(size=rows)
    return mm.lmm("y ~ x + (1 | a) + (1 | b)", {"y": y, "x": x, "a": a, "b": b}, reml=True)


class DegreesOfFreedom:
    """Tables of coefficients, of fits that have no products of the covariance as yet."""

    params = (["satterthwaite", "kenward-roger"], ["sleepstudy", "InstEval", "5000 crossed"])
    param_names = ("ddf", "model")
    timeout = 600

    def setup(self, ddf, name):
        if name == "5000 crossed":
            self.model = crossed(3500, 1500)
        else:
            self.model = mm.lmm(FORMULAS[name], frame(name), reml=True)

    def time_coef_table(self, ddf, name):
        vars(self.model.estimates).pop("_ddf", None)
        self.model.coef_table(ddf=ddf)

    def peakmem_coef_table(self, ddf, name):
        self.model.coef_table(ddf=ddf)


class Tests:
    """Of terms and of levels."""

    def setup(self):
        cake, sleep = mm.datasets.load("cake"), mm.datasets.load("sleepstudy")
        formula = "angle ~ recipe * temperature + (1 | recipe:replicate)"
        self.cake, self.ml = (mm.lmm(formula, cake, reml=reml) for reml in (True, False))
        self.sleep = mm.lmm(FORMULAS["sleepstudy"], sleep, reml=True)
        formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        self.cbpp = mm.glmm(formula, mm.datasets.load("cbpp"), "binomial")

    def time_anova_3(self):
        self.cake.anova(type=3)

    def time_drop1(self):
        self.ml.drop1()

    def time_ranova(self):
        self.sleep.ranova()

    def time_emmeans_pairs(self):
        self.cake.emmeans("recipe").pairs()

    def time_delete_levels(self):
        self.sleep.delete_levels()

    def time_delete_levels_of_a_generalized_model(self):
        self.cbpp.delete_levels()

    def time_check_convergence(self):
        self.sleep.check_convergence()


class Predict:
    """A million new rows."""

    params = (["sleepstudy", "crossed"], [False, True])
    param_names = ("model", "se")
    timeout = 600

    def setup(self, name, se):
        rng, n = np.random.default_rng(1), 1_000_000
        if name == "crossed":
            self.model, levels = crossed(3000, 1000), {"a": 3000, "b": 1000}
            self.rows = {key: rng.integers(0, k, n) for key, k in levels.items()}
            self.rows["x"] = rng.normal(size=n)
        else:
            data = frame(name)
            self.model = mm.lmm(FORMULAS[name], data)
            self.rows = data.sample(n, replace=True, random_state=1)

    def time_predict(self, name, se):
        self.model.predict(self.rows, se=se)

    def peakmem_predict(self, name, se):
        self.model.predict(self.rows, se=se)


class Bootstrap:
    """Replicates of a linear model on one thread and on two."""

    params = [1, 2]
    param_names = ("workers",)
    timeout = 600

    def setup(self, workers):
        self.sleep = mm.lmm(FORMULAS["sleepstudy"], frame("sleepstudy"))
        self.sleep.bootstrap(2, seed=1)  # compiled

    def time_10000_of_sleepstudy(self, workers):
        self.sleep.bootstrap(10_000, seed=1, workers=workers)


class GeneralizedBootstrap:
    """Replicates of generalized models, each drawn and fitted by itself."""

    params = (["cbpp", "sleepstudy"], [1, 2])
    param_names = ("model", "workers")
    timeout = 600

    def setup(self, name, workers):
        self.model = generalized(name).fit()
        self.model.bootstrap(2, seed=1)  # compiled

    def time_100(self, name, workers):
        self.model.bootstrap(100, seed=1, workers=workers)


class Profile:
    """Profile likelihoods of all parameters."""

    params = ["sleepstudy", "Penicillin", "cbpp", "Contraception", "VerbAgg"]
    param_names = ("model",)
    timeout = 600

    def setup(self, name):
        if name in FORMULAS:
            self.model = mm.lmm(FORMULAS[name], frame(name))
        else:
            self.model = generalized(name).fit()

    def time_profile(self, name):
        self.model.profile()


class ResampledClusters:
    """Replicates of whole clusters drawn with replacement."""

    timeout = 600

    def setup(self):
        self.sleep = mm.lmm(FORMULAS["sleepstudy"], frame("sleepstudy"))
        self.sleep.bootstrap(2, seed=1, kind="cases")  # compiled

    def time_1000_of_sleepstudy(self):
        self.sleep.bootstrap(1000, seed=1, kind="cases")


class RobustCovariance:
    """By 5,000 clusters of 20 rows each, about."""

    params = ["CR0", "CR2"]
    param_names = ("kind",)
    timeout = 600

    def setup(self, kind):
        rng, n, m = np.random.default_rng(0), 100_000, 5000
        g, x = rng.integers(0, m, n), rng.normal(size=n)
        y = x + rng.normal(size=m)[g] + rng.normal(size=n)
        self.model = mm.lmm("y ~ x + (1 | g)", {"y": y, "x": x, "g": g}, reml=True)

    def time_cov_params(self, kind):
        vars(self.model.estimates).pop("_robust", None)
        self.model.cov_params(robust=kind)

    def peakmem_cov_params(self, kind):
        self.model.cov_params(robust=kind)


class Population:
    """Simulated residuals, and means over the random effects, of 7,584 answers."""

    timeout = 600

    def setup(self):
        self.model = generalized("VerbAgg").fit()
        self.model.emmeans("btype", re="integrated")  # the information is kept
        self.sleep = mm.lmm(FORMULAS["sleepstudy"], frame("sleepstudy"))

    def time_simulated_residuals(self):
        self.model.simulated_residuals(250, seed=1)

    def time_integrated_means(self):
        self.model.emmeans("btype", re="integrated")

    def time_information_and_integrated_means(self):
        vars(self.model.estimates).pop("_whole", None)
        self.model.emmeans("btype", re="integrated")

    def time_slopes(self):
        self.sleep.slopes("Days")

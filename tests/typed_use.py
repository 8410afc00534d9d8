"""What type checkers see of the public names: read by mypy, never run.

Each line that must be refused says by which error; mypy reports one that is not.
"""

from __future__ import annotations

from typing import assert_type

import pandas as pd
from matplotlib.axes import Axes

import numbamm as mm
from numbamm.inference.comparison.modeltable import ModelTable
from numbamm.inference.fixed.emmeans import MarginalMeans
from numbamm.inference.random.pca import PrincipalComponents
from numbamm.report.estimates_table import Estimates
from numbamm.report.result import Result
from numbamm.report.tableframe import Limits

linear = mm.lmm("y ~ x + (1 | g)", {}, reml=True)
assert_type(linear, mm.LinearMixedModel)
assert_type(linear.refit([1.0, 2.0]), mm.LinearMixedModel)
generalized = mm.glmm("y ~ x + (1 | g)", {}, "poisson", nagq=9)
assert_type(generalized, mm.GeneralizedLinearMixedModel)
assert_type(linear.sigma, float)
assert_type(linear.optsum, mm.OptSummary)

assert_type(linear.coef_table(ddf="satterthwaite"), Estimates)
assert_type(generalized.rePCA(), PrincipalComponents)
assert_type(linear.emmeans("x", at={"x": [0, 1]}), MarginalMeans)
assert_type(mm.emmeans(linear, "x"), MarginalMeans)
assert_type(linear.bootstrap(10, seed=1), mm.Bootstrap)
assert_type(linear.anova(type=3), Result)
assert_type(mm.modeltable(linear, generalized, stars=True), ModelTable)
assert_type(linear.to_latex(label="tab:fit"), str)
assert_type(linear.anova().to_markdown(), str)
assert_type(linear.varcorr.to_html(), str)

assert_type(linear.update("~ . - x", data={}), mm.LinearMixedModel)
assert_type(generalized.update(family="negativebinomial"), mm.GeneralizedLinearMixedModel)
assert_type(linear.predict({}, random=False), pd.Series)
assert_type(linear.predict(se=True), pd.DataFrame)
assert_type(generalized.predict({}, interval="prediction", draws=10), pd.DataFrame)
assert_type(linear.simulate(1), pd.Series)
assert_type(linear.simulate(1, n=9), pd.DataFrame)
assert_type(linear.ranef("g"), pd.DataFrame)
assert_type(linear.condvar()["g"], pd.DataFrame)
assert_type(linear.conf_int(which="all", method="profile"), Limits)
assert_type(generalized.pirls([1.0]).objective, float)
assert_type(linear.converged, bool)

assert_type(linear.plot.residuals(bins=True), Axes)
assert_type(generalized.coef_table().plot(), Axes)

mm.lmm("y ~ x + (1 | g)")  # type: ignore[call-arg]
mm.lmm("y ~ x + (1 | g)", {}, rmel=True)  # type: ignore[call-arg]
mm.lmmm  # type: ignore[attr-defined]  # noqa: B018
linear.anova().to_latx()  # type: ignore[attr-defined]
linear.anova(tpe=3)  # type: ignore[call-arg]
linear.coef_table(alpha="0.05")  # type: ignore[arg-type]
linear.predictt()  # type: ignore[attr-defined]
linear.plot.residual()  # type: ignore[attr-defined]
linear.plot.residuals(bin=True)  # type: ignore[call-arg]
mm.config.get(1)  # type: ignore[arg-type]

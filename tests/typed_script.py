"""An analysis as users write it: type checkers find no error, and know what results are.

mypy reads it, and pyright where it is installed; `test_typed.py` runs it, too.
"""

from typing import assert_type

import pandas as pd
from matplotlib.axes import Axes

import numbamm as mm
from numbamm.report.estimates_table import Estimates
from numbamm.report.result import Result

sleep = mm.datasets.load("sleepstudy")
null = mm.lmm("Reaction ~ 1 + (1 | Subject)", sleep)
m = mm.LinearMixedModel("Reaction ~ Days + (Days | Subject)", sleep)
m.optsum.optimizer = "nlopt:LN_BOBYQA"
m.optsum.ftol_abs = 1e-9
m.fit(reml=False)

# the search
assert_type(m.optsum.finitial - m.optsum.fmin, float)
assert_type(m.optsum.fitlog, pd.DataFrame)
print(m.optsum.used, m.optsum.feval, m.optsum.returnvalue.lower(), m.optsum.final.round(3))

# estimates
limits = m.conf_int(method="profile", which="all")
print(m.params["Days"], "±", m.bse["Days"], limits.loc["Days"].round(1).tolist(), limits.title)
print(dict(zip(m.varcorr["Subject"].names, m.varcorr["Subject"].sd.tolist(), strict=True)))
print(m.reterms[0].lambda_ @ m.reterms[0].lambda_.T * m.sigma**2, m.frame.y.mean(), m.formula)
assert_type(m.ranef()["Subject"], pd.DataFrame)
print(m.ranef()["Subject"]["Days"].abs().idxmax(), m.ranef(condvar=True)["se"].max())

# tests and tables
table = m.coef_table(ddf="satterthwaite")
assert_type(table, Estimates)
assert_type(table.frame, pd.DataFrame)
assert_type(table.to_latex(caption="Reaction times", label="tab:sleep"), str)
assert_type(m.tidy(alpha=0.1).to_markdown(), str)
assert_type(mm.lrtest(null, m), Result)
print(pd.concat([mm.lrtest(null, m).to_frame(), m.anova().frame]), m.icc().notes + m.r2().notes)
print(mm.modeltable(null, m, names=["null", "slopes"], stars=True).to_html()[:10])
means = m.emmeans("Days", at={"Days": [0, 9]})
assert_type(means.pairs(), Estimates)
print(means.labels.shape, means.by, means.model.nobs, m.pca().loadings["Subject"].round(2))

# what may be wrong, and pictures
check = m.check_convergence()
print(check.converged, check.gradient.abs().max(), m.delete_levels("Subject").dfbetas.max())
replicates = m.bootstrap(20, seed=1)
assert_type(replicates.failed, dict[int, str])
print(replicates.conf_int().to_latex(), replicates.summary().frame["bias"].abs().max())
assert_type(m.plot.residuals(), Axes)
for ax in [*m.plot.ranef(), *m.profile("sigma").plot(), *m.optsum.plot(), table.plot()]:
    ax.set_facecolor("white")

# another family
cbpp = mm.datasets.load("cbpp")
g = mm.glmm("cbind(incidence, size - incidence) ~ period + (1 | herd)", cbpp, "binomial", nagq=9)
print(g.tidy(exponentiate=True)["estimate"].max(), g.pirls().beta.mean(), g.pirls().ranef())
print(g.emmeans("period").pairs(adjust="holm").to_markdown())
assert_type(g.predict(cbpp.head(3), interval="confidence"), pd.DataFrame)
with mm.config.context(ddf="wald"):
    print(mm.config.resolved()["ddf"], g.update("~ . - period").llf)

"""Every result that is a table, of models with names that mean something else in each form."""

from html.parser import HTMLParser

import numpy as np
import pandas as pd

import numbamm as mm
from numbamm.report.content import Hanging, Table

ODD = {"x": "x_1 & 50%", "g": "a|b", "f": "<b>µ*", "y": "y~#1$^{2}"}

#: By its name, a function of a linear model, a smaller one, and one of counts.
RESULTS = {
    "model": lambda m, m0, g: m,
    "generalized": lambda m, m0, g: g,
    "summary": lambda m, m0, g: m.summary(ddf="satterthwaite"),
    "varcorr": lambda m, m0, g: m.varcorr,
    "anova": lambda m, m0, g: m.anova(),
    "lrtest": lambda m, m0, g: mm.lrtest(m0, m),
    "information_criteria": lambda m, m0, g: mm.information_criteria(m0, m),
    "ranova": lambda m, m0, g: m.ranova(),
    "drop1": lambda m, m0, g: m0.drop1(),
    "coef_table": lambda m, m0, g: m.coef_table(),
    "contrast": lambda m, m0, g: m.contrast({ODD["x"]: 1}),
    "emmeans": lambda m, m0, g: m.emmeans(ODD["f"]),
    "pairs": lambda m, m0, g: m.emmeans(ODD["f"]).pairs(),
    "response": lambda m, m0, g: g.emmeans(ODD["x"], at={ODD["x"]: [0, 1e-3]}, type="response"),
    "r2": lambda m, m0, g: m.r2(),
    "icc": lambda m, m0, g: g.icc(),
    "pca": lambda m, m0, g: m.pca(),
    "profile": lambda m, m0, g: m0.profile(["sigma", ODD["x"]]),
    "bootstrap": lambda m, m0, g: m0.bootstrap(20, seed=1),
    "power": lambda m, m0, g: m0.power(ODD["x"], n=10, seed=1),
    "allfit": lambda m, m0, g: mm.allfit(m0, ["newton", "nlopt:LN_BOBYQA"]),
    "convergence": lambda m, m0, g: m.check_convergence(),
    "vif": lambda m, m0, g: m.vif(),
    "collinearity": lambda m, m0, g: m.check_collinearity(),
    "deletion": lambda m, m0, g: m0.delete_levels(refit=False),
    "overdispersion": lambda m, m0, g: g.check_overdispersion(),
    "modeltable": lambda m, m0, g: mm.modeltable(
        *(m0, m, g), names=["a|b", "<i>_", "5 & 50%"], exponentiate=[False, False, True], stars=True
    ),
    "influence": lambda m, m0, g: g.influence(),
    "ranef": lambda m, m0, g: m.ranef(),
    "condvar": lambda m, m0, g: m.condvar(),
    "coef": lambda m, m0, g: m.coef(),
    "ranef_of_one": lambda m, m0, g: m.ranef(ODD["g"]),
    "coef_of_one": lambda m, m0, g: g.coef(ODD["g"]),
    "condvar_of_one": lambda m, m0, g: m.condvar(ODD["g"]),
    "corr_params": lambda m, m0, g: m.corr_params(),
    "cov_params": lambda m, m0, g: g.cov_params(),
    "optsum": lambda m, m0, g: g.optsum,
    "tidy": lambda m, m0, g: g.tidy(exponentiate=True),
    "glance": lambda m, m0, g: m.glance(),
    "conf_int": lambda m, m0, g: m.conf_int(which="all"),
    "pirls": lambda m, m0, g: g.pirls(),
    "zeroinflation": lambda m, m0, g: g.check_zeroinflation(),
}

#: A table with marks, sections and two lines of headings.
STARRED = Table(
    ["", "A", "B"],
    [["x", Hanging("1.25", "***"), Hanging("0.10")], ["", Hanging("(0.31", ")"), "–"]],
    sections={0: "Fixed effects", 1: "Rest & more"},
    second=["", "odds ratio", "Coef."],
)


def data():
    rng = np.random.default_rng(7)
    g = rng.integers(0, 9, 120)
    f = np.array(["low \\_", "mid [1]", "`hi`"])[rng.integers(0, 3, 120)]
    x = rng.normal(size=120)
    y = x + rng.normal(size=9)[g] + (f == "`hi`") + rng.normal(size=120)
    return pd.DataFrame({"x": x, "g": g, "f": f, "y": y, "n": rng.poisson(np.exp(0.5 * x))})


def cells(report, of_section):
    """Every cell of a report, row by row; the row of a section's heading depends on the form."""
    rows = []
    for table in report.tables:
        rows += table.heads
        for i, row in enumerate(table.rows):
            if i in table.sections:
                rows.append(of_section(table.sections[i], len(row)))
            rows.append(row)
    return [[str(cell) for cell in row] for row in rows]


class Cells(HTMLParser):
    """The cells of HTML tables; elements must be closed in the order in which they were opened."""

    def __init__(self):
        super().__init__()
        self.open, self.rows = [], []

    def handle_starttag(self, tag, attributes):
        if tag == "br":
            return
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += text

"""`modeltable`: models side by side."""

import re

import numpy as np
import oracles
import pandas as pd
import pytest

import numbamm as mm
from numbamm.report.text import width

CBPP = "cbind(incidence, size - incidence) ~ period + (1 | herd)"


@pytest.fixture
def intercepts(fitted):
    return fitted("Reaction ~ 1 + Days + (1 | Subject)", "sleepstudy")


@pytest.fixture
def slopes(fitted):
    return fitted("Reaction ~ 1 + Days + (1 + Days | Subject)", "sleepstudy", reml=True)


@pytest.fixture(scope="module")
def binomial():
    return mm.glmm(CBPP, oracles.dataset("cbpp"), "binomial")


@pytest.fixture(scope="module")
def irregular():
    """Columns of far-off scales that depend on each other, odd names, a variance of zero."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"a|b": np.repeat(np.arange(11), 13), "x_1": rng.normal(size=143)})
    frame["50%"] = 2 * frame["x_1"]
    frame["µ"] = 1e9 * rng.normal(size=143)
    frame["w"] = rng.uniform(0.5, 2, 143)
    frame["y"] = frame["x_1"] + 1e-9 * frame["µ"] + rng.normal(size=143)
    return frame


def lines_of(table):
    """The rows of the printed table by their labels."""
    rows = [re.split(r"  +", line.strip()) for line in str(table).splitlines()]
    return {row[0]: row[1:] for row in rows if len(row) > 1}


def test_numbers_are_those_of_the_models(intercepts, slopes):
    frame = mm.modeltable(intercepts, slopes, names=["one", "two"]).to_frame()
    assert frame.columns.tolist() == ["part", "term", "statistic", "one", "two"]
    fixed = frame[frame["part"] == "fixed"].set_index(["term", "statistic"])
    for name, model in (("one", intercepts), ("two", slopes)):
        table = model.coef_table().frame
        for statistic in ("estimate", "se", "pvalue", "lower", "upper"):
            assert fixed.loc[("Days", statistic), name] == table.loc["Days", statistic]
    rest = frame.set_index("term")["two"]
    assert rest["Subject: SD Days"] == slopes.varcorr["Subject"].sd[1]
    assert rest["Subject: corr. (Intercept), Days"] == slopes.varcorr["Subject"].corr[1, 0]
    assert rest["Residual SD"] == slopes.sigma
    assert rest["R² marginal"] == slopes.r2().frame["R2"]["marginal"]
    assert rest["R² conditional"] == slopes.r2().frame["R2"]["conditional"]
    assert rest["ICC"] == slopes.icc().frame["adjusted"]["all"]
    assert rest[["Observations", "Levels of Subject"]].tolist() == [180, 18]
    assert rest[["logLik", "AIC", "BIC"]].tolist() == [slopes.llf, slopes.aic, slopes.bic]
    assert pd.isna(frame.set_index("term")["one"]["Subject: SD Days"])


def test_text(intercepts, slopes):
    table = mm.modeltable(intercepts, slopes, names=["One", "Two"], stars=True, ddf="wald")
    rows = lines_of(table)
    assert rows["(Intercept)"] == ["251.405***", "251.405***"]
    assert rows["Days"] == ["10.467***", "10.467***"]
    assert rows["Subject: SD (Intercept)"] == ["36.01", "24.74"]
    assert rows["Subject: SD Days"] == ["5.92"]
    assert rows["Residual SD"] == ["30.90", "25.59"]
    assert rows["Fitted by"] == ["ML", "REML"]
    text = str(table)
    assert "(6.825)" in text and "Standard errors in parentheses." in text
    assert "* p < 0.05, ** p < 0.01, *** p < 0.001. Tests: Wald." in text
    assert "some are fitted by REML, others by maximum likelihood" in text
    assert "One: Reaction ~ 1 + Days + (1 | Subject)" in text
    lines = text.splitlines()
    # Standard errors stand below the numbers that they belong to, digit by digit.
    first = next(i for i, line in enumerate(lines) if "251.405" in line)
    points = [[m.start() for m in re.finditer(r"\.", lines[i])] for i in (first, first + 1)]
    assert points[0] == points[1]
    rules = [line for line in lines if line.startswith("──")]
    body = lines[lines.index(rules[0]) : len(lines) - lines[::-1].index(rules[0])]
    assert max(width(line) for line in body) == len(rules[0])


def test_ratios(binomial):
    table = mm.modeltable(binomial, exponentiate=True)
    rows = lines_of(table)
    limits = np.exp(binomial.conf_int())
    assert rows["period[T.2]"] == [f"{np.exp(binomial.params['period[T.2]']):.3f}"]
    low, high = limits.loc["period[T.2]"]
    assert f"[{low:.3f}, {high:.3f}]" in str(table)
    assert "Odds ratio" in str(table) and "the intercept is no ratio: it is the odds" in str(table)
    assert "95 % intervals in brackets (Wald)." in str(table)


def test_a_note_on_several_models_stands_once(binomial, irregular, slopes):
    other = binomial.update("~ . - period")
    text = str(mm.modeltable(binomial, other, names=["with", "without"], exponentiate=True))
    assert text.count("the intercept is no ratio") == 1
    assert " with, without: the intercept is no ratio" in text
    counts = mm.glmm(
        "y ~ x_1 + (1 | `a|b`)", irregular.assign(y=1 + irregular.index % 3), "poisson"
    )
    text = str(mm.modeltable(binomial, counts, slopes, exponentiate=[True, True, False]))
    assert " m0: the intercept is no ratio: it is the odds" in text
    assert " m1: the intercept is no ratio: it is the rate" in text and "m2: the int" not in text


def test_models_of_different_kinds(slopes, binomial):
    table = mm.modeltable(slopes, binomial, exponentiate=[False, True])
    rows = lines_of(table)
    assert rows["Family"] == ["Gaussian", "binomial"] and rows["Link"] == ["identity", "logit"]
    assert rows["Response"] == ["Reaction", "cbind(incidence, …)"]
    assert rows["Coef."] == ["Odds ratio"]  # the second line of the header
    assert "different numbers of observations (180, 56)" in str(table)
    # Numbers of one model have as many decimals as they need, not as others do.
    assert rows["Days"] == ["10.5"] and rows["period[T.4]"] == ["0.206"]
    labels = [label for label in rows if label.startswith("Levels of")]
    assert labels == ["Levels of Subject", "Levels of herd"]
    with pytest.raises(mm.OptionError, match=r"^m0: exponentiate=True .* link identity"):
        mm.modeltable(slopes, binomial, exponentiate=True)


def test_irregular_models(irregular):
    names = ["a|b", "<b>&"]
    deficient = mm.lmm("y ~ x_1 + `50%` + µ + (1 | `a|b`)", irregular, weights="w")
    bare = mm.lmm("y ~ 0 + (1 | `a|b`)", irregular)
    table = mm.modeltable(deficient, bare, names=names, stars=True)
    rows = lines_of(table)
    assert rows["50%"] == ["–"]
    assert rows["Weights"] == ["w"]
    text = str(table)
    assert "a|b: rank-deficient fixed effects, without a coefficient for 50%." in text
    assert "different weights" in text
    assert re.search(r"µ +\d\.\d\de-(09|10)", text)  # too far from the others for their decimals
    assert r"a\|b" in table.to_markdown() and "&lt;b&gt;&amp;" in table.to_html()
    assert r"\textless{}b\textgreater{}\&" in table.to_latex()
    alone = mm.modeltable(bare)
    assert "Fixed effects" not in str(alone) and "Coef." not in str(alone)
    assert str(alone).startswith("Linear mixed model\n")


def test_singular_and_given(fitted):
    singular = fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff2")
    given = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff2"), sigma=3.0)
    text = str(mm.modeltable(singular, given, names=["s", "g"]))
    assert "s, g: singular fit." in text
    assert "g: residual standard deviation held at 3." in text
    assert lines_of(mm.modeltable(singular))["Batch: SD (Intercept)"] == ["0.00"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": ["one"]}, "names must be 2 different names"),
        ({"names": ["one", "one"]}, "names must be 2 different names"),
        ({"stars": "yes"}, "stars must be True or False"),
        ({"stars": {"*": 2}}, "bounds of stars must be between 0 and 1"),
        ({"stars": {0.05: "*"}}, "dict of marks and bounds"),
        ({"exponentiate": [True]}, "a list of 2 of them"),
        ({"below": "sd"}, "below must be one of se, interval, p, none"),
        ({"ddf": "bootstrap"}, "unknown ddf"),
    ],
)
def test_mistakes(intercepts, slopes, options, message):
    with pytest.raises(mm.OptionError, match=message):
        mm.modeltable(intercepts, slopes, **options)


def test_what_is_no_model(intercepts):
    with pytest.raises(mm.OptionError, match="at least one model"):
        mm.modeltable()
    with pytest.raises(mm.OptionError, match=r"one by one: modeltable\(m0, m1\)"):
        mm.modeltable([intercepts, intercepts])
    with pytest.raises(mm.OptionError, match="must be a model of numbamm"):
        mm.modeltable(intercepts, 3)
    unfitted = mm.LinearMixedModel("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    with pytest.raises(mm.NotFittedError, match="the second has not been fitted: call fit"):
        mm.modeltable(intercepts, unfitted, names=["the first", "the second"])


def test_word(slopes, binomial, tmp_path):
    docx = pytest.importorskip("docx")
    table = mm.modeltable(slopes, binomial, stars=True)
    table.to_word(tmp_path / "models.docx")
    [shown] = docx.Document(str(tmp_path / "models.docx")).tables
    texts = [[cell.text for cell in row.cells] for row in shown.rows]
    assert texts[0] == ["", "m0", "m1"] and ["Fixed effects"] * 3 in texts
    assert ["Days", "10.47***", ""] in texts

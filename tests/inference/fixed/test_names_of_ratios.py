"""Ratios of means have the names of the field, and means say what they stand for."""

import numpy as np
import pytest

import numbamm as mm

CAKE = ("angle ~ recipe * temperature + (1 | recipe:replicate)", "cake")


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(11)
    g = np.repeat(np.arange(20), 12)
    a = np.tile(["x", "y", "z"], 80)
    eta = 0.3 * rng.standard_normal(20)[g] + 0.4 * (a == "y")
    return {
        "g": g,
        "a": a,
        "hit": rng.random(240) < 1 / (1 + np.exp(-eta)),
        "risk": rng.binomial(9, 0.3 * np.exp(0.2 * eta)) / 9,
        "size": np.full(240, 9.0),
        "count": rng.poisson(3 * np.exp(eta)),
        "time": rng.gamma(3, np.exp(eta)),
    }


CASES = [
    ("hit", "bernoulli", None, None, "odds.ratio", "Odds ratios, Wald"),
    ("risk", "binomial", "logit", "size", "odds.ratio", "Odds ratios, Wald"),
    ("risk", "binomial", "log", "size", "risk.ratio", "Risk ratios, Wald"),
    ("count", "poisson", "log", None, "rate.ratio", "Rate ratios, Wald"),
    ("count", "negativebinomial", "log", None, "rate.ratio", "Rate ratios, Wald"),
    ("time", "gamma", "log", None, "ratio", "Ratios of marginal means, Wald"),
    ("hit", "bernoulli", "probit", None, "Estimate", "Contrasts of marginal means, Wald"),
    ("count", "poisson", "sqrt", None, "Estimate", "Contrasts of marginal means, Wald"),
]


@pytest.mark.filterwarnings("ignore::numbamm.NumbammWarning")
@pytest.mark.parametrize(("y", "family", "link", "weights", "heading", "title"), CASES)
def test_names_by_family_and_link(rows, y, family, link, weights, heading, title):
    model = mm.glmm(f"{y} ~ a + (1 | g)", rows, family, link, weights=weights, fast=True)
    means = model.emmeans("a", type="response")
    for table in (means.pairs(), means.contrast("reference"), means.contrast("consecutive")):
        text = str(table)
        assert text.startswith(f"{title}\n") and f" {heading} " in text.splitlines()[2]
        assert heading in table._repr_html_()
        assert [*table.frame.columns][1:3] == ["estimate", "se"]  # one set of names in frames
        assert "odds" not in text.partition("─")[2] or heading == "odds.ratio"
    assert str(model.emmeans("a").pairs()).startswith("Contrasts of marginal means")
    single = means.contrast({"first": [1, 0, 0]})  # no ratio
    assert "ratio" not in str(single) and " Estimate " in str(single)


def test_transformed_responses(rows):
    model = mm.lmm("log(time) ~ a + (1 | g)", rows)
    pairs = model.emmeans("a", type="response").pairs()
    assert str(pairs).startswith("Ratios of marginal means, Satterthwaite\n")
    assert " ratio " in str(pairs)


def test_means_of_what_interacts(fitted, rows):
    cake = fitted(*CAKE, reml=True)
    [note] = [n for n in cake.emmeans("recipe").notes if "interacts" in n]
    assert note.startswith("recipe interacts with temperature: ")
    assert 'emmeans("recipe | temperature")' in note
    assert "Averaged over the levels of temperature." in cake.emmeans("recipe").notes
    for specs in ("recipe | temperature", ["recipe", "temperature"]):
        assert not [n for n in cake.emmeans(specs).notes if "interacts" in n]
    slopes = mm.lmm("time ~ a * log(count + 1) + hit + (1 | g)", rows)
    [note] = [n for n in slopes.emmeans("a").notes if "interacts" in n]
    assert note.startswith("a interacts with count: ") and 'at={"count": [...]}' in note
    assert not [n for n in slopes.emmeans("hit").notes if "interacts" in n]
    additive = mm.lmm("time ~ a + hit + (1 | g)", rows)
    assert not [n for n in additive.emmeans("a").notes if "interacts" in n]


def test_a_mean_of_zero_is_shown_as_zero(rows):
    centred = rows["time"] - rows["time"].mean()
    model = mm.lmm("count ~ a + centred + (1 | g)", {**rows, "centred": centred})
    assert "At centred = 0." in model.emmeans("a").notes


def test_no_p_value_of_zero():
    rng = np.random.default_rng(2)
    a = np.tile(["x", "y", "z"], 200)
    y = 9.0 * (a == "y") + rng.standard_normal(600)
    model = mm.lmm("y ~ a + (1 | g)", {"y": y, "a": a, "g": np.repeat(np.arange(30), 20)})
    pairs = model.emmeans("a").pairs().frame
    unadjusted = model.emmeans("a").pairs("none").frame["pvalue"]
    assert (pairs["pvalue"] >= unadjusted).all() and (pairs["pvalue"] > 0).all()

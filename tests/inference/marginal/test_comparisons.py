"""Average comparisons, against other programs and predictions."""

import numpy as np
import postfit_oracles
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import DataError, OptionError

URBAN = postfit_oracles.entries()["avg_contraception_urban"]


@pytest.mark.parametrize(("measure", "place"), [("difference", 2), ("ratio", 3)])
def test_average_comparisons(entry_model, measure, place):
    g = entry_model("avg_contraception_urban")
    line = g.comparisons("urban", re="integrated", measure=measure).frame.iloc[0]
    wanted = URBAN["marginal"]
    assert line["contrast"] == wanted["names"][place]
    assert_allclose(line["estimate"], wanted["estimate"][place], rtol=2e-6)
    assert_allclose(line["se"], wanted["se"][place], rtol=1e-4)


def test_groups_settings_and_steps(entry_model):
    g = entry_model("avg_contraception_urban")
    data = postfit_oracles.frame("Contraception")
    table = g.comparisons("age", 5, by="urban", at={"livch": ["0", "1"]}).frame
    for line in table.itertuples():
        inside = data[data["urban"] == line.urban].assign(livch=line.livch)
        a, b = (g.predict(inside.assign(age=inside["age"] + s), re="zero").mean() for s in (0, 5))
        assert_allclose(line.estimate, b - a, atol=1e-8)
    pair = g.comparisons("age", [-5, 5]).frame.iloc[0]
    a, b = (g.predict(data.assign(age=float(s)), re="zero").mean() for s in (-5, 5))
    assert_allclose(pair["estimate"], b - a, atol=1e-8)
    assert pair["contrast"] == "5 - -5"


def test_pairs_of_levels_and_odds_ratios(entry_model):
    g = entry_model("avg_contraception_urban")
    table = g.comparisons("livch", "pairwise", measure="odds ratio").frame.set_index("contrast")
    chain = table.loc["1 / 0", "estimate"] * table.loc["2 / 1", "estimate"]
    assert_allclose(chain, table.loc["2 / 0", "estimate"])
    assert len(table) == 6
    one = g.comparisons("livch", ["0", "2"], measure="odds ratio").frame.iloc[0]
    assert_allclose(one["pvalue"], table.loc["2 / 0", "pvalue"])
    assert_allclose(np.log(one["upper"] / one["estimate"]), np.log(one["estimate"] / one["lower"]))


@pytest.mark.filterwarnings("ignore::numbamm.errors.OverdispersionWarning")
def test_log_links_have_ratios_of_coefficients():
    d = mm.datasets.load("grouseticks")
    g = mm.glmm("TICKS ~ YEAR + cHEIGHT + (1 | BROOD)", d, "poisson")
    table = g.comparisons("YEAR", measure="ratio").frame
    exact = g.coef_table(exponentiate=True).frame.iloc[1:3]
    assert_allclose(table["estimate"], exact["estimate"], rtol=1e-10)
    assert_allclose(table[["lower", "upper"]], exact[["lower", "upper"]], rtol=1e-6)


def test_rank_deficient_designs():
    d = mm.datasets.load("cake").assign(twice=lambda d: 2 * d["temp"])
    m = mm.lmm("angle ~ recipe + temp + twice + (1 | replicate)", d)
    plain = mm.lmm("angle ~ recipe + temp + (1 | replicate)", d)
    assert_allclose(
        m.comparisons("recipe").frame["estimate"], plain.comparisons("recipe").frame["estimate"]
    )


def test_what_is_refused(entry_model):
    g = entry_model("avg_contraception_urban")
    for call, error, words in (
        ({"var": "urban", "between": ["N", "Q"]}, DataError, "'Q' is no level"),
        ({"var": "urban", "between": "all"}, OptionError, "between must be one of"),
        ({"var": "age", "between": [1, 2, 3]}, OptionError, "a step, or a pair"),
        ({"var": "urban", "at": {"urban": "N"}}, OptionError, "cannot be in at"),
        ({"var": "urban", "by": "urban"}, OptionError, "cannot be in by"),
        ({"var": "urban", "measure": "ratio", "type": "link"}, OptionError, "type=.response"),
        ({"var": "urban", "measure": "risk"}, OptionError, "measure must be one of"),
    ):
        with pytest.raises(error, match=words):
            g.comparisons(**call)
    m = mm.lmm("Reaction ~ Days + (1 | Subject)", mm.datasets.load("sleepstudy"))
    with pytest.raises(OptionError, match="between 0 and 1"):
        m.comparisons("Days", measure="odds ratio")

"""Tests of proportional odds and of equal scales, and comparisons of ordinal models."""

import pytest
from ordinal_models import simulated

import numbamm as mm

FORMULA = "y ~ x + `odd name` + (1 | g)"


@pytest.fixture(scope="module")
def model():
    return mm.clmm(FORMULA, simulated())


def test_tests_are_likelihood_ratios_of_the_fits(model):
    data = simulated()
    for test, part in ((mm.nominal_test, "nominal"), (mm.scale_test, "scale")):
        frame = test(model).frame
        assert frame.index.tolist() == ["<none>", "x", "odd name"]
        for name in ("x", "`odd name`"):
            other = mm.clmm(FORMULA, data, **{part: f"~ {name}"})
            line = frame.loc[name.strip("`")]
            assert line["chisq"] == pytest.approx(model.objective - other.objective, abs=1e-5)
            assert line["df"] == other.n_parameters - model.n_parameters
            two = mm.lrtest(model, other).frame
            assert two["pvalue"].iloc[1] == pytest.approx(line["pvalue"], rel=1e-3)


def test_tables_of_several_models_have_their_parts_side_by_side(model):
    scaled = mm.clmm(FORMULA, simulated(), scale="~ `odd name`")
    table = mm.modeltable(model, scaled)
    assert str(table).startswith("Cumulative link mixed models")
    assert "scale.odd name[T.b]" in str(table) and "scale ~ `odd name`" in str(table)
    assert "no R² and no ICC" in str(table)


def test_a_term_that_has_such_effects_is_left_out(model):
    scaled = mm.clmm(FORMULA, simulated(), scale="~ `odd name`")
    assert mm.scale_test(scaled).frame.index.tolist() == ["<none>", "x"]


def test_what_cannot_be_tested_is_refused(model):
    with pytest.raises(mm.OptionError, match="clmm"):
        mm.nominal_test(mm.lmm("x ~ 1 + (1 | g)", simulated()))
    with pytest.raises(mm.OptionError, match="single threshold"):
        mm.clmm("I(w > 1) ~ x + (1 | g)", simulated()).nominal_test()
    with pytest.raises(mm.OptionError, match="no fixed effects"):
        mm.clmm("y ~ 1 + (1 | g)", simulated()).scale_test()


def test_models_that_are_not_nested_are_not_compared(model):
    data = simulated()
    for options, problem in (
        ({"scale": "~ x"}, "scale effects do not span"),
        ({"nominal": "~ x"}, "nominal effects do not span"),
    ):
        one = mm.clmm(FORMULA, data, **options)
        other = mm.clmm(FORMULA, data, scale="~ `odd name`", nominal="~ `odd name` * g")
        with pytest.raises(mm.OptionError, match=problem):
            mm.lrtest(one, other)
    few = mm.clmm(FORMULA, data, threshold="equidistant")
    assert mm.lrtest(few, model).frame["df"].iloc[1] == 1
    with pytest.raises(mm.OptionError, match="thresholds are equidistant"):
        mm.lrtest(mm.clmm("y ~ 1 + (1 | g)", data), few)

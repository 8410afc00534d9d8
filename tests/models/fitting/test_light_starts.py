"""Starts of the default search of a light linear model: from valleys, within the limits."""

import pytest

import numbamm as mm

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


@pytest.mark.parametrize("most", [1, 7, 40])
def test_limits_hold_while_valleys_are_looked_for_and_after(most):
    model = mm.LinearMixedModel(SLEEP, mm.datasets.load("sleepstudy"))
    model.optsum.maxfeval = most
    with pytest.warns(mm.NumbammWarning, match=f"MAXEVAL_REACHED after {most} "):
        model.fit()
    assert model.objective == model.optsum.fitlog["objective"].min()


def test_a_start_that_was_set_is_where_it_begins():
    model = mm.LinearMixedModel(SLEEP, mm.datasets.load("sleepstudy"))
    model.optsum.initial = [0.9, 0.05, 0.3]
    model.fit()
    assert model.optsum.log[0][0] == pytest.approx([0.9, 0.05, 0.3], abs=1e-12)
    assert model.objective == pytest.approx(1751.9393444632, abs=1e-8)

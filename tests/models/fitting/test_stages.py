"""The stages of a generalized fit: bounds, limits and interrupts hold in both."""

import pytest

import numbamm as mm


def test_bounds_hold_in_both_stages(cbpp):
    cbpp.optsum.lowerbd, cbpp.optsum.upperbd = [1.0], [1.0]
    assert cbpp.fit().theta[0] == 1.0
    assert cbpp.refit().theta[0] == 1.0


def test_first_step_and_nodes_are_taken_from_the_options(cbpp):
    cbpp.optsum.initial_step = [0.3]
    cbpp.optsum.nagq = 9
    cbpp.fit()
    assert "9 nodes" in str(cbpp)
    before = cbpp.objective
    assert cbpp.refit().objective == pytest.approx(before, abs=1e-9)
    assert cbpp.fast_optsum.feval > 5 and cbpp.optsum.names[-1] == "herd.Intercept"


def test_limit_in_the_fast_stage_ends_the_fit(cbpp):
    cbpp.optsum.maxfeval, cbpp.optsum.optimizer = 5, "nlopt:LN_BOBYQA"
    with pytest.warns(mm.NumbammWarning, match="MAXEVAL_REACHED") as caught:
        cbpp.fit()
    assert len(caught) == 1
    assert cbpp.is_fast and "fast" in str(cbpp)
    assert cbpp.optsum.feval == 5


def test_interrupt_in_the_fast_stage_ends_the_fit(cbpp, monkeypatch):
    from numbamm.models.spaces.laplace import LaplaceObjective

    calls, evaluate = [], LaplaceObjective.__call__
    cbpp.optsum.optimizer = "nlopt:LN_BOBYQA"

    def interrupted(self, x):
        calls.append(x)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return evaluate(self, x)

    monkeypatch.setattr(LaplaceObjective, "__call__", interrupted)
    with pytest.warns(mm.NumbammWarning, match="INTERRUPTED"):
        cbpp.fit()
    assert len(calls) == 6
    assert cbpp.optsum.returnvalue == "INTERRUPTED" and cbpp.is_fast

"""What both kinds of models do: fits, refits, and results that stay."""

import pytest

import numbamm as mm

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


def test_unfitted_model_says_so(unfitted):
    for ask in ("params", "objective", "sigma", "fittedvalues"):
        with pytest.raises(mm.NotFittedError, match="call fit"):
            getattr(unfitted, ask)
    assert "not fitted" in repr(unfitted)
    assert "not fitted" in unfitted._repr_html_()
    assert "BlkDiag" in unfitted.block_description()


def test_fit_twice_points_to_refit(sleep):
    model = mm.lmm(SLEEP, sleep)
    with pytest.raises(mm.FitError, match="refit"):
        model.fit()
    assert model.refit(reml=True).objective == pytest.approx(1743.628272, abs=1e-6)


def test_results_stay_when_options_are_edited_afterwards(sleep):
    model = mm.lmm(SLEEP, sleep)
    before, aic, df = str(model), model.aic, model.df_resid
    model.optsum.reml, model.optsum.sigma = True, 3.0
    assert (str(model), model.aic, model.df_resid) == (before, aic, df)
    assert model.refit().sigma == 3.0
    assert "fit by REML" in str(model)

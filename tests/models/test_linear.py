"""The linear mixed model's face: results, refits, prediction, pickling, states."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import numbamm as mm

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


# ---- the original's path ------------------------------------------------------------------


def lines_of(capsys, formula, data, **options):
    model = mm.lmm(formula, data, verbose=True, **options)
    return model, capsys.readouterr().out.splitlines()


def test_path_of_dyestuff(capsys):
    model, lines = lines_of(
        capsys,
        "Yield ~ 1 + (1 | Batch)",
        mm.datasets.load("Dyestuff"),
        optimizer="nlopt:LN_BOBYQA",
    )
    assert lines[:3] == ["f_1: 327.76702 [1.0]", "f_2: 331.03619 [1.75]", "f_3: 330.64583 [0.25]"]
    assert len(lines) == model.optsum.feval == 18
    assert model.objective == pytest.approx(327.32706, abs=1e-5)
    assert model.theta == pytest.approx([0.752581], abs=1e-6)


def test_path_of_sleepstudy(capsys, sleep):
    model, lines = lines_of(capsys, SLEEP, sleep, optimizer="nlopt:LN_BOBYQA")
    assert [line.split()[1] for line in lines[:3]] == ["1784.6423", "1790.12564", "1798.99962"]
    assert len(lines) == model.optsum.feval == 57
    assert model.objective == pytest.approx(1751.939344, abs=1e-6)


def test_nelder_mead(sleep):
    model = mm.lmm(SLEEP, sleep, optimizer="nlopt:LN_NELDERMEAD")
    assert 130 <= model.optsum.feval <= 150
    assert model.objective == pytest.approx(1751.939344, abs=1e-6)


@pytest.mark.parametrize("optimizer", ["scipy:Nelder-Mead", "scipy:Powell", "scipy:L-BFGS-B"])
def test_scipy(optimizer, sleep):
    assert mm.lmm(SLEEP, sleep, optimizer=optimizer).objective == pytest.approx(
        1751.939344, abs=1e-4
    )


def test_optsum_steers(unfitted):
    unfitted.optsum.initial = [0.9, 0.0, 0.3]
    unfitted.optsum.maxfeval = 5
    with pytest.warns(mm.NumbammWarning, match="MAXEVAL_REACHED|maxfeval"):
        unfitted.fit()
    assert unfitted.optsum.feval == 5
    assert unfitted.optsum.returnvalue == "MAXEVAL_REACHED"


def test_fitlog_holds_the_path(model):
    log = model.optsum.fitlog
    assert len(log) == model.optsum.feval
    assert log["objective"].iloc[0] == pytest.approx(1784.6423, abs=1e-5)
    assert log["objective"].min() == pytest.approx(model.objective, abs=1e-12)


def test_criteria(model):
    n, k = 180, 6
    assert model.deviance == model.objective == -2 * model.llf
    assert model.aic == pytest.approx(model.objective + 2 * k)
    assert model.aicc == pytest.approx(model.aic + 2 * k * (k + 1) / (n - k - 1))
    assert model.bic == pytest.approx(model.objective + k * np.log(n))


def test_random_effects(model):
    (u,), (b,) = model.u, model.b
    assert_allclose(b, u @ model.reterms[0].lambda_.T)
    assert_allclose(model.ranef()["Subject"].to_numpy(), b)
    assert list(model.ranef()["Subject"].index[:2]) == ["308", "309"]


def test_fitted_values_residuals_and_leverage(model, sleep):
    assert_allclose(model.fittedvalues + model.resid, sleep["Reaction"])
    by_hand = model.params["Intercept"] + model.params["Days"] * sleep["Days"]
    b = model.ranef()["Subject"].loc[sleep["Subject"]]
    by_hand = by_hand + b["Intercept"].to_numpy() + b["Days"].to_numpy() * sleep["Days"]
    assert_allclose(model.fittedvalues, by_hand)
    leverage = model.leverage()
    assert ((leverage > 0) & (leverage < 1)).all()
    # The hat matrix maps the response to the fitted values, so its diagonal is a derivative.
    moved = sleep.assign(Reaction=sleep["Reaction"] + (np.arange(180) == 7))
    other = mm.LinearMixedModel(SLEEP, moved)
    change = other._estimate(model.theta, 0.0).fitted[7] - model.fittedvalues[7]
    assert leverage[7] == pytest.approx(change, rel=1e-6)


def test_penalised_least_squares_identities(model):
    """r² = |y - Xβ - Zb|² + |u|², and σ² = r²/n."""
    penalised = (model.resid**2).sum() + (model.u[0] ** 2).sum()
    assert penalised / 180 == pytest.approx(model.sigma**2)


# ---- options --------------------------------------------------------------------------------


def test_known_sigma(sleep):
    free = mm.lmm(SLEEP, sleep)
    held = mm.lmm(SLEEP, sleep, sigma=free.sigma)
    assert held.sigma == free.sigma
    assert held.objective == pytest.approx(free.objective, abs=1e-7)
    assert held.n_parameters == free.n_parameters - 1
    assert_allclose(held.params, free.params, rtol=1e-6)


def test_known_sigma_meta_analysis():
    """Known variances per row: the method that meta-analysis uses, by brute force."""
    rng = np.random.default_rng(4)
    variance = rng.uniform(0.1, 2, 12)
    effect = 0.5 + rng.normal(size=12) * np.sqrt(variance + 0.3)
    frame = {"effect": effect, "study": np.arange(12), "w": 1 / variance}
    model = mm.lmm("effect ~ 1 + (1 | study)", frame, weights="w", sigma=1.0)

    def deviance(tau2):
        total = variance + tau2
        mean = (effect / total).sum() / (1 / total).sum()
        return (np.log(2 * np.pi * total) + (effect - mean) ** 2 / total).sum()

    best = min(deviance(t) for t in np.linspace(0, 3, 30001))
    assert model.objective == pytest.approx(best, abs=1e-6)


def test_offset_by_column_array_and_formula(sleep):
    data = sleep.assign(o=10.0 * sleep["Days"])
    by_formula = mm.lmm("Reaction ~ Days + offset(10 * Days) + (Days | Subject)", sleep)
    for offset in ("o", data["o"].to_numpy()):
        model = mm.lmm("Reaction ~ Days + (Days | Subject)", data, offset=offset)
        assert_allclose(model.params, by_formula.params)
        assert_allclose(model.fittedvalues, by_formula.fittedvalues)
    assert_allclose(by_formula.predict(sleep), by_formula.fittedvalues)
    with pytest.raises(mm.DataError, match="offset was given as an array"):
        model.predict(data)


def test_zero_weights_drop_rows(sleep):
    weights = np.where(sleep["Days"] < 8, 1.0 + sleep["Days"], 0.0)
    dropped = mm.lmm(SLEEP, sleep, weights=weights)
    kept = sleep[sleep["Days"] < 8]
    direct = mm.lmm(SLEEP, kept, weights=1.0 + kept["Days"].to_numpy())
    assert dropped.frame.n_zero_weight == 36
    assert dropped.nobs == 144
    assert dropped.objective == pytest.approx(direct.objective, abs=1e-9)
    assert dropped.resid.isna().sum() == 36
    assert "36 rows of weight zero dropped" in str(dropped)


def test_missing_rows_are_dropped_and_counted(sleep):
    holes = sleep.assign(Reaction=sleep["Reaction"].where(np.arange(180) % 30 != 0))
    model = mm.lmm(SLEEP, holes)
    assert model.frame.n_missing == 6
    assert model.fittedvalues.isna().sum() == 6
    assert list(model.fittedvalues.index) == list(sleep.index)
    assert "6 rows dropped for missing values" in str(model)


def test_rank_deficient_x(sleep):
    twice = sleep.assign(Hours=24 * sleep["Days"] + 3)
    model = mm.lmm("Reaction ~ Days + Hours + (Days | Subject)", twice, reml=True)
    plain = mm.lmm("Reaction ~ Days + (Days | Subject)", twice, reml=True)
    assert model.objective == pytest.approx(plain.objective, abs=1e-8)
    assert np.isnan(model.params["Hours"])
    assert np.isnan(model.cov_params().loc["Hours", "Days"])
    assert_allclose(model.params[["Intercept", "Days"]], plain.params, rtol=1e-6)
    assert_allclose(model.predict(twice), plain.predict(twice), rtol=1e-6)
    assert "without a coefficient: Hours" in str(model)
    assert "–" in next(line for line in str(model).splitlines() if line.startswith("Hours"))


def test_no_fixed_effects_at_all(sleep, capfd):
    centred = sleep.assign(y=sleep["Reaction"] - sleep["Reaction"].mean())
    model = mm.lmm("y ~ 0 + (1 | Subject)", centred)
    assert model.params.empty
    assert 0 < model.leverage().sum() < 18
    assert capfd.readouterr().err == ""
    assert model.n_parameters == 2
    assert "Fixed-effects" in str(model)


def test_amalgamation_and_its_absence_agree(sleep):
    formula = "Reaction ~ 1 + Days + (1 | Subject) + (0 + Days | Subject)"
    one, two = mm.lmm(formula, sleep), mm.lmm(formula, sleep, amalgamate=False)
    assert [len(one.reterms), len(two.reterms)] == [1, 2]
    assert two.objective == pytest.approx(one.objective, abs=1e-6)
    assert list(two.ranef()["Subject"].columns) == ["Intercept", "Days"]
    assert "levels of grouping factors: 18 (Subject)\n" in str(two)
    with pytest.raises(KeyError, match="2 terms"):
        two.varcorr["Subject"]


def test_singular_fit(fitted):
    model = fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff2")
    assert model.is_singular()
    assert model.theta.tolist() == [0.0]
    assert_allclose(model.ranef()["Batch"], 0)
    assert "Singular fit" in str(model)


def test_path_in_other_columns_is_told_in_the_users(sleep, capsys):
    """Calendar years are centred inside; lines, log and summary speak of the years."""
    years = sleep.assign(Days=sleep["Days"] + 2000)
    model = mm.lmm(SLEEP, years, verbose=True)
    first = capsys.readouterr().out.splitlines()[0]
    assert model.objective_at(model.optsum.initial) == pytest.approx(model.optsum.finitial)
    assert first.startswith(
        f"f_1: {round(model.optsum.finitial, 5)!r} [{model.optsum.initial[0]:.6g}"
    )
    last = model.optsum.fitlog.iloc[-1]
    assert model.objective_at(last.iloc[1:].to_numpy()) == pytest.approx(
        last["objective"], abs=1e-6
    )
    model.optsum.initial = model.theta
    assert model.refit().optsum.finitial == pytest.approx(1751.939344, abs=1e-6)


def test_signs_are_fixed(sleep):
    model = mm.LinearMixedModel(SLEEP, sleep)
    theta = model.scaled.structure.rectified([-0.9, -0.02, -0.2])
    assert_allclose(theta, [0.9, 0.02, 0.2])
    assert_allclose(model.scaled.structure.rectified([0.0, -0.5, 0.1]), [0.0, 0.5, 0.1])
    assert model.objective_at([-0.9, -0.02, -0.2]) == pytest.approx(model.objective_at(theta))


def test_refit_with_a_new_response(sleep):
    model = mm.lmm(SLEEP, sleep, optimizer="newton")  # whose ends are exact
    y = sleep["Reaction"].to_numpy()[::-1] * 2 + 1e4
    direct = mm.lmm(SLEEP, sleep.assign(Reaction=y), optimizer="newton")
    assert model.refit(y).objective == pytest.approx(direct.objective, abs=1e-9)
    theta = [0.8, 0.1, 0.3]
    assert model.objective_at(theta) == pytest.approx(direct.objective_at(theta), abs=1e-9)
    assert_allclose(model.params, direct.params, rtol=1e-8)
    assert_allclose(model.fittedvalues, direct.fittedvalues, rtol=1e-8)


def test_new_response_is_matched_by_its_index(sleep):
    model = mm.lmm(SLEEP, sleep)
    before = model.objective
    shuffled = sleep["Reaction"].sample(frac=1, random_state=1)
    assert model.refit(shuffled).objective == pytest.approx(before, abs=1e-8)
    with pytest.raises(mm.DataError, match="index is not that of the data"):
        model.refit(sleep["Reaction"].set_axis(range(1, 181)))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.full(180, "a"), "not numeric"),
        (np.ones(179), "expected 180"),
        (np.full(180, np.nan), "missing or infinite"),
        (np.arange(180) % 10, "explain the response exactly"),
    ],
)
def test_bad_new_response_loses_nothing(sleep, y, message):
    model = mm.lmm(SLEEP, sleep)
    before = model.objective
    with pytest.raises(mm.DataError, match=message):
        model.refit(y)
    assert model.objective == before
    assert model.refit().objective == pytest.approx(before, abs=1e-8)


def test_pickle(model):
    copy = pickle.loads(pickle.dumps(model))
    assert str(copy) == str(model)
    assert copy.objective_at([1.0, 0.0, 1.0]) == model.objective_at([1.0, 0.0, 1.0])
    assert_allclose(copy.predict(mm.datasets.load("sleepstudy")), model.fittedvalues)
    assert copy.refit().objective == pytest.approx(model.objective, abs=1e-8)


def test_function_of_the_caller_in_a_formula(sleep):
    def halve(x):
        return x / 2

    model = mm.lmm("Reaction ~ halve(Days) + (1 | Subject)", sleep)
    assert model.params["halve(Days)"] == pytest.approx(2 * 10.4672859596)


# ---- prediction -----------------------------------------------------------------------------


def test_prediction_of_the_fits_rows(model, sleep):
    assert_allclose(model.predict(), model.fittedvalues)
    assert_allclose(model.predict(sleep), model.fittedvalues)
    population = model.params["Intercept"] + model.params["Days"] * sleep["Days"]
    assert_allclose(model.predict(random=False), population)
    assert_allclose(model.predict(sleep[["Days"]], random=False), population)


def test_prediction_of_new_levels(model):
    new = pd.DataFrame({"Days": [3.0, 3.0], "Subject": ["308", "new"]}, index=["x", "y"])
    with pytest.warns(mm.NumbammWarning, match="'Subject'.*'new'"):
        predicted = model.predict(new)
    population = model.predict(new, random=False)
    assert list(predicted.index) == ["x", "y"]
    assert predicted["y"] == population["y"]
    assert predicted["x"] != population["x"]
    missing = model.predict(new, new_levels="missing")
    assert np.isnan(missing["y"]) and missing["x"] == predicted["x"]
    with pytest.raises(mm.DataError, match="'new'"):
        model.predict(new, new_levels="error")
    with pytest.raises(mm.OptionError, match="new_levels"):
        model.predict(new, new_levels="zero")


def test_prediction_with_a_missing_value(model):
    new = {"Days": [3.0, np.nan], "Subject": ["308", "308"]}
    assert model.predict(new).isna().tolist() == [False, True]


# ---- InstEval -------------------------------------------------------------------------------


def test_insteval_with_three_factors(fitted):
    model = fitted("y ~ 1 + service + (1 | s) + (1 | d) + (1 | dept)", "InstEval")
    assert model.objective == pytest.approx(237721.76877, abs=1e-4)
    assert_allclose(model.theta, [0.276463, 0.437354, 0.066691], atol=1e-4)


def test_size_of_a_large_model(fitted):
    model = fitted("y ~ 1 + service + (1 | s) + (1 | d) + (1 | dept)", "InstEval")
    arrays = [
        *vars(model.blocks).values(),
        model.blocks.work,
        *vars(model.blocks.layout).values(),
        *vars(model.feterm).values(),
        *vars(model.frame).values(),
        *[a for term in model.reterms for a in vars(term).values()],
        *vars(model.estimates).values(),
    ]
    size = sum({id(a): a.nbytes for a in arrays if isinstance(a, np.ndarray)}.values())
    assert size < 150e6
    assert len(pickle.dumps(model)) < 150e6

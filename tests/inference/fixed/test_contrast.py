"""Degrees of freedom by Satterthwaite and by Kenward and Roger: lmerTest's and pbkrtest's."""

import numpy as np
import oracles
import pandas as pd
import pytest
from scipy.stats import f

import numbamm as mm

MODELS = {
    "sleep": ("Reaction ~ Days + (Days | Subject)", "sleepstudy"),
    "sleep_zc": ("Reaction ~ Days + (Days || Subject)", "sleepstudy"),
    "cake": ("angle ~ recipe * temperature + (1 | recipe:replicate)", "cake"),
    "cake_temp": ("angle ~ recipe + temp + (1 | recipe:replicate)", "cake"),
}
#: Standard errors and df of the intercept and x, for an unbalanced part of Penicillin.
PENICILLIN_SATTERTHWAITE = [0.8397483768, 0.01737956873], [5.6348588998, 77.0330514541]
PENICILLIN_KR = [0.8397924311, 0.01742793908], [5.6411125668, 77.3990280042]
DDF = {"satterthwaite": "satterthwaite", "kr": "kenward-roger"}


@pytest.fixture
def sleep(fitted):
    return fitted(*MODELS["sleep"], reml=True)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("ddf", DDF)
def test_coefficients(fitted, name, ddf):
    formula, dataset = MODELS[name]
    found = fitted(formula, dataset, reml=True).coef_table(ddf=DDF[ddf]).to_frame()
    check(found, oracles.inference(f"{ddf}_coef_{name}", oracles.dataset(dataset)))


def test_maximum_likelihood(fitted):
    found = fitted(*MODELS["sleep"]).coef_table(ddf="satterthwaite").to_frame()
    check(found, oracles.inference("satterthwaite_coef_sleep_ML", oracles.dataset("sleepstudy")))


def check(found, oracle):
    oracle = oracle.loc[found.index]
    np.testing.assert_allclose(found["df"], oracle["df"], atol=1e-2)
    np.testing.assert_allclose(found["se"], oracle["Std. Error"], rtol=1e-4)
    scale = 1e-3 * oracle["Std. Error"]
    assert (abs(found["estimate"] - oracle["Estimate"]) <= scale).all()
    np.testing.assert_allclose(found["pvalue"], oracle["Pr(>|t|)"], rtol=2e-3)


def test_crossed_factors():
    """By lmerTest 3.1-3 and pbkrtest 0.5.2, of an unbalanced part of Penicillin."""
    rows = oracles.dataset("Penicillin")
    rows = rows[np.arange(len(rows)) * 5 % 11 > 2].assign(x=lambda d: np.arange(len(d)) * 7 % 13)
    model = mm.lmm("diameter ~ x + (1 | plate) + (1 | sample)", rows, reml=True)
    expected = {"satterthwaite": PENICILLIN_SATTERTHWAITE, "kenward-roger": PENICILLIN_KR}
    for ddf, (se, df) in expected.items():
        found = model.coef_table(ddf=ddf).to_frame()
        np.testing.assert_allclose(found["se"], se, rtol=1e-4)
        np.testing.assert_allclose(found["df"], df, atol=1e-2)


def part_of_sleepstudy():
    """Unbalanced, with a factor crossed with the days."""
    rows, i = oracles.dataset("sleepstudy"), np.arange(180)
    return rows.assign(f=np.array(list("abc"))[i * 5 % 3], w=0.5 + i / 2)[i * 5 % 11 > 2]


def test_unbalanced_slopes():
    """By lmerTest 3.1-3 and pbkrtest 0.5.2."""
    model = mm.lmm("Reaction ~ Days * f + (Days | Subject)", part_of_sleepstudy(), reml=True)
    satterthwaite, kr = (model.coef_table(ddf=d).frame for d in ("satterthwaite", "kenward-roger"))
    expected = [40.27805829, 35.50129244, 106.21826748, 104.83777154, 106.2588289, 105.68665469]
    order = ["Intercept", "Days", "f[T.b]", "f[T.c]", "Days:f[T.b]", "Days:f[T.c]"]
    np.testing.assert_allclose(satterthwaite.loc[order, "df"], expected, atol=1e-2)
    expected = [44.62873085, 38.06495438, 106.99308466, 105.88048769, 107.01929459, 106.53360474]
    np.testing.assert_allclose(kr.loc[order, "df"], expected, atol=1e-2)
    expected = [10.221699646, 2.144670655, 12.101919807, 11.982825379, 2.268673046, 2.247850576]
    np.testing.assert_allclose(kr.loc[order, "se"], expected, rtol=1e-4)
    joint = model.anova(ddf="kenward-roger").frame
    np.testing.assert_allclose(joint["dendf"], [16.615909, 106.465991, 106.977189], atol=1e-2)
    np.testing.assert_allclose(joint["F"], [39.84097, 0.08129, 0.22138], atol=1e-3)


@pytest.mark.parametrize(
    ("reml", "expected"), [(True, [13.28773867, 13.75855563]), (False, [13.9427001, 14.37599111])]
)
def test_weights(reml, expected):
    """By lmerTest 3.1-3."""
    formula = "Reaction ~ Days + (Days | Subject)"
    model = mm.lmm(formula, part_of_sleepstudy(), weights="w", reml=reml)
    np.testing.assert_allclose(
        model.coef_table(ddf="satterthwaite").frame["df"], expected, atol=1e-2
    )


def test_contrast_by_row_dict_and_frame(sleep):
    row = sleep.contrast([[1, 10]]).to_frame()
    named = sleep.contrast({"at day 10": {"Intercept": 1, "Days": 10}}).to_frame()
    assert named.index.tolist() == ["at day 10"]
    said = sleep.contrast({"Intercept": 1, "Days": 10}).to_frame()
    assert said.index.tolist() == ["Intercept + 10 Days"]
    np.testing.assert_array_equal(row.to_numpy(), named.to_numpy())
    np.testing.assert_array_equal(row.to_numpy(), said.to_numpy())
    line = row.iloc[0]
    assert line["estimate"] == pytest.approx(356.077964444448)
    assert line["se"] == pytest.approx(16.0155859284037, rel=1e-4)
    assert line["lower"] < line["estimate"] < line["upper"]


def test_rhs_moves_the_test_alone(sleep):
    plain, moved = (sleep.contrast([0, 1], rhs=rhs).to_frame().iloc[0] for rhs in (0, 10.0))
    assert moved["estimate"] == plain["estimate"]
    assert moved["statistic"] == pytest.approx((plain["estimate"] - 10) / plain["se"])


def test_interval_is_what_is_not_rejected(sleep):
    line = sleep.contrast([0, 1], alpha=0.1).to_frame().iloc[0]
    ends = [
        sleep.contrast([0, 1], rhs=line[end]).to_frame()["pvalue"] for end in ("lower", "upper")
    ]
    np.testing.assert_allclose(ends, 0.1, rtol=1e-9)


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger"])
def test_joint_of_one_row_is_its_t(sleep, ddf):
    one = sleep.contrast([0, 1], ddf=ddf).to_frame().iloc[0]
    joint = sleep.contrast([0, 1], ddf=ddf, joint=True).to_frame().iloc[0]
    assert joint["F"] == pytest.approx(one["statistic"] ** 2)
    assert joint["dendf"] == pytest.approx(one["df"])
    assert joint["pvalue"] == pytest.approx(one["pvalue"])


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger", "wald"])
def test_joint_takes_dependent_rows(sleep, ddf):
    L = np.array([[1.0, 0], [0, 1], [1, 1]])
    two, three = (sleep.contrast(rows, ddf=ddf, joint=True).to_frame() for rows in (L[:2], L))
    np.testing.assert_allclose(three.to_numpy(), two.to_numpy())
    with pytest.raises(mm.OptionError, match="contradict"):
        sleep.contrast(L, rhs=[0, 0, 1], ddf=ddf, joint=True)


def test_wald_is_the_limit(sleep):
    line = sleep.contrast([0, 1], ddf="wald").to_frame().iloc[0]
    assert np.isinf(line["df"])
    assert line["pvalue"] == pytest.approx(sleep.pvalues["Days"])
    joint = sleep.contrast(np.eye(2), ddf="wald", joint=True).to_frame().iloc[0]
    value, cov = sleep.params.to_numpy(), sleep.cov_params().to_numpy()
    assert joint["chisq"] == pytest.approx(value @ np.linalg.solve(cov, value))
    wide = sleep.contrast(np.eye(2), joint=True).to_frame().iloc[0]
    assert wide["pvalue"] == pytest.approx(f.sf(wide["F"], 2, wide["dendf"]))


def test_singular_fit(fitted):
    """Satterthwaite's df are lmerTest's, of a sample of 30; Kenward and Roger's are pbkrtest's."""
    model = fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff2", reml=True)
    table = model.coef_table(ddf="satterthwaite")
    assert table.to_frame()["df"].iloc[0] == pytest.approx(29)
    assert "Singular fit: variances of zero count as known" in repr(table)
    table = model.coef_table(ddf="kenward-roger")
    assert table.to_frame()["df"].iloc[0] == pytest.approx(5)
    assert table.to_frame()["se"].iloc[0] == pytest.approx(0.678388, rel=1e-5)
    assert "ingular" not in repr(table)


def test_known_sigma_and_no_variance(fitted):
    """A variance that is zero counts as known: normal tests. For Kenward and Roger it does not."""
    model = fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff2", reml=True, sigma=5.0)
    for ddf, df in (("satterthwaite", np.inf), ("kr-observed", np.inf), ("kr", 5)):
        assert model.coef_table(ddf=ddf).to_frame()["df"].iloc[0] == pytest.approx(df)


def test_independent_of_units():
    """Scaled, shifted and weighted by a constant, a model has the same degrees of freedom."""
    rows = oracles.dataset("sleepstudy").copy()
    formula = "Reaction ~ Days + (Days | Subject)"
    before = mm.lmm(formula, rows, reml=True)
    rows["Reaction"] = 1e4 + 1e-3 * rows["Reaction"]
    rows["Days"] = 50 + 0.1 * rows["Days"]
    after = mm.lmm(formula, rows, weights=np.full(180, 3.0), reml=True)
    for ddf in ("satterthwaite", "kenward-roger"):
        one, other = (model.contrast({"Days": 1}, ddf=ddf).to_frame() for model in (before, after))
        np.testing.assert_allclose(one["df"], other["df"], rtol=1e-4)
        np.testing.assert_allclose(one["statistic"], other["statistic"], rtol=1e-4)


def test_rank_deficient():
    rows = oracles.dataset("sleepstudy").assign(twice=lambda d: 2 * d["Days"])
    model = mm.lmm("Reaction ~ Days + twice + (1 | Subject)", rows, reml=True)
    table = model.coef_table().to_frame()
    assert table.loc["twice"].isna().all() and table.loc["Days"].notna().all()
    line = model.contrast({"Days": 1, "twice": 2}).to_frame().iloc[0]
    assert line["estimate"] == pytest.approx(model.params["Days"])
    with pytest.raises(mm.DataError, match="not estimable: Days; .* for twice"):
        model.contrast({"Days": {"Days": 1}, "both": {"Days": 1, "twice": 2}})


@pytest.mark.parametrize("scale", [2.0, 1e-10, 1e10])
@pytest.mark.parametrize("shift", [0.0, 1e3, 1e6])
def test_what_is_estimable_does_not_depend_on_units(scale, shift):
    """A copy of a covariate in other units: their sum alone is known, wherever they stand."""
    rows = oracles.dataset("sleepstudy")
    rows = rows.assign(x=rows["Days"] + shift, copy=scale * (rows["Days"] + shift))
    model = mm.lmm("Reaction ~ x + copy + (1 | Subject)", rows)
    assert model.feterm.dropped == ["copy"]
    for small in (1.0, 1e-9):
        for name in ("x", "copy"):
            with pytest.raises(mm.DataError, match="not estimable"):
                model.contrast({name: small})
    slope = mm.lmm("Reaction ~ Days + (1 | Subject)", rows).params["Days"]
    found = model.contrast({"x": 1, "copy": scale}).to_frame()["estimate"].iloc[0]
    assert found == pytest.approx(slope, rel=1e-5)
    means = model.emmeans("x", at={"x": [shift, shift + 1, float(rows["x"].mean())]}).to_frame()
    assert means["mean"].isna().tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("L", "options", "message"),
    [
        ([1, 2, 3], {}, "a column for each of the 2 coefficients: Intercept, Days"),
        ([0, 0], {}, "not all zero"),
        ({"days": 1}, {}, "no coefficient 'days'; did you mean 'Days'"),
        ({"a": {"Days": 1}, "Days": 1}, {}, "mixes"),
        ("Days", {}, "L must be an array, a frame, or a dict like {'Days': 1}"),
        (b"Days", {}, "L must be an array"),
        ([["a", "b"]], {}, "L must be numbers"),
        ({}, {}, "not all zero"),
        ({"Days": "a"}, {}, "the multiplier of 'Days' must be numbers, not 'a'"),
        ({"Days": [1, 2]}, {}, "each coefficient in L needs one number"),
        ({"Days": 1, "Intercept": np.nan}, {}, "finite numbers"),
        (pd.DataFrame([[1, 2]], columns=["Days", "Days"]), {}, "several columns .* 'Days'"),
        ([0, 1], {"rhs": "a"}, "rhs must be numbers"),
        ([0, 1], {"rhs": [1, 2]}, "rhs must be a finite number, or one for each of 1 rows"),
        ([0, 1], {"rhs": np.inf}, "rhs must be a finite number"),
        ([0, 1], {"joint": np.zeros(2)}, "joint must be True or False"),
        ([0, 1], {"ddf": []}, r"unknown ddf \[\]"),
        ([0, 1], {"ddf": "satterthwait"}, "unknown ddf .* did you mean 'satterthwaite'"),
        ([0, 1], {"alpha": 1.5}, "alpha must be between"),
    ],
)
def test_mistakes(sleep, L, options, message):
    with pytest.raises(mm.OptionError, match=message):
        sleep.contrast(L, **options)


def test_printed(sleep):
    title, _, header, _, intercept, days, _, *notes = repr(
        sleep.coef_table(ddf="satterthwaite")
    ).splitlines()
    assert title == "Fixed effects, Satterthwaite"
    assert header.split()[-3:] == ["Pr(>|t|)", "Lower", "Upper"]
    assert days.split()[:5] == ["Days", "10.467", "1.54579", "17.00", "6.77"]
    assert intercept.startswith("(Intercept)")
    assert notes == [" 95 % intervals."]
    assert "Pr(&gt;|z|)" in sleep.coef_table(ddf="wald")._repr_html_()

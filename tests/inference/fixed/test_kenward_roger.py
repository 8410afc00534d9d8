"""Kenward and Roger's covariance and moments, and exact tests of balanced designs."""

import numpy as np
import oracles
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import f

import numbamm as mm
from numbamm.inference.fixed.kenward_roger import _scale_and_df

MODELS = {
    "sleep": ("Reaction ~ Days + (Days | Subject)", "sleepstudy"),
    "sleep_zc": ("Reaction ~ Days + (Days || Subject)", "sleepstudy"),
    "cake": ("angle ~ recipe * temperature + (1 | recipe:replicate)", "cake"),
    "cake_temp": ("angle ~ recipe + temp + (1 | recipe:replicate)", "cake"),
}


@pytest.mark.parametrize("name", MODELS)
def test_adjusted_covariance(fitted, name):
    formula, dataset = MODELS[name]
    model = fitted(formula, dataset, reml=True)
    oracle = oracles.INFERENCE[f"kr_vcov_{name}"]["result"]
    eye = np.eye(len(model.params))
    for key, ddf in (("vcov", "wald"), ("vcovAdj", "kenward-roger")):
        expected = np.array(oracle[key])
        frame = model.contrast(eye, ddf=ddf).to_frame()
        np.testing.assert_allclose(frame["se"] ** 2, np.diag(expected), rtol=1e-4)
        both = model.contrast(eye[:1] + eye[1:2], ddf=ddf).to_frame()["se"].iloc[0]
        assert both**2 == pytest.approx(expected[:2, :2].sum(), rel=1e-4)


@given(
    l=st.integers(1, 8),
    df=st.floats(0.2, 60),
    kind=st.sampled_from(["balanced", "Hotelling"]),
)
@settings(max_examples=300, deadline=None)
def test_moments_are_exact_in_both_cases(l, df, kind):
    if kind == "balanced":
        a2 = 2 * l / df
        scale, found = _scale_and_df(l, l * a2, a2)
        assert scale == pytest.approx(1.0, rel=1e-6)
    else:
        nu = df + l - 1
        scale, found = _scale_and_df(l, 2 * l / nu, l * (l + 1) / nu)
        assert scale == pytest.approx(df / nu, rel=1e-5)
    assert found == pytest.approx(df, rel=1e-5)


@given(l=st.integers(1, 6), share=st.floats(0.0, 1.0), a2=st.floats(1e-3, 20))
@settings(max_examples=300, deadline=None)
def test_moments_are_continuous(l, share, a2):
    """In between the two cases, F keeps its sign, and nothing jumps."""
    ratio = share * l + (1 - share) * 2 / (l + 1)
    scale, df = _scale_and_df(l, ratio * a2, a2)
    near = _scale_and_df(l, ratio * a2 * (1 + 1e-9), a2 * (1 + 1e-9))
    assert scale > 0 and df > 0
    np.testing.assert_allclose(near, (scale, df), rtol=1e-4)


def f_of_plots(rows):
    """The F test of the treatments among the means of plots, and its denominator df."""
    means = rows.groupby(["t", "p"], as_index=False)["y"].mean()
    groups = [g["y"].to_numpy() for _, g in means.groupby("t")]
    df = len(means) - len(groups)
    within = sum(((g - g.mean()) ** 2).sum() for g in groups) / df
    among = sum(len(g) * (g.mean() - means["y"].mean()) ** 2 for g in groups) / (len(groups) - 1)
    return among / within, df


@pytest.mark.parametrize(("levels", "units", "df"), [(2, 2, 2), (3, 2, 3), (4, 2, 4), (5, 2, 5)])
def test_balanced_whole_plots(whole_plots, levels, units, df):
    """F of the plots' means, however few they are; on a singular fit by the pooled variance."""
    singular = 0
    for seed in range(12):
        rows = whole_plots(levels, units, per=4, seed=seed)
        model = mm.lmm("y ~ t + (1 | p)", rows, reml=True, optimizer="newton")
        line = model.anova(ddf="kenward-roger").to_frame().iloc[0]
        F, expected = f_of_plots(rows)
        assert expected == df and line["dendf"] == pytest.approx(df, rel=1e-8)
        if model.is_singular():
            singular += 1
            assert line["F"] == pytest.approx(model.anova().to_frame()["F"].iloc[0])
        else:
            assert line["F"] == pytest.approx(F, rel=1e-5)
            assert line["pvalue"] == pytest.approx(f.sf(F, levels - 1, df), rel=1e-4)
    assert singular < 12


@pytest.mark.parametrize(("treatments", "df"), [(2, 1), (3, 2)])
def test_two_blocks_of_whole_plots(treatments, df):
    """Treatments of whole plots in two blocks, as harvests of beets are: 1 and 2 df."""
    found = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        plot = np.repeat(np.arange(2 * treatments), 5)
        rows = pd.DataFrame({"block": plot % 2, "harvest": plot // 2, "plot": plot}).astype(str)
        rows["sow"] = np.tile(list("12345"), 2 * treatments)
        rows["y"] = rng.normal(size=2 * treatments)[plot] + rng.normal(size=len(rows))
        formula = "y ~ block + sow + harvest + (1 | plot)"
        model = mm.lmm(formula, rows, reml=True, optimizer="newton")
        table = model.anova(ddf="kenward-roger").to_frame()
        assert table.loc["harvest", "dendf"] == pytest.approx(df, rel=1e-7)
        assert table.loc["sow", "dendf"] == pytest.approx(4 * (2 * treatments - 1), rel=1e-6)
        if model.is_singular():
            continue
        found += 1
        means = rows.pivot_table(values="y", index="block", columns="harvest").to_numpy()
        rest = means - means.mean(0) - means.mean(1)[:, None] + means.mean()
        among = 2 * ((means.mean(0) - means.mean()) ** 2).sum() / (treatments - 1)
        F = among / ((rest**2).sum() / df)
        assert table.loc["harvest", "F"] == pytest.approx(F, rel=1e-5)
        assert table.loc["harvest", "pvalue"] == pytest.approx(
            f.sf(F, treatments - 1, df), rel=1e-4
        )
    assert found > 3


@pytest.mark.parametrize("n", [3, 4, 5, 6, 9])
def test_hotelling(n):
    """An unstructured covariance of three conditions: T² on 2 and n - 2 degrees of freedom."""
    rng = np.random.default_rng(n)
    subject, condition = np.repeat(np.arange(n), 12), np.tile(np.repeat(np.arange(3), 4), n)
    y = 9 * rng.normal(size=(n, 3))[subject, condition] + rng.normal(size=12 * n)
    rows = pd.DataFrame({"s": subject, "c": condition}).astype(str).assign(y=y)
    model = mm.lmm("y ~ c + (0 + c | s)", rows, reml=True, optimizer="newton")
    if model.is_singular():
        assert n == 3  # two df tell a covariance of rank two
        return
    line = model.anova(ddf="kenward-roger").to_frame().iloc[0]
    means = rows.pivot_table(values="y", index="s", columns="c").to_numpy()
    contrasts = means[:, 1:] - means[:, :1]
    d, S = contrasts.mean(0), np.cov(contrasts.T)
    T2 = n * d @ np.linalg.solve(S, d)
    assert line["dendf"] == pytest.approx(n - 2, rel=1e-4)
    assert line["F"] == pytest.approx(T2 * (n - 2) / (2 * (n - 1)), rel=1e-4)

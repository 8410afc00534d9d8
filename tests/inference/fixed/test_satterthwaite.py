"""Degrees of freedom of joint tests where single rows have infinite ones."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

import numbamm as mm
from numbamm.inference.fixed import response_covariance


def test_infinite_df_of_a_joint_test():
    """σ is known, and the treatments are compared within groups: χ² is the limit of F."""
    rng = np.random.default_rng(1)
    rows = pd.DataFrame({"g": np.repeat(list("uvwxyz"), 6), "t": np.tile(list("abc"), 12)})
    rows["y"] = rng.normal(size=36)
    model = mm.lmm("y ~ t + (1 | g)", rows, sigma=1.0, reml=True)
    means = rows.groupby("t")["y"].mean()
    chisq = 12 * ((means - means.mean()) ** 2).sum()
    for ddf in ("satterthwaite", "kenward-roger", "kenward-roger-observed"):
        line = model.anova(ddf=ddf).to_frame().iloc[0]
        assert np.isinf(line["dendf"])
        assert line["pvalue"] == pytest.approx(chi2.sf(chisq, 2), rel=1e-6)


@pytest.mark.parametrize(
    ("seed", "levels", "merged"),
    [(2, 3, "0"), (1, 4, "0"), (13, 5, "0"), (12, 4, "parity"), (38, 5, "parity")],
)
def test_partial_autocorrelations_at_a_bound(seed, levels, merged):
    """Effects that are then the same leave a term of fewer effects, with its degrees of freedom."""
    rng = np.random.default_rng(seed)
    rows = [(g, t) for g in range(14) for t in range(levels) for _ in range(3)]
    d = pd.DataFrame(rows, columns=["g", "t"])
    d["f"], d["h"] = d.t.astype(str), (d.t % 2).astype(str)
    d["x"] = rng.normal(size=len(d))
    b = 2 * rng.normal(size=(14, 2))
    d["y"] = b[d.g, d.t % 2 if merged == "parity" else 0] + d.x + rng.normal(size=len(d))
    m = mm.lmm("y ~ x + f + homtoep(0 + f | g)", d, reml=True)
    less = "homcs(0 + h | g)" if merged == "parity" else "(1 | g)"
    other = mm.lmm(f"y ~ x + f + {less}", d, reml=True)
    np.testing.assert_allclose(m.objective, other.objective, rtol=1e-9)  # it is at the bound
    table = m.coef_table(ddf="satterthwaite")
    assert "At its bound, and taken as known: the partial autocorrelation" in repr(table)
    expected = other.coef_table(ddf="satterthwaite").frame["df"]
    np.testing.assert_allclose(table.frame["df"], expected, rtol=1e-4)


def irregular():
    """Rows of two crossed factors with empty cells, one level seen once, and weights."""
    rng = np.random.default_rng(4)
    d = pd.DataFrame({"g": rng.integers(0, 30, 400), "h": rng.integers(0, 12, 400)})
    d["x"], d["w"] = 50 + 9 * rng.normal(size=400), rng.uniform(0.3, 3, 400)
    d["f"] = np.where(d.g % 3 == 0, "a", "b")
    d["y"] = 1e3 * (rng.normal(size=30)[d.g] + 0.5 * rng.normal(size=12)[d.h])
    d["y"] += 60 * rng.normal(size=30)[d.g] * (d.x - 50) + 800 * rng.normal(size=400)
    d["y"] += 600 * rng.normal(size=24)[2 * d.h + (d.f == "a")]
    d.loc[0, "g"] = 99
    return d


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("y ~ x + f + (1 + x | g) + (1 | h)", {"reml": True, "weights": "w"}),
        ("y ~ x + f + (1 + x | g) + (1 | h)", {"tail": "sparse"}),
        ("y ~ f + x + (1 | g) + (1 | h)", {"reml": True, "sigma": 900.0}),
        ("y ~ x + f + homcs(0 + f | h) + (1 | g)", {"reml": True}),
    ],
)
def test_designs_too_large_for_dense_matrices(formula, options, monkeypatch):
    """Differences of gradients give what products of dense matrices do."""
    if options.get("tail") == "sparse":
        pytest.importorskip("sksparse")
    m = mm.lmm(formula, irregular(), **options)
    expected = m.contrast(np.eye(3), ddf="satterthwaite").to_frame()

    def refuse(needed, what, remedy):
        raise mm.DataError(f"{what}; {remedy}")

    monkeypatch.setattr(response_covariance, "refuse_beyond", refuse)
    del m.estimates._ddf
    found = m.contrast(np.eye(3), ddf="satterthwaite")
    pd.testing.assert_frame_equal(found.to_frame(), expected, rtol=1e-5)
    assert "differences" in str(found)
    if options.get("reml"):
        with pytest.raises(mm.DataError, match='rows connect .*use ddf="satterthwaite"'):
            m.contrast(np.eye(3), ddf="kenward-roger")


def test_a_singular_fit_too_large_for_dense_matrices(monkeypatch):
    d = irregular()
    d["y"] = np.random.default_rng(5).normal(size=400) + 0.01 * d.x
    m = mm.lmm("y ~ x + (1 | g) + (1 | h)", d)
    assert m.is_singular()

    def refuse(needed, what, remedy):
        raise mm.DataError(f"{what}; {remedy}")

    monkeypatch.setattr(response_covariance, "refuse_beyond", refuse)
    with pytest.raises(mm.DataError, match='unless the fit is singular, or ddf="wald"'):
        m.contrast([0, 1], ddf="satterthwaite")


def test_residuals_whose_correlations_are_at_a_bound():
    """There the likelihood still falls; the message names the bound."""
    rng = np.random.default_rng(10)
    d = pd.DataFrame([(g, v) for g in range(20) for v in "abcd"], columns=["g", "v"])
    d["x"] = rng.normal(size=80)
    d["y"] = d.x + 2 * rng.normal(size=20)[d.g] + 0.5 * rng.normal(size=80)
    m = mm.lmm("y ~ x + (1 | g)", d, reml=True, residual="toep(v | g)")
    words = r"where rho1 is -0.\d+, rho2 is -0.\d+, rho3 is -0.\d+ \(toep\(v \| g\)\)"
    with pytest.raises(mm.FitError, match=words):
        m.tidy(ddf="satterthwaite")
    assert np.isfinite(m.tidy(ddf="kenward-roger").df.dropna()).all()

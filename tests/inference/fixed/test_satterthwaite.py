"""Degrees of freedom of joint tests where single rows have infinite ones."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

import numbamm as mm


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

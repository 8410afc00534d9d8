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

"""Type-I errors of tests in a small trial with repeated measures and missing visits."""

import numpy as np
import pandas as pd
import pytest

import numbamm as mm

TRIALS, PATIENTS, VISITS = 1500, 20, 4
#: The truth: standard deviations that grow, correlations that fall with the distance.
SD = np.array([1.0, 1.3, 1.7, 2.0])
COVARIANCE = np.outer(SD, SD) * 0.7 ** np.abs(np.subtract.outer(range(VISITS), range(VISITS)))


def trials(seed: int, count: int):
    """Data of trials without a difference of arms, in each of which other later visits lack."""
    rng = np.random.default_rng(seed)
    rows = [(i, v) for i in range(PATIENTS) for v in range(VISITS)]
    d = pd.DataFrame(rows, columns=["id", "visit"])
    d["arm"] = np.where(d.id % 2, "active", "control")
    for _ in range(count):
        y = rng.multivariate_normal(np.zeros(VISITS), COVARIANCE, PATIENTS).ravel() + d.visit
        kept = (rng.random(len(d)) > 0.12) | (d.visit == 0)
        yield d.assign(y=y)[kept].astype({"visit": str})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::numbamm.errors.NumbammWarning")
@pytest.mark.parametrize("residual", ["us(visit | id)", "hetar1(visit | id)"])
def test_kenward_rogers_tests_keep_their_level(residual):
    """Within three Monte-Carlo standard errors of 5 %; normal tests reject more often."""
    last, joint, normal = [], [], []
    for d in trials(1, TRIALS):
        m = mm.lmm("y ~ arm * visit", d, residual=residual, reml=True)
        L = np.zeros(8)
        L[[m.feterm.cnames.index(c) for c in ("arm[T.control]", "arm[T.control]:visit[T.3]")]] = 1
        last.append(m.contrast(L, ddf="kenward-roger").to_frame()["pvalue"].iloc[0])
        normal.append(m.contrast(L, ddf="wald").to_frame()["pvalue"].iloc[0])
        joint.append(m.anova(ddf="kenward-roger").to_frame().loc["arm:visit", "pvalue"])
    error = np.sqrt(0.05 * 0.95 / TRIALS)
    rates = [np.mean(np.array(p) < 0.05) for p in (last, joint, normal)]
    assert np.abs(np.array(rates[:2]) - 0.05).max() < 3 * error, rates
    assert rates[2] > 0.05 + 2 * error, rates

"""How often cross-validated scores choose the right model: a study of a minute."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import numbamm as mm

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::numbamm.errors.NumbammWarning"),
]

TRIALS = 24


def sample(seed):
    """Random slopes and a covariate that matter, and one that does not."""
    rng = np.random.default_rng(seed)
    g = rng.permutation(np.repeat(np.arange(30), rng.integers(5, 16, 30)))
    d = pd.DataFrame({"g": g, "x": rng.normal(size=len(g)), "noise": rng.normal(size=len(g))})
    b = rng.normal(size=(2, 30))[:, g]
    return d, 0.5 + 0.5 * d["x"] + b[0] + 0.8 * b[1] * d["x"], rng


def gaussian(d, eta, rng):
    return d.assign(y=eta + rng.normal(size=len(d))), mm.lmm, ()


def poisson(d, eta, rng):
    return d.assign(y=rng.poisson(np.exp(0.6 * eta))), mm.glmm, ("poisson",)


RIGHT = "y ~ x + (1 + x | g)"
#: Models that lack something or have something too much, and the least shares of choices of the
#: right one, of rows of new groups and of known ones. Scores are of single rows: of slopes those of
#: new groups tell by the variance alone.
WRONG = {
    "no slopes": ("y ~ x + (1 | g)", 0.6, 0.95),
    "no covariate": ("y ~ 1 + (1 | g)", 0.85, 0.95),
    "a covariate too many": ("y ~ x * noise + I(noise**2) + (1 + x | g)", 0.7, 0.7),
}


@pytest.mark.parametrize("groups", ["g", None])
@pytest.mark.parametrize("make", [gaussian, poisson], ids=lambda make: make.__name__)
def test_the_log_score_chooses_the_right_model(make, groups, capsys):
    """For new groups and for new rows of known ones, in at least so many of 24 data sets."""
    better = dict.fromkeys(WRONG, 0)
    for seed in range(TRIALS):
        data, fit, family = make(*sample(seed))
        scores = {
            formula: fit(formula, data, *family)
            .cross_validate(groups, k=6, seed=seed)
            .frame.loc["all", "log_score"]
            for formula in [RIGHT, *(formula for formula, *_ in WRONG.values())]
        }
        for name, (formula, *_) in WRONG.items():
            better[name] += int(scores[RIGHT] > scores[formula])
    with capsys.disabled():
        print(f"\n{make.__name__}, {groups or 'rows'}: chosen in {TRIALS} data sets: {better}")
    for name, (_, *least) in WRONG.items():
        assert better[name] >= binom.ppf(1e-3, TRIALS, least[groups is None]), (name, better)

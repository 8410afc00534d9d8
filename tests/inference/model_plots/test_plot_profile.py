"""`model.plot.profile` draws what the profile does."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.inference.profiling.profile import Profile


def test_the_model_draws_its_profile(sleep):
    ours = sleep.plot.profile(["sigma", "Days"], kind="abs")
    theirs = sleep.profile(["sigma", "Days"]).plot(kind="abs")
    for a, b in zip(ours, theirs, strict=True):
        assert a.get_xlabel() == b.get_xlabel()
        assert_allclose(a.get_lines()[0].get_xydata(), b.get_lines()[0].get_xydata())


def test_too_many_pairs_are_refused_before_their_profiles(monkeypatch, sleep):
    rng = np.random.default_rng(2)
    rows = {f"x{i}": rng.normal(size=200) for i in range(12)} | {"g": np.arange(200) % 9}
    rows["y"] = rng.normal(size=200) + rng.normal(size=9)[rows["g"]]
    columns = [f"x{i}" for i in range(12)]
    model = mm.lmm(f"y ~ {' + '.join(columns)} + (1 | g)", rows)
    monkeypatch.setattr(Profile, "plot", lambda *args, **options: pytest.fail("was computed"))
    with pytest.raises(mm.OptionError, match=r"15 parameters are 105 panels: name up to 12.*sigma"):
        model.plot.profile(kind="pairs")
    with pytest.raises(mm.OptionError, match="13 parameters are 78 panels"):
        model.plot.profile([*columns, "sigma"], kind="pairs")
    with pytest.raises(mm.OptionError, match="kind must be one of"):
        sleep.plot.profile(kind="pair")

"""Marginal probabilities of categories."""

import numpy as np
import pytest
from ordinal_models import simulated

import numbamm as mm


def test_means_are_averages_of_predictions():
    data = simulated().assign(f=lambda d: np.where(d["w"] > 1, "u", "v"))
    model = mm.clmm("y ~ `odd name` + f + (1 | g)", data, scale="~ f")
    frame = model.emmeans("odd name", type="prob").frame
    cells = [{"odd name": a, "f": f} for a in ("a", "b") for f in ("u", "v")]
    rows = model.predict({k: [c[k] for c in cells] for k in ("odd name", "f")}, random=False)
    want = rows.to_numpy().reshape(2, 2, 4).mean(axis=1).ravel()
    np.testing.assert_allclose(frame["probability"], want, rtol=1e-9)
    single = model.emmeans(["odd name", "f"], type="prob").frame
    errors = model.predict(
        {k: [c[k] for c in cells] for k in ("odd name", "f")}, random=False, se=True
    )
    by_cell = single.set_index(["odd name", "f", "category"])["se"]
    for i, c in enumerate(cells):
        got = [by_cell[(c["odd name"], c["f"], k)] for k in model.categories]
        np.testing.assert_allclose(got, errors["se"].iloc[i], rtol=1e-6)


def test_what_has_no_latent_mean_is_refused():
    model = mm.clmm("y ~ x + (1 | g)", simulated(), nominal="~ `odd name`")
    with pytest.raises(mm.OptionError, match='type="prob"'):
        model.emmeans("x")
    with pytest.raises(mm.OptionError, match="'odd name' has nominal or scale effects"):
        model.emmeans("x", type="prob")
    with pytest.raises(mm.OptionError, match="link, prob"):
        mm.clmm("y ~ x + (1 | g)", simulated()).emmeans("x", type="response")

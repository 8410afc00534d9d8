"""A model with other families, side by side."""

import numpy as np
import pytest

import numbamm as mm
from numbamm.errors import OptionError
from numbamm.glm.family import FAMILIES


@pytest.fixture(scope="module")
def compared():
    rng = np.random.default_rng(2)
    g, x = rng.integers(0, 15, 300), rng.normal(size=300)
    mu = np.exp(0.8 + 0.3 * x + 0.3 * rng.normal(size=15)[g])
    y = rng.poisson(rng.gamma(1.5, mu / 1.5)) * (rng.uniform(size=300) > 0.3)
    data = {"y": y.astype(float), "x": x, "g": g.astype(str)}
    model = mm.glmm("y ~ x + (1 | g)", data, "nbinom2", information="observed")
    families = ["poisson", "nbinom2", "nbinom2 + zi", "poisson + hurdle", "beta"]
    return model, mm.compare_families(model, families)


def test_families_side_by_side(compared):
    model, table = compared
    assert set(table.models) == {"poisson", "nbinom2", "nbinom2 + zi", "poisson + hurdle"}
    frame = table.frame
    assert frame["aic"].is_monotonic_increasing
    assert frame.index[-1] == "poisson" and frame.loc["poisson", "dispersion"] > 2
    assert frame.loc["nbinom2", "aic"] == pytest.approx(model.aic, abs=1e-6)
    assert frame.loc["poisson + hurdle", "zeros"] == pytest.approx(1.0, abs=0.05)
    text = str(table)
    assert "beta is left out" in text and "poisson: the counts are overdispersed" in text


@pytest.mark.parametrize(
    ("families", "words"), [(["nonsense"], "unknown family"), (["poisson + x"], "zi or hurdle")]
)
def test_nothing_to_compare(compared, families, words):
    with pytest.raises(OptionError, match=words):
        mm.compare_families(compared[0], families)


def test_likelihood_ratio_tests_know_the_parts(compared):
    """Models of one formula are nested by the effects of their other parts."""
    plain = compared[0]
    zi = plain.update(zi="~ 1")
    more = plain.update(zi="~ x")
    table = mm.lrtest(zi, more)
    assert "zi ~ x" in str(table)
    assert mm.lrtest(plain, zi).frame["df"].iloc[-1] == 1
    with pytest.raises(OptionError, match="no part zi"):
        mm.lrtest(zi, plain.update(dispersion="~ x + I(x**2)"))
    with pytest.raises(OptionError, match="zi effects do not span"):
        mm.lrtest(more, plain.update(zi="~ 1", dispersion="~ x + I(x**2)"))


@pytest.mark.filterwarnings("ignore::numbamm.errors.NumbammWarning")
def test_every_family_is_tried_and_what_cannot_be_said_in_words():
    ticks = mm.datasets.load("grouseticks")
    m = mm.glmm("TICKS ~ 1 + (1 | BROOD)", ticks, "nbinom2")
    names = sorted({FAMILIES[name].name for name in FAMILIES})
    skipped = {"compois", "genpois", "nbinom12"}  # slower, and others tell the same
    compared = mm.compare_families(m, [name for name in names if name not in skipped])
    assert set(compared.models) == {"poisson", "negativebinomial", "nbinom1"}
    left_out = [note for note in compared.notes if "is left out" in note]
    assert len(left_out) == len(names) - len(skipped) - 3
    [gamma] = [note for note in left_out if note.startswith("gamma")]
    assert "its likelihood is a density" in gamma

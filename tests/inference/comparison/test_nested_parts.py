"""Which models with zero inflation, hurdles and dispersions are special cases of others."""

import numpy as np
import pytest
from scipy.stats import chi2

import numbamm as mm
from numbamm.errors import OptionError

pytestmark = pytest.mark.filterwarnings("ignore:the counts are overdispersed")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(11)
    g, x, z = rng.integers(0, 9, 130), rng.normal(size=130), rng.normal(size=130) + 30
    mu = np.exp(1 + 0.3 * x + 0.5 * rng.normal(size=9)[g])
    y = rng.poisson(mu) * (rng.uniform(size=130) > 0.2)
    p = 1 / (1 + np.exp(-0.6 * rng.normal(size=9)[g]))
    share = rng.beta(6 * p, 6 * (1 - p))
    w = 0.5 * x + 2 * rng.normal(size=9)[g] + rng.normal(size=130)
    data = {"y": y.astype(float), "share": share, "x": x, "z": z, "w": w}
    return data | {"g": g.astype(str)}


@pytest.fixture(scope="module")
def fits(data):
    kinds = {"none": {}, "one": {"zi": "~ 1"}, "x": {"zi": "~ x"}, "both": {"zi": "~ x + z"}}
    kinds |= {"z": {"zi": "~ z"}, "hx": {"hurdle": "~ x"}, "hz": {"hurdle": "~ x + z"}}
    return {k: mm.glmm("y ~ 1 + (1 | g)", data, "poisson", **v) for k, v in kinds.items()}


def test_zeros_at_the_end_of_their_range(fits):
    table = mm.lrtest(fits["none"], fits["one"])
    chisq, p = table.frame["chisq"].iloc[1], table.frame["pvalue"].iloc[1]
    assert p == pytest.approx(chi2.sf(chisq, 1) / 2)
    assert "the probability of more zeros is zero" in str(table) and "zi ~ 1" in str(table)
    unknown = mm.lrtest(fits["none"], fits["x"])  # the slope means nothing without more zeros
    assert unknown.frame[["pvalue", "pvalue_chisq"]].iloc[1].isna().all()
    assert "no p-value, since effects on the probability" in str(unknown)


@pytest.mark.parametrize(
    ("response", "small", "large", "ends"),
    [
        ("y", "poisson", "nbinom1", 1),
        ("y", "poisson", "nbinom2", 1),
        ("y", "poisson", "genpois", 0),
        ("y", "poisson", "nbinom12", 2),
        ("w", "gaussian", "student", 1),
        ("w", "gaussian", "skewnormal", 0),
    ],
)
@pytest.mark.filterwarnings("ignore::numbamm.errors.NumbammWarning")
def test_families_that_are_limits_of_others(data, response, small, large, ends):
    fits = [mm.glmm(f"{response} ~ x + (1 | g)", data, f) for f in (small, large)]
    line = mm.lrtest(*fits).frame.iloc[1]
    df = fits[1].n_parameters - fits[0].n_parameters
    plain = chi2.sf(line["chisq"], df)
    wanted = plain if ends != 1 else (plain + (line["chisq"] <= 0 if df == 1 else 0)) / 2
    assert line["pvalue"] == pytest.approx(wanted)


@pytest.mark.filterwarnings("ignore::numbamm.errors.NumbammWarning")
def test_effects_on_a_shape_that_is_infinite_mean_nothing(data):
    small = mm.glmm("y ~ x + (1 | g)", data, "poisson")
    large = mm.glmm("y ~ x + (1 | g)", data, "nbinom2", dispersion="~ x")
    assert "effects on the shape mean nothing" in str(mm.lrtest(small, large))
    # beside the scale of a t distribution the degrees of freedom are one parameter
    normal = mm.lmm("w ~ x + (1 | g)", data)
    line = mm.lrtest(normal, mm.glmm("w ~ x + (1 | g)", data, "student", dispersion="~ x"))
    chisq = line.frame["chisq"].iloc[1]
    mixture = (chi2.sf(chisq, 1) + chi2.sf(chisq, 2)) / 2
    assert line.frame["pvalue"].iloc[1] == pytest.approx(mixture)


@pytest.mark.filterwarnings("ignore::numbamm.errors.NumbammWarning")
def test_one_information_for_all(data):
    plain, zeros = (mm.glmm("y ~ x + (1 | g)", data, "nbinom2", zi=zi) for zi in (None, "~ 1"))
    table = mm.lrtest(plain, zeros)
    observed = mm.glmm("y ~ x + (1 | g)", data, "nbinom2", information="observed")
    assert table.frame["objective"].iloc[0] == pytest.approx(observed.objective)
    assert "m0 was fitted again with the observed information" in str(table)


def test_parts_that_span_others(fits):
    for small, large in (("one", "x"), ("x", "both"), ("z", "both"), ("hx", "hz")):
        table = mm.lrtest(fits[small], fits[large]).frame
        df = fits[large].n_parameters - fits[small].n_parameters
        assert table["pvalue"].iloc[1] == pytest.approx(chi2.sf(table["chisq"].iloc[1], df))


def test_parts_that_do_not(data, fits):
    other = mm.glmm("y ~ x + (1 | g)", data, "poisson", zi="~ z")
    with pytest.raises(OptionError, match="the latter's zi effects do not span"):
        mm.lrtest(fits["x"], other)
    with pytest.raises(OptionError, match="the latter has no part zi"):
        mm.lrtest(fits["one"], mm.glmm("y ~ x + z + (1 | g)", data, "poisson"))


def test_a_dispersion_without_a_formula_is_constant(data):
    const, of_x = (
        mm.glmm("share ~ 1 + (1 | g)", data, "beta", dispersion=d) for d in (None, "~ x")
    )
    mm.lrtest(const, of_x)
    more = mm.glmm("share ~ x + z + (1 | g)", data, "beta")
    with pytest.raises(OptionError, match="the latter's dispersion effects do not span"):
        mm.lrtest(of_x, more)

"""Standard deviations of rows: their derivatives, and what is refused."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import DataError, FormulaError
from numbamm.formula import model_frame
from numbamm.models.residual_side.deviations import ConstPower, read_dispersion
from numbamm.models.residual_side.texts import Texts

RNG = np.random.default_rng(4)
FRAME = pd.DataFrame(
    {
        "y": RNG.normal(size=40),
        "x": RNG.uniform(0.5, 3, 40),
        "f": RNG.choice(["a", "b", "ü"], 40),
        "signed": RNG.normal(size=40),
        "zero": np.arange(40.0),
        "one": np.ones(40),
        "year": 2000 + np.arange(40) % 5,
        "stamp": 1.7e9 + 1e3 * np.arange(40),
        "text": "t",
        "g": np.arange(40) % 5,
    }
)


def FACTOR(d):
    return 1.0 * (d.f == "b") + 2 * (d.f == "ü")


def deviations(text):
    texts = Texts.of(None, text)
    frame = model_frame("y ~ 1", FRAME, **texts.frame_options)
    return read_dispersion(texts.dispersions[0], frame)


@pytest.mark.parametrize(
    ("text", "phi", "expected"),
    [
        ("~ x", [0.3], lambda d: 0.3 * d.x),
        ("~ f", [0.3, -1], lambda d: 0.3 * (d.f == "b") - (d.f == "ü")),
        ("power(x)", [0.7], lambda d: 0.7 * np.log(d.x)),
        ("power(signed)", [0.7], lambda d: 0.7 * np.log(np.abs(d.signed))),
        ("power(x, by=f)", [1, 2, 3], lambda d: d.f.map({"a": 1, "b": 2, "ü": 3}) * np.log(d.x)),
        ("exp(signed)", [0.7], lambda d: 0.7 * d.signed),
        ("fixed(x)", [], lambda d: np.log(d.x) / 2),
        ("constpower(x)", [-0.4, 3], lambda d: np.log(d.x.median() ** 3 * np.exp(-0.4) + d.x**3)),
        ("~ f + year", [1, 2, 3], lambda d: FACTOR(d) + 3 * (d.year - 2002)),
        ("exp(stamp)", [1e-4], lambda d: 1e-4 * (d.stamp - d.stamp.mean())),
        ("power(stamp)", [2], lambda d: 2 * (np.log(d.stamp) - np.log(d.stamp).mean())),
    ],
)
def test_log_standard_deviations(text, phi, expected):
    d, phi = deviations(text), np.array(phi, dtype=float)
    assert_allclose(d.part.values(phi), expected(FRAME), rtol=1e-12, atol=1e-12)
    assert len(d.names) == len(d.start) == len(d.sizes) == len(d.shown) == len(phi)
    steps = 1e-6 * np.eye(len(phi))
    slopes = [(d.part.values(phi + h) - d.part.values(phi - h)) / 2e-6 for h in steps]
    assert_allclose(d.part.slopes(phi), np.reshape(slopes, (len(phi), 40)), atol=1e-8)


def test_a_constant_and_a_power_of_other_rows():
    part, rows = ConstPower(np.array([1.0, 2.0, 3.0])), np.array([2, 0])
    phi = np.array([0.1, 0.2])
    assert_allclose(part.take(rows).values(phi), part.values(phi)[rows])


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("power(zero)", DataError, "'zero' is 0 in row 0"),
        ("constpower(zero)", DataError, "'zero' is 0 in row 0"),
        ("fixed(signed)", DataError, "'signed' is not positive"),
        ("power(f)", DataError, "'f' must be numbers"),
        ("~ 0 + x", FormulaError, "leaves the intercept out"),
        ("~ x + I(2 * x)", DataError, "linearly dependent"),
        ("~ absent", DataError, "no column 'absent'"),
        ("~ one", DataError, "one and the intercept are linearly dependent"),
        ("exp(stamp, by=f)", DataError, "'stamp' hardly varies for its distance from 0"),
        ("power(stamp, by=f)", DataError, "subtract its mean, or divide by it in a power"),
        ("power(absent)", DataError, "no column 'absent'"),
    ],
)
def test_what_is_refused(text, error, words):
    with pytest.raises(error, match=words.replace("(", "\\(")):
        mm.LinearMixedModel("y ~ 1", FRAME, dispersion=text)


# ---- units and origins of covariates ------------------------------------------------------------


def rows():
    rng = np.random.default_rng(2)
    d = pd.DataFrame([(g, t) for g in range(15) for t in range(4)], columns=["g", "t"])
    d["x"], d["u"] = rng.uniform(-0.5, 0.5, len(d)), rng.uniform(1, 4, len(d))
    d["y"] = 0.3 * d.t + rng.normal(size=15)[d.g]
    d["y"] += rng.normal(size=len(d)) * (0.3 + d.u**0.7) * np.exp(0.8 * d.x)
    return d.drop(index=[3, 17, 41])


ROWS = rows()


@cache
def figures(dispersion, unit=1.0, origin=0.0):
    """What depends neither on the covariate's unit nor on its origin, and what does."""
    d = ROWS.assign(x=(ROWS.x + origin) * unit, u=ROWS.u * unit)
    m = mm.lmm("y ~ t + (1 | g)", d, reml=True, dispersion=dispersion)
    table = m.residual_parameters().frame
    same = [m.objective, *m.tidy(ddf="satterthwaite").df.dropna()]
    same += [*m.tidy(ddf="kenward-roger").df.dropna(), *m.bse, *m.varcorr["g"].sd]
    same += [*m.predict(d.head(3)), *m.residuals("normalized").head(3)]
    return m, np.array(same), table


@settings(max_examples=6, deadline=None)
@given(
    st.sampled_from(["~ x", "exp(x)", "power(u)", "constpower(u)"]),
    st.floats(-6, 6),
    st.sampled_from([0.0, -3.0, 9.0, 28.0, 33.0, 1e5]),
)
def test_fits_depend_on_no_unit_and_no_origin(dispersion, log_unit, origin):
    unit = 10.0**log_unit
    by_u = "u" in dispersion
    m, same, table = figures(dispersion, unit, 0.0 if by_u else origin)
    first, expected, of_first = figures(dispersion)
    assert_allclose(same, expected, rtol=2e-5, atol=1e-6)
    assert m.optsum.feval == first.optsum.feval or m.optsum.restarts
    column = "se" if dispersion != "constpower(u)" else "estimate"
    power = 0 if by_u else 1  # a slope is by unit
    assert_allclose(table[column].iloc[-1] * unit**power, of_first[column].iloc[-1], rtol=1e-3)


def test_a_constant_beside_a_power_changes_with_the_unit():
    """σ(c + v^δ) = σk^-δ (ck^δ + (kv)^δ): what users see does, the rest does not."""
    (m, _, here), (other, _, there) = (figures("constpower(u)", unit) for unit in (1.0, 1e3))
    c, power = here.estimate[["const", "power"]]
    assert_allclose(there.estimate["const"], c * 1e3**power, rtol=1e-4)
    assert_allclose(other.sigma, m.sigma * 1e3**-power, rtol=1e-4)


def test_where_sigma_is_the_standard_deviation_is_said():
    m, _, _ = figures("~ x", 1.0, 1e5)
    note = f"sigma is the standard deviation where x is {1e5 + ROWS.x.mean():.6g}."
    assert note in str(m.summary()) and note in str(m.residual_parameters())
    first, _, _ = figures("~ x")
    at_mean = first.sigma * np.exp(first.residual_side.phi[0] * ROWS.x.mean())
    assert_allclose(m.sigma, at_mean, rtol=1e-5)
    profile = m.profile("sigma").conf_int()
    assert_allclose(profile, figures("~ x", 1.0, 33.0)[0].profile("sigma").conf_int(), rtol=1e-4)

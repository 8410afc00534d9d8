"""Standard deviations of rows: their derivatives, and what is refused."""

import numpy as np
import pandas as pd
import pytest
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
        ("constpower(x)", [np.log(2), 3], lambda d: np.log(2 + d.x**3)),
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
        ("~ f + year", DataError, "'year' is between 2000 and 2004, far from 0"),
        ("exp(stamp)", DataError, "far from 0, where the standard deviation is σ: subtract"),
        ("exp(stamp, by=f)", DataError, "'stamp' is between"),
        ("power(absent)", DataError, "no column 'absent'"),
    ],
)
def test_what_is_refused(text, error, words):
    with pytest.raises(error, match=words.replace("(", "\\(")):
        mm.LinearMixedModel("y ~ 1", FRAME, dispersion=text)

"""Groups, patterns and codes of rows: against correlations that are written down pair by pair."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import DataError, NumbammWarning
from numbamm.formula.parts.residual_text import residual_text
from numbamm.models.residual_side.correlated_groups import independent, read_residual


@pytest.fixture(scope="module")
def d():
    """Rows in no order, with gaps, one-row groups, and the only group of its pattern."""
    rng = np.random.default_rng(2)
    rows = [(g, t) for g in "zbüa" for t in rng.choice(7, rng.integers(2, 6), replace=False)]
    rows = [*rows, ("one", 3), ("whole", 0), *(("whole", t) for t in range(1, 7))]
    d = pd.DataFrame(rows, columns=["g", "t"]).sample(frac=1, random_state=1)
    d["visit"] = pd.Categorical.from_codes(d.t, [f"v{6 - k}" for k in range(7)], ordered=True)
    d["arm"] = pd.Categorical(np.where(d.g.isin(["a", "b"]), "A", "B"))
    d["time"], d["east"] = d.t * 0.7 + 0.1, d.t % 3
    d["gone"] = rng.normal(size=len(d))
    return d.reset_index(drop=True)


def correlations(text, d, step=0.3):
    """C of all rows in the order of the data, at some φ; and the reading."""
    reading = read_residual(residual_text(text), {c: d[c] for c in d})
    table = reading.correlations.table
    at = reading.correlations.at(table.start + step)
    C, start = np.zeros((len(d), len(d))), reading.correlations.start
    for g in range(len(start) - 1):
        rows = reading.rows[start[g] : start[g + 1]]
        C[np.ix_(rows, rows)] = at.matrix(g)
    return C, table, table.start + step


def same(d, group):
    return np.equal.outer(d[group].to_numpy(), d[group].to_numpy())


def apart(d, column):
    return np.abs(np.subtract.outer(d[column].to_numpy(), d[column].to_numpy()))


def test_lags_count_gaps(d):
    C, _, phi = correlations("ar1(t | g)", d)
    assert_allclose(C, np.where(same(d, "g"), np.sin(phi[0]) ** apart(d, "t"), 0.0), atol=1e-14)
    as_levels, _, _ = correlations("ar1(visit | g)", d)
    assert_allclose(as_levels, C)


@pytest.mark.parametrize("text", ["ou(time | g)", "exp(time | g)"])
def test_distances_in_time(d, text):
    C, table, phi = correlations(text, d)
    (value,) = table.shape_values(phi)
    rate = value if text.startswith("ou") else 1 / value
    assert_allclose(C, np.where(same(d, "g"), np.exp(-rate * apart(d, "time")), 0.0), atol=1e-14)


def test_distances_in_a_plane_with_a_nugget(d):
    C, table, phi = correlations("gau(time, east | g, nugget=True)", d)
    scale, nugget = table.shape_values(phi)
    distance = np.hypot(apart(d, "time"), apart(d, "east"))
    expected = np.where(same(d, "g"), (1 - nugget) * np.exp(-((distance / scale) ** 2)), 0.0)
    np.fill_diagonal(expected, 1.0)
    assert_allclose(C, expected, atol=1e-14)


@pytest.mark.parametrize("name", ["us", "toep", "hetar1", "adh", "cs", "homus", "homtoep"])
def test_visits_leave_out_rows_and_columns(d, name):
    C, table, phi = correlations(f"{name}(visit | g)", d)
    whole = table.values(phi).reshape(7, 7)
    expected = np.where(same(d, "g"), whole[np.ix_(d.visit.cat.codes, d.visit.cat.codes)], 0.0)
    assert_allclose(C, expected, atol=1e-14)


def test_a_matrix_for_each_stratum(d):
    C, table, phi = correlations("us(visit | g, by=arm)", d, step=np.linspace(0.1, 0.9, 42))
    parts = table.values(phi).reshape(2, 7, 7)
    arm, visit = (d.arm == "B").to_numpy().astype(int), d.visit.cat.codes.to_numpy()
    whole = parts[arm[:, None], visit[:, None], visit[None]]
    assert_allclose(C, np.where(same(d, "g"), whole, 0.0), atol=1e-14)
    reading = read_residual(residual_text("us(visit | g, by=arm)"), {c: d[c] for c in d})
    assert reading.cells.labels[0] == "v6[arm=A]" and len(reading.cells.labels) <= 14


def test_exchangeable_rows(d):
    C, table, phi = correlations("homcs(1 | g)", d)
    (rho,) = table.shape_values(phi)
    assert_allclose(C, np.where(np.eye(len(d)) > 0, 1.0, rho * same(d, "g")), atol=1e-14)


def test_the_order_of_rows_means_nothing(d):
    shuffled = d.sample(frac=1, random_state=3).reset_index()
    for text in ("ar2(t | g)", "us(visit | g)", "ou(time | g)"):
        C, *_ = correlations(text, d)
        other, *_ = correlations(text, shuffled)
        assert_allclose(other, C[np.ix_(shuffled["index"], shuffled["index"])], atol=1e-14)


def test_rows_without_a_structure():
    reading = independent(4)
    at = reading.correlations.at(np.zeros(0))
    rows = np.arange(8.0).reshape(4, 2)
    assert at.logdet == 0 and (at.times(rows) == rows).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ar1(time | g)", ["whole numbers", "ou(time | g)"]),
        ("ar1(arm | g)", ["two rows have g = 'a', arm = A", "keep one of them"]),
        ("exp(east | g)", ["two rows have g =", "nugget=True"]),
        ("exp(arm | g)", ["'arm' must be numbers"]),
        ("ou(time, east | g)", ["takes one column"]),
        ("cs(1 | g)", ["homcs(1 | g)"]),
        ("us(visit | g, by=visit)", ["several values of 'visit'"]),
        ("homcs(1 | t:g)", ["each group has a single row"]),
        ("toep(uneven | g)", ["not equally spaced", "make it a category"]),
        ("hetar1(uneven | g)", ["not equally spaced", "make it a category"]),
        ("us(constant | t:g)", ["'constant' has a single value"]),
        ("ar1(huge | g)", ["apart", "write 'ou'"]),
    ],
)
def test_what_is_refused(d, text, words):
    odd = d.assign(uneven=d.t**2, constant="c", huge=d.t * 10**9)
    with pytest.raises(DataError) as caught:
        read_residual(residual_text(text), {c: odd[c] for c in odd})
    assert all(word in str(caught.value) for word in words)


def test_rows_with_a_missing_visit_are_dropped(d):
    d = d.assign(y=np.arange(len(d)) % 5.0)
    d.loc[[0, 3], "visit"] = np.nan
    m = mm.LinearMixedModel("y ~ 1", d, residual="cs(visit | g)")
    assert m.frame.n_missing == 2 and m.nobs == len(d) - 2


def test_text_in_another_order_than_its_numbers(d):
    text = d.assign(week=pd.Categorical(d.t.map(lambda t: f"week {4 * t}")))
    columns = {c: text[c] for c in text}
    for structure in ("ar1", "adh", "toep"):
        with pytest.warns(NumbammWarning, match="'week 0', 'week 12', 'week 16'"):
            read_residual(residual_text(f"{structure}(week | g)"), columns)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_residual(residual_text("us(week | g)"), columns)
        read_residual(residual_text("adh(uneven | g)"), columns | {"uneven": d.t**2})

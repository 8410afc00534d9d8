"""Tables of correlations: their derivatives, and what users see of them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from numbamm.structures.exp import Exp
from numbamm.structures.mat import Mat
from numbamm.structures.of_rows.tables import (
    DistanceTable,
    LagTable,
    Stacked,
    VisitTable,
    correlations_of,
)
from numbamm.structures.ou import Ou
from numbamm.structures.registry import by_name, make

DISTANCES = np.array([0.0, 0.3, 1.0, 2.5])
TABLES = {
    name: VisitTable(correlations_of(kind, 4))
    for name, kind in by_name().items()
    if kind.reading == "visits"
}
TABLES |= {
    name: LagTable(make(name, 5)) for name, kind in by_name().items() if kind.reading == "lags"
}
TABLES |= {
    f"{kind.names[0]} {nugget}": DistanceTable(kind, DISTANCES, nugget)
    for kind in (Exp, Ou, Mat)
    for nugget in (False, True)
}
TABLES["stacked"] = Stacked([TABLES["us"], TABLES["ar1"]], ["arm=A", "arm=B"])
each = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)


@each
def test_slopes(table):
    phi = table.start + np.linspace(0.1, 0.3, table.size)
    steps = 1e-6 * np.eye(table.size)
    expected = [(table.values(phi + h) - table.values(phi - h)) / 2e-6 for h in steps]
    assert table.values(phi).shape == (table.codes,)
    assert_allclose(table.slopes(phi), np.reshape(expected, (table.size, table.codes)), atol=1e-7)


@each
def test_names_and_values(table):
    phi = table.start + 0.1
    assert len(set(table.names)) == len(table.names) == table.size
    values = table.shape_values(phi)
    assert len(values) == len(table.shapes)
    for shape, value in zip(table.shapes, values, strict=True):
        assert shape.lower <= value <= shape.upper
    rectified = table.rectified(phi + 2 * np.pi * np.isin(table.names, ["rho_angle"]))
    assert_allclose(table.values(rectified), table.values(phi))


def test_a_nugget_is_the_share_of_each_row_alone():
    table = DistanceTable(Exp, DISTANCES, nugget=True)
    phi = np.array([0.0, np.arcsin(2 * 0.25 - 1)])
    assert_allclose(table.values(phi)[:2], [1.0, 0.75])  # the row itself, and one at its place
    assert_allclose(table.shape_values(phi)[1], 0.25)


def test_ranges_are_in_the_units_of_the_distances():
    table = DistanceTable(Exp, 1000 * DISTANCES)
    (found,) = table.shape_values(table.start)
    assert_allclose(table.values(table.start)[2], np.exp(-300.0 / found))


@pytest.mark.parametrize("name", ["homcs", "us", "toep"])
def test_bounds(name):
    table = TABLES[name]
    assert not table.at_bound(table.start, 1e-4)
    assert table.at_bound(np.full(table.size, 100.0 if name == "us" else np.pi / 2), 1e-2)

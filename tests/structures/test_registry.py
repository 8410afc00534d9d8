"""Structures by name, and as files keep them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from structures.examples import NAMES, each, some_theta

from numbamm.structures.registry import from_json, make

each_name = pytest.mark.parametrize("name", NAMES)
orders = st.integers(1, 5)


@each
def test_what_a_file_keeps(structure):
    content = json.loads(json.dumps(structure.to_json()))
    found = from_json(content, structure.p)
    assert_array_equal(found.entries, structure.entries)
    theta = some_theta(structure)
    assert_array_equal(found.matrix(theta), structure.matrix(theta))
    cnames = [f"c{j}" for j in range(structure.p)]
    assert found.deviations(cnames) == structure.deviations(cnames)
    assert found.correlations == structure.correlations


@pytest.mark.parametrize(
    ("entries", "p"),
    [([0], 1), ([0, 2, 3], 2), ([0, 3], 2), ([0, 4, 7, 8], 3), ([0, 3, 4, 8], 3), ([0, 4, 8], 3)],
)
def test_files_that_have_entries_alone(entries, p):
    assert from_json(entries, p).entries.tolist() == entries


@each_name
@given(p=orders)
def test_equal_by_what_they_say(name, p):
    assert make(name, p) == make(name, p) and hash(make(name, p)) == hash(make(name, p))
    assert make(name, p) != make(name, p + 1)

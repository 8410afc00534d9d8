"""Grouping expressions, and the coding of rows."""

import numpy as np
import pandas as pd
import pytest

from numbamm.errors import DataError, FormulaError
from numbamm.formula import model_frame
from numbamm.formula.grouping import Grouping, grouping_factors
from numbamm.formula.scan import scan


def factors(group):
    return list(grouping_factors(scan(f"y ~ (1 | {group})").terms[0]))


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ("a", [("a",)]),
        ("(a)", [("a",)]),
        ("factor(a)", [("a",)]),
        ("C(a):b", [("a", "b")]),
        ("a:b", [("a", "b")]),
        ("a & b", [("a", "b")]),
        ("a:b:c", [("a", "b", "c")]),
        ("a/b", [("a",), ("a", "b")]),
        ("a/b/c", [("a",), ("a", "b"), ("a", "b", "c")]),
        ("a:b/c", [("a", "b"), ("a", "b", "c")]),
        ("a/(b:c)", [("a",), ("a", "b", "c")]),
        ("a/(b/c)", [("a",), ("a", "b"), ("a", "b", "c")]),
        ("`a b`/a.b", [("a b",), ("a b", "a.b")]),
    ],
)
def test_expressions(group, expected):
    assert factors(group) == expected


@pytest.mark.parametrize("group", ["a + b", "a * b", "a:", "log(a)", "3", "(a b)", "a/", "'a'"])
def test_anything_else_is_refused(group):
    with pytest.raises(FormulaError, match="is not a grouping factor"):
        factors(group)


FRAME = {
    "a": pd.Series(["s", "r", "s", "q", "r"], dtype="category"),
    "n": pd.Series([10, 2, 10, 2, 3]),
    "k": pd.Series(pd.Categorical(list("xyxyx"), categories=["y", "x", "z"])),
    "one": pd.Series([7, 7, 7, 7, 7]),
}


@pytest.mark.parametrize(
    ("names", "levels", "refs"),
    [
        (("a",), ["q", "r", "s"], [2, 1, 2, 0, 1]),
        (("n",), [2, 3, 10], [2, 0, 2, 0, 1]),
        (("k",), ["y", "x"], [1, 0, 1, 0, 1]),
        (("a", "n"), ["q:2", "r:2", "r:3", "s:10"], [3, 1, 3, 0, 2]),
        (("k", "a", "n"), ["y:q:2", "y:r:2", "x:r:3", "x:s:10"], [3, 1, 3, 0, 2]),
    ],
)
def test_coding(names, levels, refs):
    grouping = Grouping(names)
    assert grouping.fit(FRAME).tolist() == refs
    assert list(grouping.levels) == levels
    again, unseen = grouping.code(FRAME)
    assert again.tolist() == refs
    assert again.dtype == np.int32
    assert unseen == []


def test_new_levels_and_new_combinations():
    new = {
        "a": pd.Series(["q", "q", "new", "r"], dtype="category"),
        "n": pd.Series([2, 3, 2, 2]),
    }
    both = Grouping(("a", "n"))
    both.fit(FRAME)
    refs, unseen = both.code(new)
    assert refs.tolist() == [0, 4, 5, 1]
    assert unseen == ["q:3", "new:2"]
    one = Grouping(("a",))
    one.fit(FRAME)
    assert one.code(new)[0].tolist() == [0, 0, 3, 1]
    assert one.code(new)[1] == ["new"]


def test_labels_with_colons_are_told_apart():
    frame = {
        "a": pd.Series(["1:2", "1", "1:2", "1", "x`", "x"], dtype="category"),
        "b": pd.Series(["3", "2:3", "3", "2:3", "y", "`y"], dtype="category"),
    }
    both = Grouping(("a", "b"))
    refs = both.fit(frame)
    assert list(both.levels) == ["1:`2:3`", "`1:2`:3", "x:```y`", "`x```:y"]
    assert refs.tolist() == [1, 0, 1, 0, 3, 2]
    new = {"a": pd.Series(["1:2", "1"]), "b": pd.Series(["2:3", "2:2:3"])}
    assert both.code(new)[1] == ["`1:2`:`2:3`", "1:`2:2:3`"]


@pytest.mark.parametrize("joins", [True, False])
def test_levels_of_an_interaction_have_a_label_each(joins):
    parts = ["1", "2", "1:2", "2:1", ":", "1:", ":1"]
    pairs = pd.DataFrame([(a, b) for a in parts for b in parts] * 2, columns=["a", "b"])
    y = np.arange(float(len(pairs))) % 7
    mf = model_frame("y ~ a:b + (1 | a:b)", pairs.assign(y=y), amalgamate=joins)
    assert len(set(mf.reterms[0].levels)) == len(parts) ** 2
    assert len(set(mf.xnames)) == len(mf.xnames)


def test_a_column_is_not_taken_for_an_interaction_of_its_name():
    data = {"y": np.arange(12.0), "a": list("pqr") * 4, "b": list("uuvv") * 3, "a:b": [1, 2] * 6}
    assert model_frame("y ~ 1 + (1 | `a:b`)", data).reterms[0].nlevels == 2
    assert model_frame("y ~ 1 + (1 | a:b)", data).reterms[0].nlevels == 6
    with pytest.raises(FormulaError, match="both called 'a:b' among the grouping factors"):
        model_frame("y ~ 1 + (1 | a:b) + (1 | `a:b`)", data)


def test_a_single_level_is_refused():
    with pytest.raises(DataError, match="'one' has a single level"):
        Grouping(("one",)).fit(FRAME)

"""Pedigrees against the tabular method, written plainly, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import HERE

import numbamm as mm

FOLDER = HERE / "reference" / "structures"


def tabular(sire, dam):
    """The relationship matrix by the tabular method; parents come first, -1 is unknown."""
    q = len(sire)
    A = np.zeros((q, q))
    for i in range(q):
        s, d = sire[i], dam[i]
        for j in range(i):
            A[i, j] = A[j, i] = 0.5 * ((A[j, s] if s >= 0 else 0) + (A[j, d] if d >= 0 else 0))
        A[i, i] = 1 + (0.5 * A[s, d] if s >= 0 and d >= 0 else 0)
    return A


@st.composite
def pedigrees(draw):
    q = draw(st.integers(1, 25))
    parent = [draw(st.integers(-1, i - 1)) for i in range(q)]
    other = [draw(st.integers(-1, i - 1)) for i in range(q)]
    return np.array(parent), np.array(other), draw(st.permutations(range(q)))


@given(pedigrees())
def test_relationships_are_those_of_the_tabular_method(case):
    sire, dam, order = case
    A, names = tabular(sire, dam), [f"n{i}" for i in range(len(sire))]
    rows = {"animal": names, "sire": sire, "dam": dam}
    rows |= {k: [names[p] if p >= 0 else None for p in rows[k]] for k in ("sire", "dam")}
    found = mm.pedigree(pd.DataFrame(rows).iloc[order])
    np.testing.assert_allclose(found.covariance.loc[names, names], A, atol=1e-12)
    np.testing.assert_allclose(found.inbreeding[names], np.diag(A) - 1, atol=1e-12)
    inverse = pd.DataFrame(found.precision.toarray(), found.labels, found.labels)
    np.testing.assert_allclose(inverse.loc[names, names] @ A, np.eye(len(A)), atol=1e-8)


def test_a_published_matrix():
    rows = pd.read_csv(FOLDER / "sim_pedigree.csv")
    A = pd.read_csv(FOLDER / "sim_animal_A.csv", index_col=0)
    found = mm.pedigree(rows.sample(frac=1, random_state=1), "id")
    np.testing.assert_allclose(found.covariance.loc[A.index, A.columns], A, atol=1e-12)


def test_unknown_parents_and_parents_without_rows():
    rows = {"animal": [3, 4, 5], "sire": [1, 1, 3], "dam": [2, 0, np.nan]}
    found = mm.pedigree(rows)
    assert found.labels.tolist() == [3, 4, 5, 1, 2]
    assert found.sire.tolist() == [3, 3, 0, -1, -1] and found.dam.tolist() == [4, -1, -1, -1, -1]
    texts = mm.pedigree({"animal": ["c"], "sire": ["NA"], "dam": ["."]})
    assert repr(texts) == "Pedigree(1 animals, 1 founders, 0 inbred)"
    selfed = mm.pedigree({"animal": ["c"], "sire": ["a"], "dam": ["a"]})
    assert selfed.inbreeding["c"] == 0.5


REFUSED = {
    "cycle": (["a", "b"], ["b", None], [None, "a"], "'a' is a parent of 'b' is a parent of 'a'"),
    "two rows": (["a", "a"], ["b", None], [None, None], "'a' has two rows"),
    "own parent": (["a"], ["a"], [None], "'a' is its own parent"),
    "no name": (["a", None], ["b", None], [None, None], "no animal in row 1"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_impossible_pedigrees_are_refused(what):
    animal, sire, dam, message = REFUSED[what]
    with pytest.raises(mm.DataError, match=message):
        mm.pedigree({"animal": animal, "sire": sire, "dam": dam})


def test_columns_that_are_not_there_are_named():
    with pytest.raises(mm.DataError, match="no column 'animal'; did you mean 'animl'"):
        mm.pedigree({"animl": ["a"], "sire": [None], "dam": [None]})

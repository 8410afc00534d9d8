"""Covariances of species: lengths of shared paths, and the precision of all nodes."""

import numpy as np
import pytest

import numbamm as mm

TREES = {
    "ultrametric": "((a:1,b:1):2,c:3);",
    "a root with a label and a length": "((a:1,b:2)ab:1,(c:1,'d e':2):1e-1)root:1;",
    "a polytomy": "(a:1,b:2,(c:1,d:0.5,e:1):3);",
    "inner branches of length zero": "(((a:1,b:1):0,c:2):0,(d:1,e:1):1);",
    "comments": "((a[one]:1,b:1)[two]:2,c:3);",
}
SHARED = {
    "ultrametric": [[3, 2, 0], [2, 3, 0], [0, 0, 3]],
    "a root with a label and a length": [
        [2, 1, 0, 0],
        [1, 3, 0, 0],
        [0, 0, 1.1, 0.1],
        [0, 0, 0.1, 2.1],
    ],
}


@pytest.mark.parametrize("name", TREES)
def test_the_precision_of_all_nodes_has_the_covariance_of_the_tips(name):
    tree = mm.phylogeny(TREES[name])
    K, n = tree.covariance, len(tree.tips)
    inverse = np.linalg.inv(tree.precision.toarray())
    np.testing.assert_allclose(inverse[:n, :n], K, atol=1e-12)
    np.testing.assert_allclose(np.diag(inverse), tree.innovations.inverse_diagonal())
    if name in SHARED:
        np.testing.assert_allclose(K, SHARED[name], atol=1e-12)


def test_labels_of_inner_nodes():
    assert mm.phylogeny("((a:1,b:1)node1:1,(c:1,d:1):1);").labels.tolist() == [
        *"abcd",
        "node1",
        "node3",
    ]


def test_unit_height():
    tree = mm.phylogeny("((a:1,b:1):2,c:3);", unit_height=True)
    assert tree.height == 3 and tree.covariance.loc["a"].tolist() == pytest.approx([1, 2 / 3, 0])


def test_a_tip_without_a_branch_has_no_precision():
    tree = mm.phylogeny("((a:1,b:0):2,c:3);")
    assert tree.covariance.loc["b", "b"] == 2
    with pytest.raises(mm.DataError, match="the branch above 'b' has length zero"):
        tree.precision  # noqa: B018


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(a:1,b);", "'b' has no length"),
        ("((a:1,b:1):2,a:3);", "two nodes of the tree have the label 'a'"),
        ("(a:1,:1);", "a tip of the tree has no label"),
        ("(a:0,b:0);", "all branches"),
        ("(a:1);", "fewer than two tips"),
    ],
)
def test_trees_that_are_not_complete_are_refused(text, message):
    with pytest.raises(mm.DataError, match=message):
        mm.phylogeny(text)


def test_a_deep_tree():
    n = 3000
    text = "(" * n + "t0:1" + "".join(f",t{i}:1):1" for i in range(1, n + 1)) + ";"
    tree = mm.phylogeny(text)
    assert len(tree.tips) == n + 1 and tree.height == n


def test_tips_and_nodes_give_the_same_model():
    rng = np.random.default_rng(1)
    tree = mm.phylogeny("(((a:1,b:1):1,(c:1,d:1):1):1,((e:1,f:1):1,g:2):1);")
    d = {"y": rng.normal(size=40).cumsum(), "s": rng.choice(tree.tips, 40)}
    by_tips = mm.lmm("y ~ 1 + (1 | s)", d, cov={"s": tree})
    by_nodes = mm.lmm("y ~ 1 + (1 | s)", d, precision={"s": tree})
    assert by_tips.objective == pytest.approx(by_nodes.objective, abs=1e-8)
    assert by_nodes.reterms[0].nlevels > by_tips.reterms[0].nlevels == 7

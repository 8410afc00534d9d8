"""Newick text: what is read, and where reading fails."""

import pytest

import numbamm as mm
from numbamm.relations.newick import Node, read_newick


def test_nodes():
    assert read_newick(" ( 'it''s' : 1e-1 , (b:2,c:3)bc ) ; ") == [
        Node("", -1, None, False),
        Node("it's", 0, 0.1, True),
        Node("bc", 0, None, False),
        Node("b", 2, 2.0, True),
        Node("c", 2, 3.0, True),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(a:1,b:1", "ends before all of its parentheses are closed"),
        ("a:1", "must be text in Newick form"),
        (3, "must be text in Newick form"),
        ("(a:1,b:x);", "position 7 .*'x' is no number"),
        ("(a:1 b:2);", "a comma or a parenthesis is missing"),
        ("(a:1,b:1);(c:1,d:1);", "only one tree"),
        ("(a:1,b:-1);", "negative or infinite"),
        ("(a:1,b:inf);", "negative or infinite"),
        ("(a:1)b:1)c;", "closed that was not opened"),
        ("(a:1,'b:1);", "a quote or a bracket is not closed"),
        ("(a:1,b:1)c,d;", "outside of all parentheses"),
        ("(a:1,b(c:1,d:1));", "a comma is missing before"),
        ("(a:1:2,b:1);", "stands twice"),
    ],
)
def test_text_that_is_no_tree(text, message):
    with pytest.raises(mm.DataError, match=message):
        read_newick(text)

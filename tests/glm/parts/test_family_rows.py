"""Families as mode finders see them, and the links that they refuse."""

import pytest

from numbamm.errors import OptionError
from numbamm.glm.family import FAMILIES
from numbamm.glm.link import LINKS
from numbamm.glm.parts.family_rows import FamilyRows, check_link


def test_one_kernel_for_each_family():
    beta = FAMILIES["beta"]
    rows = FamilyRows(beta)
    assert rows == FamilyRows(beta)
    assert rows.addresses(LINKS["logit"])[1] == rows.addresses(LINKS["probit"])[1]
    assert not rows.is_canonical(LINKS["logit"]) and rows.proportions
    assert not rows.dispersed and not rows.has_shape


@pytest.mark.parametrize(
    ("family", "link", "joint", "words"),
    [
        ("ordbeta", "probit", False, "leave the link out"),
        ("beta", "log", False, "onto"),
        ("student", "inverse", True, "every linear predictor"),
    ],
)
def test_links_that_do_not_work(family, link, joint, words):
    with pytest.raises(OptionError, match=words):
        check_link(FAMILIES[family], LINKS[link], joint)
    check_link(FAMILIES[family], LINKS[FAMILIES[family].link], joint=False)

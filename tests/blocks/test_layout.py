"""The pattern of a model's blocks, from which layouts for any number of X columns are made."""

import numpy as np
import pytest
from blocks.dense import structures

import numbamm as mm
from numbamm.blocks.layout import Pattern, build_layout

STRUCTURES = structures()


@pytest.mark.parametrize("name", STRUCTURES)
def test_layouts_of_one_pattern_are_those_of_the_terms(name):
    """In any order, since a layout leaves nothing in the pattern."""
    terms = STRUCTURES[name]
    pattern = Pattern.of(terms)
    for nx in (3, 0, 3):
        ours, theirs = vars(pattern.layout(nx)), vars(build_layout(terms, nx))
        assert ours.keys() == theirs.keys()
        for what, value in theirs.items():
            assert np.array_equal(ours[what], value), what


def test_a_generalized_model_finds_its_pattern_once(monkeypatch):
    """With γ in the search for the mode and without it, in the fit and in standard errors."""
    found, of = [], Pattern.of.__func__
    monkeypatch.setattr(
        Pattern, "of", classmethod(lambda cls, terms: found.append(len(terms)) or of(cls, terms))
    )
    formula = "r2 ~ Anger + (1 | id) + (1 | item)"
    data = mm.datasets.load("VerbAgg").iloc[::5]
    model = mm.glmm(formula, data, "bernoulli")
    assert np.isfinite(model.bse).all() and np.isfinite(model.leverage()).any()
    assert sorted(found) == [0, 2]  # and that of the model without random effects

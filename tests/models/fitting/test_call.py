"""What a model was built from: referred to, and left out when a model is pickled."""

import copy
import pickle

import pytest

import numbamm as mm

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


def test_copies_share_the_data():
    data = mm.datasets.load("sleepstudy")
    model = mm.LinearMixedModel(SLEEP, data)
    assert model.call.data is data
    assert copy.deepcopy(model).call.data is data and model.twin().call.data is data


def test_a_model_without_its_data(fitted):
    model = fitted(SLEEP, "sleepstudy")
    again = pickle.loads(pickle.dumps(model))
    with pytest.raises(mm.DataError, match="does not know its data"):
        again.update("~ . - Days")
    data = mm.datasets.load("sleepstudy")
    assert again.update("~ . - Days", data=data).formula == "Reaction ~ 1 + (1 + Days | Subject)"
    assert len(pickle.dumps(model)) < 1.2 * len(pickle.dumps(again))

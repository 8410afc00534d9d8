"""The options ``tail``, ``probes`` and ``seed``: given, configured, kept and refused."""

import pickle

import numpy as np
import pytest

import numbamm as mm
from numbamm.blocks.tail.tail_request import tail_request

FORMULA = "y ~ 1 + (1 | g) + (1 | h)"


@pytest.fixture(scope="module")
def data():
    rng, n = np.random.default_rng(3), 120
    return {"y": rng.normal(size=n), "g": rng.integers(0, 9, n), "h": rng.integers(0, 5, n)}


def test_what_is_configured_holds_unless_something_else_is_asked_for():
    assert tail_request(None, None, None)[:3] == ("auto", None, None)
    with mm.config.context(tail="dense", probes=8):
        assert tail_request(None, None, 5)[:3] == ("dense", 8, 5)
        assert tail_request("auto", 4, None)[:3] == ("auto", 4, None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tail": "sprase"}, "tail must be one of auto, dense, .*not 'sprase'"),
        ({"tail": 3}, "tail must be one of auto"),
        ({"probes": 1}, "probes must be an integer from 2 to 10000, not 1"),
        ({"probes": 10**7}, "from 2 to 10000, not 10000000"),
        ({"probes": True}, "probes must be an integer"),
        ({"seed": -1}, "seed must be an integer of at least 0, not -1"),
        ({"seed": 1.5}, "seed must be an integer"),
    ],
)
def test_what_cannot_be_used_is_refused(data, options, message):
    with pytest.raises(mm.OptionError, match=message):
        mm.lmm(FORMULA, data, **options)


@pytest.mark.parametrize("family", [None, "poisson"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tail": "dense", "probes": 16}, r"probes=16 has no effect: the dense tail \(as asked\)"),
        ({"seed": 0}, r"seed=0 has no effect: the dense tail \(its order \d+ is small\) is exact"),
        ({"probes": 4, "seed": 1}, "probes=4 and seed=1 have no effect: .*for tail='iterative'"),
    ],
)
def test_probes_that_have_no_effect(data, family, options, message):
    data = data | {"y": np.abs(data["y"]).round()}
    with pytest.warns(mm.NumbammWarning, match=message):
        if family:
            mm.GeneralizedLinearMixedModel(FORMULA, data, family, **options)
        else:
            mm.LinearMixedModel(FORMULA, data, **options)


@pytest.mark.filterwarnings("error")
def test_probes_that_are_configured_are_for_models_that_take_them(data):
    with mm.config.context(probes=16):
        mm.LinearMixedModel(FORMULA, data)
        mm.GeneralizedLinearMixedModel(FORMULA, data | {"y": np.abs(data["y"]).round()}, "poisson")


def test_an_unknown_tail_of_the_configuration_is_refused(data):
    with mm.config.context(tail="sparser"), pytest.raises(mm.OptionError, match="tail must be one"):
        mm.lmm(FORMULA, data)


def test_a_model_says_which_tail_it_has_and_why(data):
    usual, asked = mm.lmm(FORMULA, data), mm.lmm(FORMULA, data, tail="dense")
    assert "tail:" not in usual.block_description()  # there was nothing to choose
    assert asked.block_description().endswith("\ntail: dense, as asked")
    assert "Tail:                     dense: its order 7 is small" in repr(usual.optsum)
    assert (
        "dense: as asked" in repr(asked.optsum) and "dense: as asked" in asked.optsum._repr_html_()
    )
    assert usual.objective == asked.objective


def test_copies_keep_what_was_asked_for(data):
    with pytest.warns(mm.NumbammWarning, match="have no effect"):
        model = mm.lmm(FORMULA, data, tail="dense", probes=4, seed=7)
        changed = model.update("~ . - (1 | h)")
    read = pickle.loads(pickle.dumps(model))
    other = model.of_other_frame(model.frame)
    for copied in (read, changed, other, model.twin()):
        assert copied.blocks.request[:3] == ("dense", 4, 7)
        assert copied.optsum.tail_kind == "dense"


def test_a_saved_fit_knows_its_tail(data, tmp_path):
    model = mm.lmm(FORMULA, data)
    model.save(tmp_path / "fit.json")
    again = mm.LinearMixedModel(FORMULA, data).restore(tmp_path / "fit.json")
    assert again.optsum.tail_kind == "dense"
    plain = model.optsum.to_dict()
    del plain["tail_kind"], plain["tail_reason"]  # as earlier releases wrote it
    assert mm.OptSummary.from_dict(plain).tail_kind is None

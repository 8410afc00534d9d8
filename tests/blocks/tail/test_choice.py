"""The tail is chosen by predictions, before anything large is allocated."""

import numpy as np
import pytest

import numbamm as mm
from numbamm import memory
from numbamm.blocks.layout import ORDER
from numbamm.blocks.tail import choice
from numbamm.blocks.tail.protocol import Prediction
from numbamm.errors import DataError, NumbammWarning, OptionError


class Layout:
    """Of two crossed factors, as far as the choice looks at it."""

    def __init__(self, order):
        self.table = np.zeros((1, 20), dtype=np.int64)
        self.table[0, ORDER] = order
        self.size_a, self.size_work, self.size_adjoint = order, order**2, 2 * order**2


class Term:
    group, nranef = "g", 5000


def tails(monkeypatch, exact=True, **predictions):
    """Let there be tails of these predictions: (seconds, bytes), or why not."""

    def tail_of(name):
        found = predictions[name]
        given = found if isinstance(found, str) else Prediction(*found)
        precise = name != "iterative"
        made = {"predict": lambda *_, **__: given, "is_exact": precise, "evaluations": 1}
        return type(name, (), made)

    monkeypatch.setattr(choice, "names", lambda: list(predictions))
    monkeypatch.setattr(choice, "tail_of", tail_of)
    monkeypatch.setattr(choice, "available", lambda: 24e9)
    monkeypatch.setattr(memory, "available", lambda: 24e9)


def chosen(order=5000, wanted="auto"):
    return choice.choose(Layout(order), [Term()], wanted)


@pytest.mark.parametrize(
    ("name", "predictions"),
    [
        ("dense", {"dense": (3.0, 1e9), "sparse": (2.0, 1e8), "iterative": (0.1, 1e8)}),
        ("sparse", {"dense": (3.0, 1e9), "sparse": (1.0, 1e8), "iterative": (0.1, 1e8)}),
        ("sparse", {"dense": (60.0, 1e9), "sparse": (19.0, 1e8), "iterative": (0.1, 1e8)}),
        ("sparse", {"dense": (20.0, 7e9), "sparse": (15.0, 1e8), "iterative": (0.1, 1e8)}),
        ("iterative", {"dense": (90.0, 1e9), "sparse": (80.0, 1e8), "iterative": (1.0, 1e8)}),
        ("iterative", {"dense": (90.0, 1e9), "sparse": (1.0, 2e10), "iterative": (1.0, 1e8)}),
        ("sparse", {"dense": (90.0, 1e9), "sparse": (25.0, 1e8), "iterative": (20.0, 1e8)}),
        ("iterative", {"dense": (90.0, 2e10), "sparse": (25.0, 2e10), "iterative": (29.0, 1e8)}),
        ("dense", {"dense": (0.2, 1e9), "sparse": (0.01, 1e8), "iterative": (0.1, 1e8)}),
    ],
)
def test_exact_before_approximate_and_dense_unless_another_is_clearly_faster(
    name, predictions, monkeypatch
):
    tails(monkeypatch, **predictions)
    assert chosen().name == name


def test_the_reason_has_all_predictions_and_what_is_missing(monkeypatch):
    tails(
        monkeypatch, dense=(3.0, 1e9), sparse="scikit-sparse is not installed", iterative=(1, 2e9)
    )
    found = chosen()
    assert found.why == (
        "order 5000, dense about 3 s and 1.0 GB, iterative about 1 s and 2.0 GB; "
        "not sparse, since scikit-sparse is not installed"
    )
    assert not found.is_obvious


def test_a_small_tail_is_dense_without_a_look_at_others(monkeypatch):
    tails(monkeypatch, dense=(5.0, 1e8))
    monkeypatch.setattr(choice, "names", lambda: pytest.fail("looked at others"))
    assert chosen(order=2000).is_obvious


def test_what_was_asked_for_is_taken_or_refused(monkeypatch):
    tails(monkeypatch, dense=(5.0, 1e8), sparse=(1.0, 2e8), iterative="there is one factor")
    assert chosen(wanted="sparse") == ("sparse", "as asked", "", False)
    with pytest.raises(OptionError, match="tail='iterative': there is one factor"):
        chosen(wanted="iterative")
    tails(monkeypatch, dense=(5.0, 1e8), sparse=(1.0, 2e10))
    with pytest.raises(DataError, match="the sparse tail of 'g' .*: 20.0 GB, more than half"):
        chosen(wanted="sparse")


def test_what_fits_nowhere_is_refused_and_what_is_slow_is_told(monkeypatch):
    tails(monkeypatch, dense=(5e3, 2e11), sparse=(1e3, 2e11))
    with pytest.raises(DataError, match="a dense matrix of order 90000: 194.4 GB"):
        chosen(order=90_000)
    tails(monkeypatch, dense=(5e3, 2e11), sparse=(1e3, 1e9))
    with pytest.warns(NumbammWarning, match="sparse tail of 'g' .*about 1000 seconds"):
        assert chosen(order=90_000).name == "sparse"


@pytest.fixture
def crossed():
    """Two crossed factors of 20,000 levels each, and as many rows."""
    rng, n = np.random.default_rng(3), 20_000
    g, h = np.arange(n), rng.permutation(n)
    return {"y": rng.normal(size=2 * n), "g": np.tile(g, 2), "h": np.concatenate([h, g])}


def test_fill_in_that_does_not_fit_is_refused(crossed, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 16e9)
    with pytest.raises(
        mm.DataError,
        match=r"crossing 'g' \(20000 random effects\) and 'h' .* dense matrix of order 20002: "
        r"9\.\d GB, more than half of the 16.0 GB of memory",
    ):
        mm.LinearMixedModel("y ~ 1 + (1 | g) + (1 | h)", crossed, tail="dense")
    crossed["y"] = np.arange(len(crossed["y"])) % 3
    with pytest.raises(mm.DataError, match="order 20002"):
        mm.GeneralizedLinearMixedModel(
            "y ~ 1 + (1 | g) + (1 | h)", crossed, "poisson", tail="dense"
        )


def test_slow_evaluations_are_announced(crossed):
    from numbamm.blocks.layout import build_layout
    from numbamm.blocks.tail.choice import check_size

    model = mm.LinearMixedModel("y ~ 1 + (1 | g)", crossed)
    terms = [model.reterms[0], mm.LinearMixedModel("y ~ 1 + (1 | h)", crossed).reterms[0]]
    with pytest.warns(mm.NumbammWarning, match=r"order 20002: 9.6 GB, and about 133 seconds"):
        check_size(build_layout(terms, 1), terms)

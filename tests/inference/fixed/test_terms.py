"""The terms of the fixed effects: their columns, their order, and X without one of them."""

import numpy as np
import pandas as pd
import pytest

from numbamm.formula import model_frame
from numbamm.inference.fixed.terms import fixed_terms, without

RNG = np.random.default_rng(2)
DATA = pd.DataFrame(
    {
        "y": RNG.normal(size=60),
        "x": RNG.normal(size=60),
        "a": list("uvw") * 20,
        "b": np.repeat(["p", "q"], 30),
        "odd name": RNG.normal(size=60),
        "g": np.arange(60) % 7,
    }
)


def terms_of(effects):
    frame = model_frame(f"y ~ {effects} + (1 | g)", DATA)
    return frame, {term.name: term for term in fixed_terms(frame)}


@pytest.mark.parametrize(
    ("effects", "columns"),
    [
        ("x + a * b", {"x": [1], "a": [2, 3], "b": [4], "a:b": [5, 6]}),
        ("0 + a + x:a", {"a": [0, 1, 2], "x:a": [3, 4, 5]}),
        ("poly(x, 2) + `odd name`", {"poly(x, 2)": [1, 2], "odd name": [3]}),
        ("1", {}),
    ],
)
def test_columns(effects, columns):
    frame, terms = terms_of(effects)
    found = {name: term.columns.tolist() for name, term in terms.items()}
    assert {name.replace("a:x", "x:a"): c for name, c in found.items()} == columns
    assert sum(map(len, found.values())) + ("Intercept" in frame.xnames) == len(frame.xnames)


def test_a_term_contains_another_within_levels_only():
    _, terms = terms_of("x + a * b + x:a")
    inner = next(term for name, term in terms.items() if name in ("x:a", "a:x"))
    assert terms["a:b"].contains(terms["a"]) and terms["a:b"].contains(terms["b"])
    assert inner.contains(terms["x"])  # the slope within levels
    assert not inner.contains(terms["a"])  # its covariate is none of a's
    assert not terms["a"].contains(terms["a"]) and not terms["a"].contains(terms["a:b"])


def test_what_remains_is_coded_again():
    """Without b, a:b has the indicators that b made redundant: the space is the same."""
    frame, terms = terms_of("a * b")
    X, names = without(frame, terms["b"])
    assert X.shape == (60, len(names)) and np.linalg.matrix_rank(X) == 6
    X, names = without(frame, terms["a:b"])
    assert names == ["Intercept", "a[T.v]", "a[T.w]", "b[T.q]"]
    assert frame.xnames != names  # the frame stays as it is

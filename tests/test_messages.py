"""Warnings name the user's line, and no message shows numpy's types."""

import ast
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import numbamm as mm
from numbamm.errors import shown, without_numpy
from numbamm.optimize import minimize

PACKAGES = [Path(mm.__file__).parent, Path(mm.__file__).parents[1] / "optimizers"]
SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


def counts():
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(12), 9)
    return pd.DataFrame({"g": g, "y": rng.poisson(np.exp(rng.normal(0.5, 1.6, g.size)))})


def test_one_function_warns():
    """Python's `warnings.warn` would show a line of ours, or that of nobody in particular."""
    calls = [
        (path.name, node.lineno)
        for package in PACKAGES
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "warnings.warn"
    ]
    assert [name for name, _ in calls] == ["errors.py"]


def interrupted_search():
    mm.lmm(SLEEP, mm.datasets.load("sleepstudy"), optimizer=limited())


def limited():
    mm.config.set(maxfeval=3)
    return "nlopt:LN_BOBYQA"


def overdispersed_counts():
    mm.glmm("y ~ 1 + (1 | g)", counts(), "poisson")


def overdispersed_refit():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = mm.GeneralizedLinearMixedModel("y ~ 1 + (1 | g)", counts(), "poisson")
    model.fit(fast=True)


def fractions_for_counts():
    mm.GeneralizedLinearMixedModel(
        "y ~ 1 + (1 | g)", counts().assign(y=lambda d: d.y + 0.5), "poisson"
    )


def unseen_level():
    model = mm.lmm(SLEEP, mm.datasets.load("sleepstudy"))
    model.predict({"Days": [1, 2], "Subject": ["308", "nobody"]})


def singular_comparison():
    data = mm.datasets.load("sleepstudy")
    data["Reaction"] -= data.groupby("Subject")["Reaction"].transform("mean")
    small = mm.lmm("Reaction ~ 1 + (1 | Subject)", data)
    mm.lrtest(mm.lmm("Reaction ~ 1 + (1 + Days | Subject)", data), small)


def plain_function():
    summary = mm.OptSummary([1.0, 2.0], [-np.inf, -np.inf], optimizer="scipy:L-BFGS-B", maxfeval=2)
    minimize(lambda x: float((x - 5) @ (x - 5) ** 3), summary)


@pytest.mark.parametrize(
    "cause",
    [
        interrupted_search,
        overdispersed_counts,
        overdispersed_refit,
        fractions_for_counts,
        unseen_level,
        singular_comparison,
        plain_function,
    ],
)
def test_warnings_show_the_users_line(cause):
    with pytest.warns(mm.NumbammWarning) as caught:
        try:
            cause()
        finally:
            mm.config.set(maxfeval=None)
    first = cause.__code__.co_firstlineno
    for warning in caught:
        if issubclass(warning.category, mm.NumbammWarning):
            assert warning.filename == __file__
            assert first < warning.lineno <= first + 8


SCALARS = st.one_of(
    st.floats(allow_nan=True).map(np.float64),
    st.integers(-(2**31), 2**31 - 1).map(np.int32),
    st.text(max_size=8).map(np.str_),
    st.booleans().map(np.bool_),
    st.integers(0, 2**20).map(lambda i: np.float32(i / 16)),
)


@given(
    st.recursive(
        SCALARS,
        lambda s: st.lists(s, max_size=3) | st.dictionaries(st.text(max_size=3), s, max_size=3),
    )
)
def test_values_are_shown_as_pythons(value):
    def plain(value):
        if isinstance(value, list):
            return [plain(v) for v in value]
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items()}
        single = isinstance(value, np.float32)  # which has fewer digits than Python's number
        return float(str(value)) if single else value.item()

    assert without_numpy(repr(value)) == repr(plain(value))
    assert len(shown(value)) <= 80


def test_texts_of_users_are_left_alone():
    for text in ["log(np.log(x))", "np.float64", "np.exp(x) + (1 | g)", "np.where(x > 1, 2, 3)"]:
        assert without_numpy(text) == text


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.emmeans("Days", at={"Days": [np.float64(np.nan)]}),
        lambda m: m.emmeans("Days", type=np.str_("links")),
        lambda m: m.conf_int(np.float64(2.0)),
        lambda m: m.conf_int(method=np.str_("wold")),
        lambda m: m.simulate(np.float64(1.5)),
        lambda m: m.simulate(1, sigma=np.float64(-1.0)),
        lambda m: m.bootstrap(np.float64(2.5)),
        lambda m: m.predict({"Days": [1]}, re_form=np.float64(1.0)),
        lambda m: m.delete_levels(np.int64(3)),
        lambda m: m.contrast({"Days": np.str_("a")}),
        lambda m: mm.config.set(maxfeval=np.float64(1.5)),
        lambda m: mm.config.set(optimizer=np.int64(1)),
        lambda m: mm.lmm(SLEEP, mm.datasets.load("sleepstudy"), sigma=np.float64(-1.0)),
        lambda m: mm.OptSummary([1.0], [0.0], ftol_rel=np.float64(-1.0)).validate(),
        lambda m: m.profile(np.str_("Dayz")),
    ],
)
def test_no_message_shows_numpys_types(call, fitted):
    with pytest.raises(mm.NumbammError) as error:
        call(fitted(SLEEP, "sleepstudy"))
    assert "np." not in str(error.value)

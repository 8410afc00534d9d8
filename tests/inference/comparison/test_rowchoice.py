"""Which rows a table of models shows, and what they are called."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import numbamm as mm

ODD = {"x 1": "x_1 & 50%", "f*": "<b>µ*", "g|h": "a|b"}


@pytest.fixture(scope="module")
def models():
    rng = np.random.default_rng(11)
    g = rng.integers(0, 8, 140)
    rows = pd.DataFrame({"x 1": rng.normal(size=140), "z": rng.normal(size=140), "g|h": g})
    rows["f*"] = np.array(["low", "mid", "high"])[rng.integers(0, 3, 140)]
    rows["y"] = rows["x 1"] + rng.normal(size=8)[g] + rng.normal(size=140)
    rows["n"] = rng.poisson(np.exp(0.3 * rows["z"]))
    return (
        mm.lmm("y ~ `x 1` + `f*` + (1 + `x 1` | `g|h`)", rows),
        mm.lmm("y ~ z + (1 | `g|h`)", rows),
        mm.glmm("n ~ z + (1 | `g|h`)", rows, "poisson"),
    )


def labels_of(table):
    [printed] = table._report().tables
    return [row[0] for row in printed.rows if row[0]]


def test_names_are_changed_wherever_they_appear(models):
    labels = {"x 1": "Dose", "g|h": "Clinic", "(Intercept)": "Constant", "Residual SD": "σ"}
    table = mm.modeltable(*models[:2], labels=labels | {"z": "Dose²"})
    shown = labels_of(table)
    assert not [label for label in shown if "x 1" in label or "g|h" in label or "(Int" in label]
    for label in ("Dose", "Clinic: SD Constant", "Clinic: corr. Constant, Dose", "σ"):
        assert label in shown
    assert "Levels of Clinic" in shown and "Residual SD" not in shown
    plain = mm.modeltable(*models[:2])
    assert len(labels_of(plain)) == len(shown)
    frame, before = table.to_frame(), plain.to_frame()
    pd.testing.assert_frame_equal(frame[["m0", "m1"]], before[["m0", "m1"]])
    assert list(frame["term"].unique()) == shown
    for form in (table.to_markdown(), table.to_html(), table.to_latex()):
        assert "Clinic" in form and "Dose" in form


def test_coefficients_of_two_models_stand_in_one_row(models):
    table = mm.modeltable(*models[:2], labels={"x 1": "Exposure", "z": "Exposure"})
    fixed = table.to_frame().query("term == 'Exposure' and statistic == 'estimate'")
    assert fixed[["m0", "m1"]].to_numpy().tolist() == [
        [models[0].params["x 1"], models[1].params["z"]]
    ]
    with pytest.raises(mm.OptionError, match="two coefficients of m0, 'Intercept' and 'x 1'"):
        mm.modeltable(models[0], labels={"x 1": "a", "Intercept": "a"})


def test_rows_are_shown_in_the_order_of_their_names(models):
    rows = ["f[*]", "f*", "x 1", "AIC", "Observations", "g|h: SD*"]
    shown = labels_of(mm.modeltable(*models[:2], rows=rows[1:]))
    assert shown == [
        *("f*[T.low]", "f*[T.mid]", "x 1"),
        *("g|h: SD (Intercept)", "g|h: SD x 1", "AIC", "Observations"),
    ]
    assert labels_of(mm.modeltable(models[0], rows="Intercept")) == ["(Intercept)"]
    assert labels_of(mm.modeltable(models[0], rows=["x 1", "random"]))[:2] == [
        "x 1",
        "g|h: SD (Intercept)",
    ]
    with pytest.raises(mm.OptionError, match="rows: 'f\\[\\*\\]' is no row of the table"):
        mm.modeltable(models[0], rows=rows)


def test_rows_are_left_out(models):
    everything = labels_of(mm.modeltable(*models))
    shown = labels_of(mm.modeltable(*models, drop=["f*", "R² *", "Intercept", "g|h: corr*"]))
    gone = ["(Intercept)", "f*[T.low]", "f*[T.mid]", "g|h: corr. (Intercept), x 1"]
    assert shown == [x for x in everything if x not in [*gone, "R² marginal", "R² conditional"]]
    assert labels_of(mm.modeltable(*models, drop=[])) == everything
    by_label = mm.modeltable(models[0], labels={"x 1": "Dose"}, drop="Dose")
    assert labels_of(by_label) == labels_of(
        mm.modeltable(models[0], drop="x 1", labels={"x 1": "Dose"})
    )


def test_notes_are_about_what_is_shown(models):
    counts = models[2]
    assert "intercept is no ratio" in str(mm.modeltable(counts, exponentiate=True))
    assert "no ratio" not in str(mm.modeltable(counts, exponentiate=True, drop="Intercept"))
    renamed = mm.modeltable(counts, exponentiate=True, labels={"Intercept": "Base"})
    assert "intercept is no ratio" in str(renamed)
    assert "cannot be compared" in str(mm.modeltable(*models))
    assert "cannot be compared" not in str(mm.modeltable(*models, drop=["logLik", "AIC", "BIC"]))
    bare = str(mm.modeltable(*models[:2], rows=["model"], stars=True))
    assert "errors in parentheses" not in bare and "Coef." not in bare and "p < 0.05" not in bare


def test_titles(models):
    for form in ("to_markdown", "to_html", "to_latex", "__str__"):
        assert "My table" in getattr(mm.modeltable(models[0], title="My table"), form)()
    assert str(mm.modeltable(models[0], title="")).splitlines()[0].startswith("─")
    with pytest.raises(mm.OptionError, match="title must be a text, not 3"):
        mm.modeltable(models[0], title=3)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"labels": {"x": "Dose"}}, "labels: 'x' is no row .*there are"),
        ({"labels": {"x 1": 2}}, "labels must be a dict of names and texts, not one with 'x 1': 2"),
        ({"labels": "x 1"}, "labels must be a dict"),
        ({"rows": ["R2"]}, "rows: 'R2' is no row .*R² marginal"),
        ({"rows": []}, "rows must be a name or a list of names"),
        ({"drop": ["icc"]}, "drop: 'icc' is no row of the table; did you mean 'ICC'"),
        ({"drop": 3}, "drop must be a name or a list of names"),
    ],
)
def test_mistakes_are_explained(models, options, said):
    with pytest.raises(mm.OptionError, match=said):
        mm.modeltable(models[0], **options)


@given(st.data())
def test_what_is_kept_and_what_is_dropped_make_the_whole(models, data):
    everything = labels_of(mm.modeltable(models[0], r2=False))
    some = data.draw(st.lists(st.sampled_from(everything), min_size=1, unique=True))
    exact = [label for label in some if "*" not in label] or ["AIC"]
    kept = labels_of(mm.modeltable(models[0], r2=False, rows=exact))
    left = labels_of(mm.modeltable(models[0], r2=False, drop=exact))
    assert sorted(kept + left) == sorted(everything) and set(kept) == set(exact)

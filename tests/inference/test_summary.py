"""The table of a fitted model: notes, counts, and correlations on request."""

import pytest

import numbamm as mm


def test_loose_tolerances_are_told():
    """They may come from a file that nobody remembers."""
    with mm.config.context(xtol_abs=1.0, ftol_abs=1e-9):
        model = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    assert "Tolerances looser than the defaults, xtol_abs=1: the last digits" in str(model)
    assert "looser" not in str(mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff")))


def test_correlations_on_request(fitted):
    model = fitted("angle ~ recipe * temp + (1 | recipe:replicate)", "cake", reml=True)
    plain, asked = str(model.summary()), str(model.summary(correlation=True))
    assert "Correlations" not in plain and asked.startswith(plain)
    _, _, header, _, *rows = asked[len(plain) :].strip().splitlines()
    names = [*model.params.index]
    assert header.split() == [str(i) for i in range(1, len(names))]
    matrix = model.corr_params().to_numpy()
    for i, row in enumerate(rows[: len(names)]):
        shown = "(Intercept)" if names[i] == "Intercept" else names[i]
        label, *cells = row.removeprefix(f"{i + 1} ").split()
        assert label == shown
        assert cells == [f"{matrix[i, j]:+.2f}" for j in range(i)]
    for form in ("to_markdown", "to_latex", "to_html"):
        assert (
            "Correlations of the fixed effects" in getattr(model.summary(correlation=True), form)()
        )


def test_correlations_of_dropped_and_single_columns(fitted):
    data = mm.datasets.load("sleepstudy").assign(twice=lambda d: 2 * d["Days"])
    model = mm.lmm("Reaction ~ Days + twice + (1 | Subject)", data)
    text = str(model.summary(correlation=True)).partition("Correlations")[2]
    assert "2 Days" in text and "twice" not in text.partition("\n\n")[0] and "nan" not in text
    single = fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff")
    assert str(single.summary(correlation=True)) == str(single)
    with pytest.raises(mm.OptionError, match="correlation must be True or False"):
        single.summary(correlation="yes")


def test_counts_name_their_groups(fitted):
    pastes = str(fitted("strength ~ 1 + (1 | batch/cask)", "Pastes"))
    assert "Number of obs: 60; levels of grouping factors: 30 (batch:cask), 10 (batch)\n" in pastes
    same = mm.lmm(
        "Reaction ~ 1 + (1 | Subject) + (0 + Days | Subject)", mm.datasets.load("sleepstudy")
    )
    assert "levels of grouping factors: 18 (Subject)\n" in str(same)

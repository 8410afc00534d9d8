"""What holds for all plots of a model: names, axes, colours, odd fits, speed."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
from drawn import labels, odd_rows, offsets
from numpy.testing import assert_allclose

import numbamm as mm
from numbamm.errors import OptionError

CALLS = {
    "residuals": {},
    "qq": {},
    "scale_location": {},
    "diagnostics": {},
    "ranef": {},
    "ranef, qq": {"kind": "qq"},
    "ranef, pairs": {"kind": "pairs"},
    "shrinkage": {},
    "coef": {},
    "varcorr": {},
    "fit": {},
    "effects": {"specs": ["x y %", "$f_1$"]},
    "effects, partial": {"specs": "$f_1$", "points": "partial"},
    "means": {"specs": "$f_1$", "comparisons": True},
    "profile": {"parameters": ["sigma", "x y %"]},
    "bootstrap": {"n": 20, "seed": 1},
    "correlations": {},
    "coefficients": {},
    "influence": {},
    "influence, levels": {"group": "_g$"},
    "path": {},
    "allfit": {"optimizers": ["newton", "nlopt:LN_BOBYQA"]},
    "power": {"design": odd_rows(), "along": "_g$", "levels": [3], "n": 4, "seed": 1},
}


def drawn(model, call, **more):
    return getattr(model.plot, call.split(",")[0])(**CALLS[call], **more)


def test_every_plot_is_called(odd):
    assert {call.split(",")[0] for call in CALLS} == set(dir(odd.plot))


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.filterwarnings("error")
def test_names_are_shown_letter_by_letter(odd, call):
    """Neither mathtext, nor what matplotlib hides because of an underscore."""
    axes = np.ravel(drawn(odd, call))
    figure = axes[0].figure
    figure.canvas.draw()
    texts = [text for text in figure.findobj(plt.Text) if "$" in text.get_text()]
    shown = [text for text in texts if not text.get_text().startswith(r"$\mathdefault")]
    assert not [text.get_text() for text in shown if text.get_parse_math()]
    words = {text.get_text() for text in shown}
    if call in ("fit", "ranef", "influence, levels"):
        assert {"_0$1$", "_5$1$"} <= words
    if call in ("means", "coefficients", "correlations"):
        assert any("$f_1$" in text for text in words)


@pytest.mark.parametrize("call", CALLS)
def test_plots_are_drawn_on_given_axes(odd, call):
    before = dict(plt.rcParams)
    new = drawn(odd, call)
    plt.close("all")
    n = np.size(new)
    figure, given = plt.subplots(1, n + 1, squeeze=False)
    option = "axes" if isinstance(new, np.ndarray) else "ax"
    again = drawn(odd, call, **{option: given[0] if option == "axes" else given[0, 0]})
    assert list(np.ravel(again)) == list(given[0, :n])
    assert plt.get_fignums() == [figure.number] and len(figure.axes) == n + 1
    assert not given[0, n].has_data()
    assert dict(plt.rcParams) == before
    for got, want in zip(np.ravel(again), np.ravel(new), strict=True):
        assert len(got.collections) == len(want.collections)
        assert got.get_title() == want.get_title()
    with pytest.raises(OptionError, match=rf"{option}"):
        drawn(odd, call, **{option: "here"})


SINGLE = {
    "effects": {"specs": "x y %"},
    "means": {"specs": "$f_1$"},
    "shrinkage": {},
    "ranef": {"kind": "pairs"},
    "fit": {"levels": ["_1$1$"]},
    "profile": {"parameters": "sigma"},
    "bootstrap": {"parameters": "sigma", "n": 5},
    "correlations": {"effects": "fixed"},
}


@pytest.mark.parametrize("name", SINGLE)
def test_one_panel_takes_ax_too(odd, name):
    _, ax = plt.subplots()
    assert list(getattr(odd.plot, name)(**SINGLE[name], ax=ax)) == [ax] and ax.has_data()
    with pytest.raises(OptionError, match="give ax, for one panel, or axes, not both"):
        getattr(odd.plot, name)(**SINGLE[name], ax=ax, axes=[ax])


@pytest.mark.parametrize("call", CALLS)
def test_colours_are_those_of_the_style(odd, call):
    """Two colours beyond which there are only those of texts and backgrounds, and no others."""
    style = {
        "axes.prop_cycle": plt.cycler(color=["#123456", "#654321"]),
        "text.color": "#111111",
        "axes.edgecolor": "#111111",
        "axes.labelcolor": "#111111",
        "xtick.color": "#111111",
        "ytick.color": "#111111",
        "axes.facecolor": "#fefefe",
        "figure.facecolor": "#fefefe",
        "legend.edgecolor": "#111111",
    }
    from matplotlib.colors import to_hex, to_rgba_array

    with plt.rc_context(style):
        figure = np.ravel(drawn(odd, call))[0].figure
        seen = set()
        for ax in figure.axes:
            for one in [*ax.collections, *ax.lines, *ax.texts, *ax.patches]:
                getters = ("get_facecolor", "get_edgecolor", "get_color")
                for colour in (getattr(one, get)() for get in getters if hasattr(one, get)):
                    rows = to_rgba_array(colour)
                    seen |= {to_hex(row) for row in rows if row[3] > 0}
    assert seen and seen <= {"#123456", "#654321", "#111111", "#fefefe"}


@pytest.mark.parametrize("name", ["odd_log", "bare"])
def test_singular_fits_dropped_columns_and_few_groups(name, request):
    model = request.getfixturevalue(name)
    assert model.is_singular()
    for plot in ("residuals", "qq", "scale_location", "ranef", "shrinkage", "fit", "influence"):
        np.ravel(getattr(model.plot, plot)())[0].figure.canvas.draw()
    model.plot.profile("sigma")[0].figure.canvas.draw()
    model.plot.path()


def test_frames_of_other_kinds(odd):
    data = odd_rows().drop(columns=["w", "o"])
    formula = "`$y$ (µV)` ~ `x y %` + `$f_1$` + (1 | `_g$`)"
    one, other = mm.lmm(formula, data), mm.lmm(formula, pl.from_pandas(data))
    for name in ("residuals", "fit", "ranef"):
        pair = [np.ravel(getattr(m.plot, name)()) for m in (one, other)]
        for a, b in zip(*pair, strict=True):
            assert_allclose(offsets(a), offsets(b), rtol=1e-6, atol=1e-9)


def test_units_of_a_frame_stand_at_the_axes():
    data = mm.datasets.load("sleepstudy")
    data.attrs["units"] = {"Reaction": "ms", "Days": "d"}
    model = mm.lmm("Reaction ~ Days + (1 | Subject)", data)
    [ax] = model.plot.effects("Days")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Days (d)", "Reaction (ms)")
    assert model.plot.residuals().get_xlabel() == "Fitted Reaction (ms)"
    assert model.plot.fit(n=2)[0].figure.get_supylabel() == "Reaction (ms)"


def test_three_thousand_groups_can_be_read(tmp_path):
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(3000), 4)
    x = np.tile(np.arange(4.0), 3000)
    b = rng.normal(size=(3000, 2))
    data = pd.DataFrame({"y": b[g, 0] + b[g, 1] * x + rng.normal(size=12000), "x": x, "g": g})
    model = mm.lmm("y ~ x + (1 + x | g)", data)
    for name, options in (
        ("ranef", {}),
        ("ranef", {"kind": "qq"}),
        ("shrinkage", {}),
        ("fit", {}),
        ("influence", {}),
    ):
        axes = np.ravel(getattr(model.plot, name)(**options))
        axes[0].figure.savefig(tmp_path / "plot.png")
    axes = model.plot.ranef()
    assert axes[0].get_ylabel() == "g (3,000 levels)" and labels(axes[0].yaxis) == []
    assert_allclose(offsets(axes[0])[:, 0], np.sort(model.ranef()["g"]["Intercept"]))

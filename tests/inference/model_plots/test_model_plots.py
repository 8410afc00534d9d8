"""What the plots of a model draw, against the model's numbers."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose
from plotted import labels, odd_rows, offsets, segments
from scipy.special import ndtri

import numbamm as mm
from numbamm.errors import OptionError

# ---- residuals ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sleep", "odd", "odd_log", "bare", "cbpp"])
def test_residuals_are_those_of_the_rows_used(name, request):
    model = request.getfixturevalue(name)
    ax = model.plot.residuals()
    rows = model.frame.rows
    expected = model.fittedvalues.to_numpy()[rows], model.residuals("pearson").to_numpy()[rows]
    assert_allclose(offsets(ax), np.column_stack(expected))
    assert ax.get_ylabel() == "Pearson residual"


def test_residuals_on_the_scale_of_the_link(cbpp):
    ax = cbpp.plot.residuals("deviance", scale="link")
    assert_allclose(offsets(ax)[:, 0], cbpp.predict(type="link"))
    assert_allclose(offsets(ax)[:, 1], cbpp.residuals("deviance"))
    assert ax.get_xlabel() == "Linear predictor (logit)"


def test_events_are_binned(verbagg):
    ax = verbagg.plot.residuals()
    drawn, r = offsets(ax), verbagg.residuals("pearson").to_numpy()
    assert 20 < len(drawn) < 100 and np.abs(drawn[:, 1]).max() < 1
    assert ax.get_ylabel() == "Pearson residual, mean in bins"
    # Means of equally many rows, in the order of the fitted values.
    order = np.argsort(verbagg.fittedvalues.to_numpy(), kind="stable")
    sizes = [len(part) for part in np.array_split(order, len(drawn))]
    assert max(sizes) - min(sizes) <= 1
    assert np.mean(drawn[:, 1]) == pytest.approx(r.mean(), abs=0.02)
    single = verbagg.plot.residuals(bins=False)
    assert len(offsets(single)) == verbagg.nobs


def test_qq_of_a_linear_model(sleep):
    drawn = offsets(sleep.plot.qq())
    n = sleep.nobs
    assert_allclose(drawn[:, 1], np.sort(sleep.influence()["studentized"]))
    assert_allclose(drawn[:, 0], ndtri((np.arange(1, n + 1) - 0.5) / n))


@pytest.mark.parametrize("name", ["cbpp", "verbagg"])
def test_qq_of_a_generalized_model_is_near_the_diagonal(name, request):
    model = request.getfixturevalue(name)
    drawn = offsets(model.plot.qq(seed=3))
    assert_allclose(drawn, offsets(model.plot.qq(seed=3)))
    assert not np.array_equal(drawn, offsets(model.plot.qq(seed=4)))
    middle = np.abs(drawn[:, 0]) < 1
    assert np.abs(drawn[middle, 1] - drawn[middle, 0]).max() < 0.5


def test_scale_location(sleep, cbpp):
    size = np.sqrt(sleep.influence()["studentized"].abs())
    expected = np.column_stack([sleep.fittedvalues, size])
    assert_allclose(offsets(sleep.plot.scale_location()), expected)
    assert cbpp.plot.scale_location().get_ylabel() == "√|randomized quantile residual|"


# ---- random effects -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sleep", "odd", "cbpp"])
def test_caterpillars_are_sorted_and_have_the_intervals(name, request):
    model = request.getfixturevalue(name)
    frame = model.ranef(condvar=True, alpha=0.1)
    axes = model.plot.ranef(alpha=0.1)
    terms = frame["term"].unique()
    assert [ax.get_title() for ax in axes] == [t.replace("Intercept", "(Intercept)") for t in terms]
    first = frame[frame["term"] == terms[0]].sort_values("condval")
    for ax, term in zip(axes, terms, strict=True):
        part = frame[frame["term"] == term].set_index("level").loc[first["level"]]
        assert_allclose(offsets(ax)[:, 0], part["condval"])
        assert_allclose(segments(ax)[:, :, 0], part[["lower", "upper"]])
    assert labels(axes[0].yaxis) == list(map(str, first["level"]))
    assert axes[0].get_ylabel() == frame["group"].iloc[0]


def test_levels_in_their_own_order(sleep):
    axes = sleep.plot.ranef(sort=False)
    assert labels(axes[0].yaxis) == list(sleep.ranef()["Subject"].index[::-1])


def test_crossed_factors_have_panels_of_their_own(verbagg):
    axes = verbagg.plot.ranef()
    assert [ax.get_title() for ax in axes] == ["(Intercept)", "(Intercept)", "Gender[T.M]"]
    assert axes[0].get_ylabel() == "id (316 levels)" and labels(axes[0].yaxis) == []
    assert len(verbagg.plot.ranef("item")) == 2
    with pytest.raises(OptionError, match="did you mean 'item'"):
        verbagg.plot.ranef("itm")


def test_qq_of_random_effects(sleep):
    axes = sleep.plot.ranef(kind="qq")
    for ax, name in zip(axes, ["Intercept", "Days"], strict=True):
        assert_allclose(offsets(ax)[:, 1], np.sort(sleep.ranef()["Subject"][name]))


def test_pairs_have_ellipses_of_the_estimated_distribution(sleep):
    [ax] = sleep.plot.ranef(kind="pairs")
    assert_allclose(offsets(ax), sleep.ranef()["Subject"].to_numpy())
    for line, share in zip(ax.get_lines()[-2:], (0.5, 0.95), strict=True):
        x = np.array(line.get_data())
        size = np.einsum("in,ij,jn->n", x, np.linalg.inv(sleep.varcorr["Subject"].cov), x)
        assert_allclose(size, -2 * np.log(1 - share))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("(Intercept)", "Days")


def test_pairs_of_terms_on_one_factor_are_uncorrelated(fitted):
    model = fitted(
        "Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)", "sleepstudy", amalgamate=False
    )
    [ax] = model.plot.ranef(kind="pairs")
    assert_allclose(offsets(ax), model.ranef()["Subject"].to_numpy())
    sds = [np.sqrt(term.cov[0, 0]) for term in model.varcorr.terms]
    ends = np.abs(ax.get_lines()[-1].get_data()).max(axis=1)
    assert_allclose(ends, np.array(sds) * np.sqrt(-2 * np.log(0.05)), rtol=1e-3)


def test_pairs_need_two_effects(cbpp):
    with pytest.raises(OptionError, match="two random effects or more; the model has none"):
        cbpp.plot.ranef(kind="pairs")


def test_shrinkage_goes_from_the_free_estimates_to_the_modes(sleep, cbpp):
    modes, difference = sleep.ranef()["Subject"], sleep.shrinkage()["Subject"].drop(columns="norm")
    [ax] = sleep.plot.shrinkage()
    assert_allclose(offsets(ax, 0), modes + difference)
    assert_allclose(offsets(ax, 1), modes)
    assert_allclose(segments(ax), np.stack([modes + difference, modes], axis=1))
    [ax] = cbpp.plot.shrinkage()
    free = (cbpp.ranef()["herd"] + cbpp.shrinkage()["herd"])["Intercept"].sort_values()
    assert_allclose(offsets(ax, 0)[:, 0], free)
    assert labels(ax.yaxis) == list(free.index)


def test_shrinkage_of_several_effects_has_a_panel_for_each_pair(fitted):
    model = fitted("score ~ 1 + (0 + Machine | Worker)", "Machines")
    axes = model.plot.shrinkage()
    assert len(axes) == 3
    assert [ax.get_ylabel() for ax in axes] == ["Machine[B]", "Machine[C]", ""]
    assert [ax.get_xlabel() for ax in axes] == ["", "Machine[A]", "Machine[B]"]


# ---- fits by group ------------------------------------------------------------------------------


def test_fit_by_group(sleep):
    axes = sleep.plot.fit()
    order = sleep.ranef()["Subject"]["Intercept"].sort_values().index
    assert [ax.get_title() for ax in axes] == list(order)
    data = mm.datasets.load("sleepstudy")
    fitted = sleep.fittedvalues
    for ax in axes:
        mine = data["Subject"] == ax.get_title()
        assert_allclose(offsets(ax), data.loc[mine, ["Days", "Reaction"]])
        conditional, population = ax.get_lines()
        assert_allclose(conditional.get_ydata(), fitted[mine])
        assert_allclose(population.get_ydata(), sleep.predict(random=False)[mine])


def test_fit_of_chosen_groups_and_of_a_few_of_many(verbagg, sleep):
    titles = [ax.get_title() for ax in sleep.plot.fit(levels=["372", "308"])]
    assert titles == ["372", "308"]
    modes = verbagg.ranef()["id"]["Intercept"].sort_values()
    axes = verbagg.plot.fit("id", "btype", n=5)
    assert [ax.get_title() for ax in axes][::4] == [modes.index[0], modes.index[-1]]
    assert labels(axes[-1].xaxis) == ["curse", "scold", "shout"]
    with pytest.raises(OptionError, match="'309x' is no level of Subject; did you mean '309'"):
        sleep.plot.fit(levels=["309x"])
    with pytest.raises(OptionError, match="'Day' is no variable of the fixed effects; did you"):
        sleep.plot.fit(x="Day")


def test_events_are_averaged_within_groups(verbagg):
    data = mm.datasets.load("VerbAgg")[::3]
    ax = verbagg.plot.fit("item", "btype", levels=["S1WantCurse"])[0]
    mine = data[data["item"] == "S1WantCurse"]
    assert_allclose(offsets(ax), [[0, (mine["r2"] == "Y").mean()]])


def test_fit_without_a_covariate_counts_rows(bare):
    axes = bare.plot.fit()
    assert [len(offsets(ax)) for ax in axes] == [2, 7]
    assert axes[0].figure.get_supxlabel() == "Row"


def test_a_transformed_response_is_shown_as_it_was(odd_log):
    data = odd_rows()
    axes = odd_log.plot.fit(x="x y %")
    drawn = np.sort(np.concatenate([offsets(ax)[:, 1] for ax in axes]))
    assert_allclose(drawn, np.sort(np.exp(odd_log.frame.y)))
    assert axes[0].figure.get_supylabel() == "size" and len(drawn) == len(data) - 2
    [ax] = odd_log.plot.effects("x y %")
    assert ax.get_ylabel() == "size"
    assert_allclose(np.sort(offsets(ax)[:, 1]), drawn)


# ---- effects and means --------------------------------------------------------------------------


def test_effects_are_marginal_means_along_x(sleep):
    [ax] = sleep.plot.effects("Days", ddf="wald")
    [line] = ax.get_lines()
    x, y = line.get_data()
    means = sleep.emmeans("Days", at={"Days": x}, ddf="wald").to_frame()
    assert (x[0], x[-1]) == (0, 9)
    assert_allclose(y, means["mean"])
    band = ax.collections[1].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(means["lower"].min())
    assert band[:, 1].max() == pytest.approx(means["upper"].max())
    assert_allclose(offsets(ax), mm.datasets.load("sleepstudy")[["Days", "Reaction"]])


def test_partial_residuals(sleep):
    [ax] = sleep.plot.effects("Days", points="partial")
    assert_allclose(offsets(ax)[:, 1], sleep.predict(random=False) + sleep.resid)


def test_effects_on_the_response_scale_by_default(cbpp):
    [ax] = cbpp.plot.effects("period")
    means = cbpp.emmeans("period", type="response").to_frame()
    assert_allclose(segments(ax)[:, :, 1], means[["lower", "upper"]])
    data = mm.datasets.load("cbpp")
    assert_allclose(offsets(ax)[:, 1], data["incidence"] / data["size"])
    assert labels(ax.xaxis) == ["1", "2", "3", "4"] and ax.get_ylabel() == "Proportion"
    [ax] = cbpp.plot.effects("period", type="link", points=None)
    assert_allclose(segments(ax)[:, :, 1], cbpp.emmeans("period").to_frame()[["lower", "upper"]])
    assert ax.get_ylabel() == "Linear predictor (logit)"
    with pytest.raises(OptionError, match='take type="response", or points="partial"'):
        cbpp.plot.effects("period", type="link")


def test_interactions_have_series_and_panels(verbagg):
    [ax] = verbagg.plot.effects("Anger:Gender", points=None)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["F", "M"]
    assert ax.get_legend().get_title().get_text() == "Gender"
    axes = verbagg.plot.effects("Anger | Gender", points=None)
    assert [ax.get_title() for ax in axes] == ["Gender = F", "Gender = M"]
    [ax] = verbagg.plot.effects("Gender:Anger", points=None)
    anger = mm.datasets.load("VerbAgg")[::3]["Anger"]
    expected = [f"{anger.mean() + k * anger.std():.3g}" for k in (-1, 0, 1)]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == expected


def test_events_are_averaged_beside_effects(verbagg):
    [ax] = verbagg.plot.effects("btype")
    data = mm.datasets.load("VerbAgg")[::3]
    shares = (data["r2"] == "Y").groupby(data["btype"], observed=True).mean()
    assert_allclose(offsets(ax)[:, 1], shares)


def test_many_points_are_a_sample():
    rng = np.random.default_rng(0)
    data = {"y": rng.normal(size=6000), "x": rng.normal(size=6000), "g": np.arange(6000) % 30}
    [ax] = mm.lmm("y ~ x + (1 | g)", data, sigma=1.0).plot.effects("x", ddf="wald")
    drawn = offsets(ax)
    assert len(drawn) == 2000
    assert set(map(tuple, drawn)) <= set(zip(data["x"], data["y"], strict=True))


def test_means_and_their_comparisons(cbpp):
    axes = cbpp.plot.means("period", comparisons=True)
    pairs = cbpp.emmeans("period", type="response").pairs().to_frame()
    assert labels(axes[1].yaxis) == list(pairs["contrast"])[::-1]
    assert_allclose(segments(axes[1])[:, :, 0], pairs[["lower", "upper"]])
    assert axes[1].get_xscale() == "log"
    differences = cbpp.plot.means("period", comparisons=True, type="link")[1]
    assert differences.get_xscale() == "linear"


# ---- parameters ---------------------------------------------------------------------------------


def test_correlations(sleep, odd_log, bare):
    axes = sleep.plot.correlations()
    assert_allclose(axes[0].images[0].get_array(), sleep.varcorr["Subject"].corr)
    assert_allclose(axes[1].images[0].get_array(), sleep.corr_params())
    assert [text.get_text() for text in axes[0].texts] == ["1.00", "0.08", "0.08", "1.00"]
    [ax] = odd_log.plot.correlations()  # with a column that was dropped
    assert np.isnan(odd_log.corr_params().loc["twice"]).all()
    assert np.ma.getmaskarray(ax.images[0].get_array())[2].all()
    assert labels(ax.yaxis)[2] == "twice" and "–" in {text.get_text() for text in ax.texts}
    with pytest.raises(OptionError, match="no correlations of random or fixed effects"):
        bare.plot.correlations()


def test_coefficients(cbpp, odd_log, bare):
    ax = cbpp.plot.coefficients()
    table = cbpp.coef_table().to_frame().iloc[1:]
    assert labels(ax.yaxis) == list(table.index)[::-1]
    assert_allclose(segments(ax)[:, :, 0], table[["lower", "upper"]])
    assert_allclose(offsets(ax), np.column_stack([table["estimate"], [2, 1, 0]]))
    ax = cbpp.plot.coefficients(exponentiate=True, intercept=True)
    assert_allclose(offsets(ax)[:, 0], np.exp(cbpp.params))
    assert ax.get_xlabel() == "Odds ratio" and ax.get_xscale() == "log"
    assert labels(odd_log.plot.coefficients().yaxis) == ["$f_1$[T._b%^2]", "twice", "x y %"]
    with pytest.raises(OptionError, match="intercept=True"):
        bare.plot.coefficients()


def test_coefficients_of_several_models(fitted):
    small = fitted("angle ~ temp + (1 | recipe:replicate)", "cake")
    large = fitted("angle ~ recipe + temp + (1 | recipe:replicate)", "cake")
    ax = mm.plot_coefficients(small, large, names=["_a", "b$"])
    assert labels(ax.yaxis) == ["recipe[T.C]", "recipe[T.B]", "temp"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["_a", "b$"]
    assert_allclose(offsets(ax, 0)[:, 0], small.params[["temp"]])
    assert_allclose(offsets(ax, 1)[:, 0], large.params[["temp", "recipe[T.B]", "recipe[T.C]"]])
    for wrong in (["a"], ["a", "a"]):
        with pytest.raises(OptionError, match="2 different names"):
            mm.plot_coefficients(small, large, names=wrong)


# ---- influence and the search -------------------------------------------------------------------


def test_influence_names_the_rows_of_largest_distance(sleep):
    ax = sleep.plot.influence()
    frame = sleep.influence()
    assert_allclose(offsets(ax), frame[["leverage", "studentized"]])
    named = [text.get_text() for text in ax.texts]
    assert named == list(map(str, frame["cooks"].nlargest(5).index))
    [contour] = [line for line in ax.get_lines() if len(line.get_xdata()) > 2][:1]
    h, r = contour.get_data()
    distance = r**2 * h / (1 - h) / 2
    assert_allclose(distance, distance[0])
    assert f"{distance[0]:g}" in ax.get_legend().get_texts()[0].get_text()


def test_rows_are_named_by_the_index_of_the_data():
    data = mm.datasets.load("sleepstudy").iloc[:60]
    data.index = [f"_{k}$" for k in range(60)]
    model = mm.lmm("Reaction ~ Days + (1 | Subject)", data)
    texts = {text.get_text() for text in model.plot.influence().texts}
    assert len(texts) == 5 and texts <= set(data.index)


def test_influence_of_levels(cbpp):
    deleted = cbpp.delete_levels("herd")
    for axes in (cbpp.plot.influence("herd"), deleted.plot()):
        cooks = deleted.frame["cooks"].sort_values()
        assert_allclose(offsets(axes[0])[:, 0], cooks)
        assert labels(axes[0].yaxis) == list(cooks.index)
        for ax, name in zip(axes[1:], deleted.dfbetas, strict=True):
            assert ax.get_title() == name.replace("Intercept", "(Intercept)")
            assert_allclose(offsets(ax)[:, 0], deleted.dfbetas.loc[cooks.index, name])


def test_path(sleep):
    axes = sleep.plot.path()
    log = sleep.optsum.fitlog
    excess = axes[0].get_lines()[0].get_ydata()
    expected = log["objective"] - log["objective"].min()
    assert_allclose(excess[expected > 0], expected[expected > 0])
    for line, name in zip(axes[1].get_lines(), log.columns[1:], strict=True):
        assert_allclose(line.get_ydata(), log[name])


# ---- for all ------------------------------------------------------------------------------------

CALLS = {
    "residuals": {},
    "qq": {},
    "scale_location": {},
    "ranef": {},
    "ranef, qq": {"kind": "qq"},
    "ranef, pairs": {"kind": "pairs"},
    "shrinkage": {},
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


def test_three_thousand_groups_take_less_than_two_seconds(sleep, tmp_path):
    import time

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
        getattr(sleep.plot, name)(**options)  # imports, and kernels
        start = time.process_time()
        axes = np.ravel(getattr(model.plot, name)(**options))
        axes[0].figure.savefig(tmp_path / "plot.png")
        assert time.process_time() - start < 2, name
    axes = model.plot.ranef()
    assert axes[0].get_ylabel() == "g (3,000 levels)" and labels(axes[0].yaxis) == []
    assert_allclose(offsets(axes[0])[:, 0], np.sort(model.ranef()["g"]["Intercept"]))

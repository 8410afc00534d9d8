"""What the plots of results draw, against their numbers."""

import pickle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from plotted import labels, offsets, segments
from scipy.special import ndtri

import numbamm as mm
from numbamm.errors import OptionError
from numbamm.inference.diagnostics.smoothing import binned, trend
from numbamm.report.plots.contours import contour
from numbamm.report.plots.ellipses import ellipse
from numbamm.report.plots.quantiles import line_through_quartiles, plotting_positions


@pytest.fixture(scope="module")
def profile(sleep):
    return sleep.profile()


# ---- profiles -----------------------------------------------------------------------------------


def test_zeta(profile):
    axes = profile.plot()
    assert [ax.get_xlabel() for ax in axes] == list(profile.curves)
    for ax, curve in zip(axes, profile.curves.values(), strict=True):
        x, y = ax.get_lines()[0].get_data()
        assert_allclose(y, curve.spline(x))
        assert (x[0], x[-1]) == (curve.values[0], curve.values[-1])
        ends = {tuple(line[1]) for lines in map(np.array, _segments(ax)) for line in lines}
        for coverage in (0.5, 0.95, 0.99):
            for end in curve.limits(ndtri((1 + coverage) / 2)):
                assert min(abs(x - end) for x, _ in ends) < 1e-9


def _segments(ax):
    return [c.get_segments() for c in ax.collections]


def test_size_of_zeta_and_density(profile):
    [ax] = profile.plot("sigma", kind="abs")
    x, y = ax.get_lines()[0].get_data()
    assert_allclose(y, np.abs(profile.curves["sigma"].spline(x)))
    [ax] = profile.plot("sigma", kind="density")
    x, y = ax.get_lines()[0].get_data()
    assert np.trapezoid(y, x) == pytest.approx(0.99, abs=0.01)
    with pytest.raises(OptionError, match="kind must be one of zeta, abs, density, pairs"):
        profile.plot(kind="zetas")
    with pytest.raises(OptionError, match="unknown parameter 'sigm'; did you mean 'sigma'"):
        profile.plot("sigm")


def test_pairs_stay_within_their_levels(profile):
    """Contours of a sum of squares: that of two parameters at once is never below one's alone."""
    names = list(profile.curves)
    axes = profile.plot(kind="pairs")
    assert len(axes) == 15
    [ax] = profile.plot(["Intercept", "sd_Days|Subject"], kind="pairs")
    x, y = profile.curves["Intercept"], profile.curves["sd_Days|Subject"]
    for line, share in zip(ax.get_lines()[:3], (0.5, 0.8, 0.95), strict=True):
        level = np.sqrt(-2 * np.log(1 - share))
        zeta = [c.spline(v) for c, v in zip((x, y), line.get_data(), strict=True)]
        for along in zeta:  # it touches the lines at ±level
            assert np.abs(along).max() == pytest.approx(level, rel=0.01)
    assert names[:2] == ["sigma", "sd_Intercept|Subject"]


def test_traces_are_where_the_others_are_optimal(fitted):
    """The deviance at a point of a trace is the profile's, by a dense evaluation."""
    model = fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff")
    profile, data = model.profile(), mm.datasets.load("Dyestuff")
    y, k = data["Yield"].to_numpy(), data["Batch"].cat.codes.to_numpy()

    def deviance(sigma, sd, mean):
        V = sigma**2 * np.eye(len(y)) + sd**2 * (k[:, None] == k)
        r = y - mean
        return len(y) * np.log(2 * np.pi) + np.linalg.slogdet(V)[1] + r @ np.linalg.solve(V, r)

    assert profile.names == list(profile.curves)
    for name, curve in profile.curves.items():
        place = profile.names.index(name)
        for value, zeta, others in zip(curve.values, curve.zeta, curve.others, strict=True):
            point = others.copy()
            point[place] = value
            rise = deviance(*point) - model.objective
            assert rise == pytest.approx(zeta**2, abs=1e-4)


def test_traces_of_a_generalized_model(cbpp):
    profile = cbpp.profile(["sd_Intercept|herd", "period[T.3]"])
    for name, curve in profile.curves.items():
        assert_allclose(curve.others[:, profile.names.index(name)], curve.values, rtol=1e-4)
    middle = np.argmin(np.abs(curve.zeta))
    assert_allclose(curve.others[middle, 1:], cbpp.params, rtol=1e-3)
    [ax] = profile.plot(kind="pairs")
    assert np.isfinite(ax.get_lines()[0].get_xdata()).all()


def test_pairs_need_two_parameters_with_profiles(profile, odd_log):
    with pytest.raises(OptionError, match="two parameters or more"):
        profile.plot("sigma", kind="pairs")
    with pytest.raises(OptionError, match="no pairs with theta_"):
        odd_log.profile(["theta", "sigma"]).plot(kind="pairs")


@given(st.floats(0.3, 3.0), st.floats(-0.95, 0.95))
def test_contours_of_straight_traces_are_ellipses(level, rho):
    x, y = contour(lambda z: rho * z, lambda z: rho * z, level)
    assert_allclose((x**2 - 2 * rho * x * y + y**2) / (1 - rho**2), level**2, rtol=0.02)


@given(st.floats(0.05, 0.99), st.floats(-0.9, 0.9), st.floats(0.1, 10.0))
def test_an_ellipse_contains_its_share(share, rho, scale):
    V = np.array([[1.0, rho * scale], [rho * scale, scale**2]])
    x = ellipse(V, share)
    size = np.einsum("in,ij,jn->n", x, np.linalg.inv(V), x)
    assert_allclose(size, -2 * np.log(1 - share), rtol=1e-6)


# ---- bootstrap, power, optimisers ---------------------------------------------------------------


def test_bootstrap(sleep):
    replicates = sleep.bootstrap(200, seed=1)
    axes = replicates.plot()
    limits = replicates.conf_int()
    shown = [ax.get_xlabel() for ax in axes]
    assert shown == [name for name in limits.index if not name.startswith("theta")]
    for ax, name in zip(axes, shown, strict=True):
        assert_allclose(segments(ax)[0, :, 0], limits.loc[name])
        x, y = next(line.get_data() for line in ax.get_lines() if len(line.get_xdata()) > 2)
        assert np.trapezoid(y, x) == pytest.approx(1, abs=0.02)
    [ax] = replicates.plot("theta_Subject.Days", alpha=0.5, method="equal-tailed")
    expected = replicates.frame["theta_Subject.Days"].quantile([0.25, 0.75])
    assert_allclose(segments(ax)[0, :, 0], expected)
    with pytest.raises(OptionError, match="unknown parameter 'sigm'; did you mean 'sigma'"):
        replicates.plot("sigm")


def test_power_curve():
    design = {"day": [0, 1, 2] * 12, "subject": [i // 3 for i in range(36)]}
    parameters = {"beta": [0, 0.5], "theta": [1], "sigma": 1}
    curve = mm.power_curve(
        "y ~ day + (1 | subject)", design, "subject", [12, 6, 24], n=50, seed=1, **parameters
    )
    ax = curve.plot(target=0.9)
    frame = curve.to_frame().sort_values("subject")
    line = ax.get_lines()[1]
    assert_allclose(line.get_xydata(), frame[["subject", "power"]])
    assert_allclose(segments(ax)[:, :, 1], frame[["lower", "upper"]])
    assert ax.get_lines()[0].get_ydata()[0] == 0.9
    assert (ax.get_xlabel(), ax.get_title()) == ("Levels of subject", "day")


def test_allfit(fitted):
    model = fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff")
    fits = mm.allfit(model, ["nlopt:LN_BOBYQA", "scipy:Powell", "newton"])
    axes = fits.plot()
    assert sorted(labels(axes[0].yaxis)) == sorted(fits.table["optimizer"])
    assert_allclose(offsets(axes[0])[:, 0], np.maximum(fits.table["excess"], 1e-9))
    assert_allclose(offsets(axes[1])[:, 0], fits.table["evaluations"])
    fits.table.loc[2, ["excess", "evaluations"]] = np.nan
    assert [text.get_text() for text in fits.plot()[0].texts] == ["failed"]


def test_path_of_a_search(sleep):
    for ours, theirs in zip(sleep.optsum.plot(), sleep.plot.path(), strict=True):
        assert ours.get_ylabel() == theirs.get_ylabel()
        assert_allclose(ours.get_lines()[0].get_xydata(), theirs.get_lines()[0].get_xydata())


# ---- frames -------------------------------------------------------------------------------------


def test_the_frame_of_influence_draws_itself_and_is_pandas_otherwise(sleep):
    frame = sleep.influence()
    assert_allclose(offsets(frame.plot()), frame[["leverage", "studentized"]])
    _, ax = plt.subplots()
    assert frame.plot(ax=ax) is ax
    assert frame.plot.scatter("fitted", "resid").get_xlabel() == "fitted"
    assert len(frame.plot(y="cooks").get_lines()) == 1
    assert type(frame.head()) is type(frame * 2) is pd.DataFrame
    again = pickle.loads(pickle.dumps(frame))
    assert (again == frame).all(axis=None)


def test_random_effects_and_shrinkage_draw_themselves(sleep):
    ours, theirs = sleep.ranef().plot(sort=False), sleep.plot.ranef(sort=False)
    for a, b in zip(ours, theirs, strict=True):
        assert_allclose(segments(a), segments(b))
    [ax] = sleep.shrinkage().plot()
    assert_allclose(offsets(ax, 1), sleep.ranef()["Subject"])
    assert type(pickle.loads(pickle.dumps(sleep.ranef()))) is dict


def test_effects_of_an_earlier_fit_are_not_drawn_from_a_later_one():
    model = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    effects = model.ranef()
    model.refit(model.frame.y * 2)
    with pytest.raises(OptionError, match="fitted again since"):
        effects.plot()


# ---- tables of estimates ------------------------------------------------------------------------


def test_tables_of_coefficients_and_contrasts(sleep):
    table = sleep.coef_table()
    assert labels(table.plot().yaxis) == ["Days", "(Intercept)"]
    contrast = sleep.contrast({"day 10": {"Intercept": 1, "Days": 10}, "_a$": {"Days": 1}})
    ax = contrast.plot()
    assert labels(ax.yaxis) == ["_a$", "day 10"]
    assert_allclose(segments(ax)[:, :, 0], contrast.frame[["lower", "upper"]])


def test_comparisons_within_others_are_named_by_both(fitted):
    model = fitted("angle ~ recipe * temperature + (1 | recipe:replicate)", "cake")
    means = model.emmeans("recipe | temperature", at={"temperature": ["175", "225"]}, ddf="wald")
    ax = means.pairs().plot()
    assert labels(ax.yaxis)[::-1][:2] == ["A - B, 175", "A - C, 175"]
    axes = means.plot()
    assert [ax.get_title() for ax in axes] == ["temperature = 175", "temperature = 225"]
    frame = means.to_frame()
    for k, ax in enumerate(axes):
        part = frame[frame["temperature"] == ["175", "225"][k]]
        assert_allclose(offsets(ax), np.column_stack([range(3), part["mean"]]))


def test_empty_cells_are_left_out():
    rng = np.random.default_rng(0)
    data = {"y": rng.normal(size=48), "a": ["p", "q"] * 24, "g": np.arange(48) % 8}
    data["b"] = ["u" if a == "q" else "uv"[k % 4 // 2] for k, a in enumerate(data["a"])]
    model = mm.lmm("y ~ a * b + (1 | g)", data, sigma=1.0)
    means = model.emmeans("a * b", ddf="wald")
    assert means.frame["mean"].isna().sum() == 1
    [ax] = means.plot()
    assert sum(len(offsets(ax, k)) for k in range(2)) == 3


# ---- curves through points ----------------------------------------------------------------------


@given(st.integers(5, 300), st.integers(0, 10**6), st.floats(-3, 3), st.floats(-2, 2))
def test_a_trend_follows_a_line_and_moves_with_the_data(n, seed, start, slope):
    x = np.random.default_rng(seed).normal(size=n)
    at, heights = trend(x, start + slope * x)
    assert_allclose(heights, start + slope * at, atol=1e-8)
    assert (at[0], at[-1]) == (x.min(), x.max())
    noise = np.random.default_rng(seed + 1).normal(size=n)
    _, one = trend(x, noise)
    _, other = trend(10 + 5 * x, 2 + 3 * noise)
    assert_allclose(other, 2 + 3 * one, atol=1e-6)


def test_a_trend_needs_four_values():
    assert trend(np.array([1.0, 2, 3, 1]), np.zeros(4)) is None


@given(st.integers(4, 400), st.integers(0, 10**6))
def test_bins_hold_every_point_once(n, seed):
    rng = np.random.default_rng(seed)
    x, y = np.round(rng.normal(size=n), 1), rng.normal(size=n)
    bins = binned(x, y)
    assert (np.diff(bins.x) > 0).all() and len(bins.x) <= n
    assert bins.x.min() >= x.min() and bins.x.max() <= x.max()
    assert y.min() <= bins.y.min() and bins.y.max() <= y.max()
    reverse = binned(x[::-1], y[::-1])
    assert_allclose(reverse.y, bins.y, atol=1e-12)


@given(st.integers(1, 50))
def test_plotting_positions_are_symmetric(n):
    p = plotting_positions(n)
    assert_allclose(p + p[::-1], 1.0)
    assert line_through_quartiles(ndtri(p) * 2 + 1)[0] == pytest.approx(1.0)


# ---- axes ---------------------------------------------------------------------------------------


def test_too_few_axes_are_told(sleep):
    _, axes = plt.subplots(1, 1)
    with pytest.raises(OptionError, match="this plot has 2 panels, but 1 axes were given"):
        sleep.plot.ranef(axes=axes)


def test_new_figures_are_as_large_as_the_style_says(sleep):
    with plt.rc_context({"figure.figsize": (11, 9)}):
        assert tuple(sleep.plot.residuals().figure.get_size_inches()) == (11, 9)
        assert sleep.plot.ranef()[0].figure.get_size_inches()[0] == 11

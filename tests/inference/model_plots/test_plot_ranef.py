"""`model.plot.ranef` against `ranef` and `varcorr`."""

import numpy as np
import pytest
from drawn import labels, offsets, segments
from numpy.testing import assert_allclose

from numbamm.errors import OptionError


@pytest.mark.parametrize("name", ["sleep", "odd", "cbpp"])
def test_caterpillars_are_sorted_and_have_the_intervals(name, request):
    model = request.getfixturevalue(name)
    frame = model.ranef(condvar=True, alpha=0.1)
    axes = model.plot.ranef(alpha=0.1)
    terms = frame["term"].unique()
    assert [ax.get_title() for ax in axes] == [t.replace("Intercept", "(Intercept)") for t in terms]
    first = frame[frame["term"] == terms[0]].sort_values("estimate")
    for ax, term in zip(axes, terms, strict=True):
        part = frame[frame["term"] == term].set_index("level").loc[first["level"]]
        assert_allclose(offsets(ax)[:, 0], part["estimate"])
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

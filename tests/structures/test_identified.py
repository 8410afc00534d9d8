"""What is not identified says so, and names the terms."""

import warnings

import numpy as np
import pandas as pd
import pytest

import numbamm as mm
from numbamm.errors import DataError, FormulaError, NumbammWarning

rng = np.random.default_rng(3)
CELLS = pd.DataFrame([(g, t) for g in range(20) for t in range(3)], columns=["g", "t"])
CELLS["v"], CELLS["y"] = CELLS.t.map("v{}".format), rng.normal(size=60)
TWICE = pd.concat([CELLS, CELLS.assign(y=CELLS.y + rng.normal(size=60))])


@pytest.mark.parametrize("structure", ["homcs", "homtoep", "diag", "us"])
def test_one_row_a_cell_is_a_residual(structure):
    with pytest.raises(DataError, match="residual variance cannot be separated"):
        mm.LinearMixedModel(f"y ~ 1 + {structure}(0 + v | g)", CELLS)
    mm.LinearMixedModel(f"y ~ 1 + {structure}(0 + v | g)", TWICE)
    mm.LinearMixedModel(f"y ~ 1 + {structure}(0 + v | g)", CELLS, sigma=0.5)


@pytest.mark.parametrize("structure", ["ar1", "hetar1", "cs", "toep"])
def test_where_the_structure_tells_them_apart(structure):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mm.LinearMixedModel(f"y ~ 1 + {structure}(0 + v | g)", CELLS)


@pytest.mark.parametrize(
    ("terms", "named"),
    [
        ("(1 | g) + homcs(0 + v | g)", r"Intercept of us.*rho_angle.v\[v0\]..v\[v2\] of homcs"),
        ("homtoep(0 + v | g) + (1 | g:v)", r"homtoep\(... \| g\) and Intercept of us"),
    ],
)
def test_redundant_terms(terms, named):
    with pytest.warns(NumbammWarning, match=f"does not determine .*{named}"):
        mm.LinearMixedModel(f"y ~ 1 + {terms}", TWICE)
    poisson = TWICE.assign(y=np.round(np.exp(TWICE.y)))
    with pytest.warns(NumbammWarning, match="does not determine"):
        mm.GeneralizedLinearMixedModel(f"y ~ 1 + {terms}", poisson, "poisson")


def test_a_correlation_of_effects_that_no_level_has_together():
    some = TWICE[(TWICE.t == 1) | ((TWICE.t == 0) == (TWICE.g % 2 == 0))]
    with pytest.warns(NumbammWarning, match="does not determine partial2_angle"):
        mm.LinearMixedModel("y ~ 1 + toep(0 + v | g)", some)
    alone = TWICE.assign(t=TWICE.g / 2.0)
    with pytest.warns(NumbammWarning, match=r"log_range.t of ou\(... \| g\)"):
        mm.LinearMixedModel("y ~ 1 + ou(t | g)", alone)


@pytest.mark.parametrize("structure", ["ar1", "cs", "homcs", "hetar1", "toep", "homtoep"])
def test_a_number_where_a_factor_is_meant(structure):
    with pytest.raises(FormulaError, match=rf"{structure}\(0 \+ C\(t\) \| g\)"):
        mm.LinearMixedModel(f"y ~ 1 + {structure}(0 + t | g)", TWICE)
    assert mm.LinearMixedModel(f"y ~ 1 + {structure}(0 + C(t) | g)", TWICE).reterms[0].p == 3


def test_levels_without_rows_between_others():
    gap = TWICE.assign(f=pd.Categorical(2 * TWICE.t, range(7)))
    with pytest.warns(NumbammWarning, match=r"no row has f = 1, .* ou\(time \| g\)"):
        mm.LinearMixedModel("y ~ 1 + ar1(0 + f | g)", gap)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mm.LinearMixedModel("y ~ 1 + cs(0 + f | g)", gap)
        after = TWICE.assign(f=pd.Categorical(TWICE.t, range(5)))
        mm.LinearMixedModel("y ~ 1 + ar1(0 + f | g)", after)


@pytest.mark.parametrize(
    ("term", "remedy"),
    [
        ("cs(1 | g)", r"write \(1 \| g\)$"),
        ("ar1(t:y - 1 | g)", r"write \(t:y - 1 \| g\)$"),
        ("toep(0 + t | g)", r"if 't' holds numbers .*\(0 \+ C\(t\) \| g\), else \(0 \+ t \| g\)$"),
    ],
)
def test_what_to_write_for_a_single_effect(term, remedy):
    with pytest.raises(FormulaError, match=remedy):
        mm.LinearMixedModel(f"y ~ 1 + {term}", TWICE)


@pytest.mark.parametrize("prefix", ["", "week "])
def test_text_that_reads_as_numbers_in_another_order(prefix):
    late = TWICE.assign(w=[f"{prefix}{8 + t}" for t in TWICE.t])  # 8, 9, 10: sorted as 10, 8, 9
    parts = [late[:50], late[50:]]
    for data in (late, late.astype({"w": "category"}), parts):
        with pytest.warns(NumbammWarning, match=rf"'w' are text in the order '{prefix}10', "):
            mm.LinearMixedModel("y ~ 1 + ar1(0 + w | g)", data)
    in_order = pd.Categorical(late.w, [f"{prefix}{8 + t}" for t in range(3)])
    early = TWICE.assign(w=[f"{prefix}{t}" for t in TWICE.t])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mm.LinearMixedModel("y ~ 1 + ar1(0 + w | g)", late.assign(w=in_order))
        mm.LinearMixedModel("y ~ 1 + ar1(0 + w | g)", early)
        mm.LinearMixedModel("y ~ 1 + cs(0 + w | g)", late)


def test_levels_without_rows_between_others_of_rows_that_stream():
    gap = TWICE.assign(f=pd.Categorical(2 * TWICE.t, range(7)))
    with pytest.warns(NumbammWarning, match=r"no row has f = 1, .* ou\(time \| g\)"):
        mm.LinearMixedModel("y ~ 1 + ar1(0 + f | g)", [gap[:50], gap[50:]])

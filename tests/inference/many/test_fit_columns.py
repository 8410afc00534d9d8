"""Columns of many fits: names, tests, and p-values adjusted for false discoveries."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from numbamm.errors import OptionError
from numbamm.inference.many.fit_columns import Names, adjusted, columns_of, fdr_method
from numbamm.inference.many.lines import Lines, Sizes


def test_columns_have_names_for_coefficients_and_for_other_tests():
    lines = Lines.empty(2, Sizes(1, 1, 1, 1))
    lines.estimate[:] = lines.beta[:] = 2.0
    lines.error[:] = lines.se[:] = 1.0
    lines.df[:] = [[np.inf], [4.0]]
    lines.failed[1] = "because"
    names = Names(["x"], ["g.x"], ["sd_x|g"], ["x"])
    columns = columns_of(lines, names)
    assert {"beta_x", "se_x", "theta_g.x", "sd_x|g", "df_x", "pvalue_x"} <= set(columns)
    assert_allclose(columns["pvalue_x"], [0.0455002639, 0.1161165235])
    assert columns["reason"].tolist() == [None, "because"]
    other = columns_of(lines, Names(["x"], ["g.x"], ["sd_x|g"], ["2 x"]))
    assert {"beta_x", "se_x", "estimate_2 x", "se_2 x", "pvalue_2 x"} <= set(other)


@given(st.lists(st.one_of(st.just(np.nan), st.floats(0, 1)), max_size=20))
def test_adjusted_p_values_are_larger_and_in_the_same_order(pvalues):
    p = np.array(pvalues, dtype=float)
    known = ~np.isnan(p)
    for method in ("bh", "by"):
        q = adjusted(p, method)
        assert (np.isnan(q) == ~known).all()
        assert (q[known] >= p[known]).all() and (q[known] <= 1).all()
        assert (np.diff(q[known][np.argsort(p[known])]) >= 0).all()


def test_names_of_methods():
    assert [fdr_method(v) for v in (None, False, True, "BH", "fdr-by")] == [
        *(None, None),
        *("bh", "bh", "by"),
    ]
    with pytest.raises(OptionError, match="not 'holm'"):
        fdr_method("holm")

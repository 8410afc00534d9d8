"""What many fits print, and their frames."""

import numpy as np
import pandas as pd
import pytest
from inference.many.many_designs import responses, rows

import numbamm as mm
from numbamm.errors import OptionError

DATA = rows()
Y = responses(DATA)


@pytest.fixture(scope="module")
def many():
    named = pd.DataFrame(Y, columns=[f"gene_{k}|µ" for k in range(9)])
    return mm.lmm_many("~ x + f + (1 | g)", DATA, named, reml=True, fdr=True)


def test_it_prints_the_tests_with_the_smallest_p_values(many):
    text = repr(many)
    assert "Linear mixed models of many responses by REML, Satterthwaite tests" in text
    assert "~ x + f + (1 | g)" in text and "9 responses: " in text and "p adjusted" in text
    frame = many.to_frame()
    others = frame[frame["test"] != "Intercept"].sort_values("pvalue", kind="stable")
    shown = [line.split()[:2] for line in text.splitlines() if line.startswith("gene_")]
    assert shown == others[["response", "test"]].iloc[:10].to_numpy().tolist()
    assert many.to_html().count("<tr>") == 11
    assert r"gene\_" in many.to_latex() and "gene_" in many.to_markdown()


def test_its_frames(many):
    frame, fits = many.to_frame(), many.fits
    assert frame.shape == (36, 8) and fits.index.name == "response"
    for test in ("Intercept", "f[T.c]"):
        part = many.to_frame(test)
        assert part.equals(frame[frame["test"] == test].reset_index(drop=True))
        assert part["estimate"].to_list() == fits[f"beta_{test}"].to_list()
        assert part["df"].to_list() == fits[f"df_{test}"].to_list()
    with pytest.raises(OptionError, match=r"no test 'f\[T.d\]'; did you mean"):
        many.to_frame("f[T.d]")


def test_few_tests_are_all_shown_in_order():
    few = mm.lmm_many("~ 1 + (1 | g)", DATA, Y[:, :3])
    shown = [line.split()[0] for line in repr(few).splitlines() if line[:1].isdigit()]
    assert shown == ["0", "1", "2"]
    assert "smallest" not in repr(few)
    assert few.n_singular == few.fits["singular"].sum()


def test_nothing_could_be_fitted():
    with pytest.warns(mm.NumbammWarning, match="2 of 2"):
        none = mm.lmm_many("~ x + (1 | g)", DATA, np.ones((60, 2)))
    assert none.fits.empty and none.to_frame().empty
    assert "2 failed" in repr(none)

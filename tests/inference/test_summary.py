"""Notes below the table of a fitted model."""

import numbamm as mm


def test_loose_tolerances_are_told():
    """They may come from a file that nobody remembers."""
    with mm.config.context(xtol_abs=1.0, ftol_abs=1e-9):
        model = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    assert "Tolerances looser than the defaults, xtol_abs=1: the last digits" in str(model)
    assert "looser" not in str(mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff")))

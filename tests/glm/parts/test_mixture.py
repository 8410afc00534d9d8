"""Zero inflation and hurdles: probabilities, and that nothing overflows."""

import numpy as np
import pytest

from numbamm.glm.parts.mixture import HURDLE, INFLATED, PLAIN, mixed, mixed_slopes


@pytest.mark.parametrize("zeta", [-900.0, -2.0, 0.4, 900.0])
@pytest.mark.parametrize("f", [-1e4, -0.3, -1e-9])
def test_probabilities(zeta, f):
    log_p, log_not_p = -np.logaddexp(0, -zeta), -np.logaddexp(0, zeta)
    at = (zeta, f, 0.5, -0.4, 0.1)
    assert mixed(PLAIN, True, *at)[:4] == at[1:]
    assert mixed(HURDLE, True, *at)[0] == pytest.approx(log_p)
    assert mixed(INFLATED, True, *at)[0] == pytest.approx(np.logaddexp(log_p, log_not_p + f))
    for kind in (HURDLE, INFLATED):
        assert mixed(kind, False, *at)[0] == pytest.approx(log_not_p + f)
    assert np.isfinite(mixed(INFLATED, True, *at)).all()


@pytest.mark.parametrize("kind", [PLAIN, HURDLE])
def test_a_hurdle_has_no_family_at_zero(kind):
    slopes = mixed_slopes(kind, True, 0.3, -1.0, 0.5, -0.4, 2.0, 3.0, 4.0)
    assert slopes == ((2.0, 3.0, 0.0, 4.0, 0.0, 0.0) if kind == PLAIN else (0.0,) * 6)

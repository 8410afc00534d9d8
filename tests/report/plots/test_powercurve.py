"""Power by the number of levels."""

from drawn import segments
from numpy.testing import assert_allclose

import numbamm as mm


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

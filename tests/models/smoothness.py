"""How smooth an objective is."""

import numpy as np


def noise(objective, x):
    """How far the objective is from a cubic along each coordinate, in steps of 1e-5."""
    steps, worst = np.arange(-15, 16), 0.0
    for j in range(len(x)):
        move = np.zeros(len(x))
        move[j] = 1e-5 * max(abs(x[j]), 0.05)
        f = np.array([objective(x + k * move) for k in steps])
        cubic = np.polynomial.Polynomial.fit(steps, f - f[15], 3)
        worst = max(worst, np.abs(f - f[15] - cubic(steps)).max())
    return worst

"""Objectives whose minima are known, and a search that goes where it is told."""

import numpy as np

#: Yield of dyestuff, five preparations from each of six batches (Davies, 1947).
YIELD = np.array(
    [
        [1545, 1440, 1440, 1520, 1580],
        [1540, 1555, 1490, 1560, 1495],
        [1595, 1550, 1605, 1510, 1560],
        [1445, 1440, 1595, 1465, 1545],
        [1595, 1630, 1515, 1635, 1625],
        [1520, 1455, 1450, 1480, 1445],
    ],
    dtype=float,
)


def dyestuff(theta):
    """Profiled deviance of ``Yield ~ 1 + (1 | Batch)``, dense and from its definition."""
    y = YIELD.ravel()
    n = len(y)
    z = np.kron(np.eye(6), np.ones((5, 1)))
    v = np.eye(n) + theta[0] ** 2 * z @ z.T
    inverse = np.linalg.inv(v)
    x = np.ones(n)
    residual = y - x * (x @ inverse @ y) / (x @ inverse @ x)
    r2 = residual @ inverse @ residual
    return np.linalg.slogdet(v)[1] + n * (1 + np.log(2 * np.pi * r2 / n))


def quadratic(x):
    """Minimum 1 at (2, 2, ...)."""
    return 1.0 + float(np.sum((np.asarray(x) - 2.0) ** 2))


def quadratic_gradient(x):
    """`quadratic` with its gradient."""
    return quadratic(x), 2 * (np.asarray(x) - 2.0)


def rosenbrock(x):
    """Minimum 1 at (1, 1), at the end of a bent valley."""
    return 1.0 + 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def visit(*points):
    """A search that goes to these points."""

    def search(problem):
        for x in points:
            problem.objective(np.array(x, dtype=float))
        return "DONE"

    return search

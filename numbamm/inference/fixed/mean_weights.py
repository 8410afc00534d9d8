"""The weights of means in comparisons: pairs, with a reference, polynomials, interactions."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import combinations, product
from math import gcd, lcm

import numpy as np

from numbamm.elsewhere import value_hint
from numbamm.errors import OptionError, did_you_mean, shown
from numbamm.options import numbers

METHODS = ("pairwise", "reference", "deviation", "consecutive", "polynomial")
DEGREES = ("linear", "quadratic", "cubic", "quartic")


def comparisons(names: list[str], method, ratio, known) -> tuple[list[str], np.ndarray]:
    """Names and weights of comparisons.

    Parameters
    ----------
    names : list of str
        Names of the means.
    method : str or dict
        As for `MarginalMeans.contrast`.
    ratio : float
        Whether comparisons are ratios rather than differences.
    known : ndarray of bool
        Whether each mean is estimable.
    """
    m, eye = len(names), np.eye(len(names))
    sign = " / " if ratio else " - "
    if isinstance(method, Mapping):
        weights = [numbers(f"the weights of {name!r}", w) for name, w in method.items()]
        if not weights or any(w.shape != (m,) or not np.isfinite(w).all() for w in weights):
            raise OptionError(
                f"each contrast needs {m} finite weights, one for each of {', '.join(names)}"
            )
        return [str(name) for name in method], np.array(weights)
    check(method)
    if m < 2:
        return [], np.empty((0, m))
    if method == "deviation":
        average = known / known.sum() if known.any() else np.full(m, 1 / m)
        return [f"{name}{sign}mean" for name in names], eye - average
    if method == "polynomial":
        return polynomials(m)
    pairs = {
        "pairwise": list(combinations(range(m), 2)),
        "reference": [(j, 0) for j in range(1, m)],
        "consecutive": [(j + 1, j) for j in range(m - 1)],
    }[method]
    return [f"{names[a]}{sign}{names[b]}" for a, b in pairs], np.array(
        [eye[a] - eye[b] for a, b in pairs]
    )


def check(method) -> None:
    """Raise an `OptionError` if a name is no method of comparing."""
    if not isinstance(method, str) or method not in METHODS:
        raise OptionError(
            f"unknown method {shown(method)}{value_hint('comparisons', method, METHODS)}; "
            f"there are {', '.join(METHODS)}, or a dict of weights"
        )


def polynomials(m: int) -> tuple[list[str], np.ndarray]:
    """Orthogonal polynomials of m equally spaced levels in their smallest whole numbers.

    Returns
    -------
    names : list of str
        ``linear``, ``quadratic``, ``cubic``, ``quartic``, ``degree 5``, ``degree 6``.
    weights : ndarray, shape (at most 6, m)
        The last level has a positive weight.
    """
    before: list[list[Fraction]] = [[Fraction(1)] * m]
    rows = []
    for degree in range(1, min(m, 7)):
        column = [Fraction(i) ** degree for i in range(m)]
        for other in before:
            products = (a * b for a, b in zip(column, other, strict=True))
            share = sum(products, Fraction(0)) / sum((b * b for b in other), Fraction(0))
            column = [a - share * b for a, b in zip(column, other, strict=True)]
        before.append(column)
        scale = lcm(*(a.denominator for a in column))
        whole = [int(a * scale) for a in column]
        rows.append([a // gcd(*whole) for a in whole])
    names = [DEGREES[i] if i < len(DEGREES) else f"degree {i + 1}" for i in range(len(rows))]
    return names, np.array(rows, dtype=float)


def interactions(
    levels: Mapping[str, list[str]], methods: Mapping[str, str]
) -> tuple[list[tuple[str, ...]], np.ndarray]:
    """Names and weights of comparisons of comparisons, one method for each variable.

    Parameters
    ----------
    levels : dict of str to list of str
        Names of the levels of each variable; those of the first change fastest.
    methods : dict of str to str
        How to compare the levels of each variable.

    Returns
    -------
    names : list of tuple of str
        The comparison of each variable.
    weights : ndarray, shape (comparisons, means)
    """
    parts = []
    for variable, names in levels.items():
        known = np.ones(len(names), dtype=bool)
        parts.append(comparisons(names, methods[variable], 0.0, known))
    names = [combination[::-1] for combination in product(*(part[0] for part in parts[::-1]))]
    weights = np.ones((1, 1))
    for _, rows in parts:
        weights = np.kron(rows, weights)
    return names, weights


def by_variable(interaction, variables: list[str]) -> dict[str, str]:
    """The option `interaction` as a method for each variable.

    Raises
    ------
    OptionError
        A method or a variable is unknown, or there are not as many methods as variables.
    """
    if isinstance(interaction, Mapping):
        for name in interaction:
            if name not in variables:
                raise OptionError(
                    f"interaction: {shown(name)} is no variable of the means"
                    f"{did_you_mean(str(name), variables)}; there are {', '.join(variables)}"
                )
        chosen = {name: interaction.get(name, "pairwise") for name in variables}
    elif interaction is True or isinstance(interaction, str):
        chosen = dict.fromkeys(variables, "pairwise" if interaction is True else interaction)
    elif isinstance(interaction, list | tuple) and len(interaction) == len(variables):
        chosen = dict(zip(variables, interaction, strict=True))
    else:
        raise OptionError(
            f"interaction must be a method, or one for each of {', '.join(variables)}, not "
            f"{shown(interaction)}"
        )
    for method in chosen.values():
        check(method)
    return chosen

"""Which factors of the fixed effects are nested in others, so that not all combinations exist."""

from __future__ import annotations

import numpy as np
import pandas as pd

from numbamm.formula.materializer import without_fulldummy
from numbamm.formula.names import column_of
from numbamm.inference.fixed.terms import fixed_terms


def nested_factors(frame, codes: dict[str, np.ndarray]) -> dict[str, list[str]]:
    """The factors within whose levels another factor's levels are to be understood.

    Parameters
    ----------
    frame : ModelFrame
    codes : dict of str to ndarray of int64, shape (n,)
        Positions of the levels of each factor, in the rows of the data.

    Returns
    -------
    dict of str to list of str
        For each nested factor all that it is nested in, in the order of `codes`.

    Notes
    -----
    As in the R package emmeans, a factor is nested in another one if each of its levels occurs
    with one level of that alone, as a site's label tells its region; or if the formula has it
    within the other one only, as ``region / site`` has site. The latter matters where some
    combinations of the factors in its terms do not exist.
    """
    codes = pd.DataFrame(codes).drop_duplicates()
    outer = _by_labels(codes)
    for factor, (others, beside) in _by_terms(frame, codes).items():
        if _some_missing(codes, [factor, *others, *beside]):
            outer.setdefault(factor, set()).update(others)
    for factor in codes:  # what is nested in a nested factor is nested in its outer ones
        for other in outer.values():
            if factor in other:
                other |= outer.get(factor, set())
    return {f: [g for g in codes if g in outer[f]] for f in outer if f not in outer[f]}


def _by_labels(codes: pd.DataFrame) -> dict[str, set[str]]:
    """Factors each of whose levels stands in one level of others."""
    several = [name for name in codes if codes[name].nunique() > 1]
    found: dict[str, set[str]] = {}
    for name in several:
        for other in several:
            if other == name or name in found.get(other, ()):
                continue
            if len(codes[[name, other]].drop_duplicates()) == codes[name].nunique():
                found.setdefault(name, set()).add(other)
    return found


def _by_terms(frame, codes: pd.DataFrame) -> dict[str, tuple[set[str], set[str]]]:
    """Factors without a main effect: the factors in all of their terms, and those in some."""
    terms = []
    for term in fixed_terms(frame):
        columns = {column_of(without_fulldummy(v)) for v in term.variables - term.numeric}
        terms.append((columns & set(codes), bool(term.numeric)))
    found = {}
    for name in codes:
        mine = [factors for factors, _ in terms if name in factors]
        if mine and ({name}, False) not in terms:
            found[name] = set.intersection(*mine) - {name}, set.union(*mine) - {name}
    mutual = {(f, g) for f in found for g in found[f][0] if g in found and f in found[g][0]}
    return {
        f: (rest, some - rest)
        for f, (every, some) in found.items()
        if (rest := {g for g in every if (f, g) not in mutual})
    }


def _some_missing(codes: pd.DataFrame, names: list[str]) -> bool:
    """Whether some combinations of the factors' levels do not occur."""
    every = np.prod(codes[names].nunique().to_numpy(), dtype=float)
    return len(codes[names].drop_duplicates()) < every

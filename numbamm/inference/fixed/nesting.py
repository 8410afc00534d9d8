"""Nested factors of the fixed effects, for which not all combinations of levels exist."""

from __future__ import annotations

import numpy as np
import pandas as pd

from numbamm.formula.materializer import without_fulldummy
from numbamm.formula.names import column_of
from numbamm.inference.fixed.terms import fixed_terms


def nested_factors(frame, codes: dict[str, np.ndarray]) -> dict[str, list[str]]:
    """The factors that each nested factor is nested in.

    Parameters
    ----------
    frame : ModelFrame
    codes : dict of str to ndarray of int64, shape (n,)
        The level of each row of the data, for each factor.

    Returns
    -------
    dict of str to list of str
        For each nested factor all factors that it is nested in, in the order of `codes`.

    Notes
    -----
    As in the R package emmeans, a factor is nested in another one if each of its levels occurs
    with one level of that alone, as sites with labels of their own occur in one region. It is also
    nested if the formula has it only within the other one, as ``region / site`` has site, and some
    combinations of the factors in its terms do not exist.
    """
    codes = pd.DataFrame(codes).drop_duplicates()
    outer = _by_labels(codes)
    for factor, (others, further) in _by_terms(frame, codes).items():
        if _some_missing(codes, [factor, *others, *further]):
            outer.setdefault(factor, set()).update(others)
    for (
        factor
    ) in codes:  # a factor nested in a nested factor is nested in that one's outer factors, too
        for other in outer.values():
            if factor in other:
                other |= outer.get(factor, set())
    return {f: [g for g in codes if g in outer[f]] for f in outer if f not in outer[f]}


def _by_labels(codes: pd.DataFrame) -> dict[str, set[str]]:
    """For each factor the others that are constant within each of its levels."""
    several = [name for name in codes if codes[name].nunique() > 1]
    outer: dict[str, set[str]] = {}
    for name in several:
        for other in several:
            if other == name or name in outer.get(other, ()):
                continue
            if len(codes[[name, other]].drop_duplicates()) == codes[name].nunique():
                outer.setdefault(name, set()).add(other)
    return outer


def _by_terms(frame, codes: pd.DataFrame) -> dict[str, tuple[set[str], set[str]]]:
    """For factors without a main effect: the factors in all of their terms, and those in some."""
    terms = []
    for term in fixed_terms(frame):
        columns = {column_of(without_fulldummy(v)) for v in term.variables - term.numeric}
        terms.append((columns & set(codes), bool(term.numeric)))
    candidates = {}
    for name in codes:
        with_name = [factors for factors, _ in terms if name in factors]
        if with_name and ({name}, False) not in terms:
            in_all, in_some = set.intersection(*with_name), set.union(*with_name)
            candidates[name] = in_all - {name}, in_some - {name}
    mutual = {
        (f, g)
        for f in candidates
        for g in candidates[f][0]
        if g in candidates and f in candidates[g][0]
    }
    return {
        f: (outer, in_some - outer)
        for f, (in_all, in_some) in candidates.items()
        if (outer := {g for g in in_all if (f, g) not in mutual})
    }


def _some_missing(codes: pd.DataFrame, names: list[str]) -> bool:
    """Whether some combinations of the factors' levels do not occur."""
    possible = np.prod(codes[names].nunique().to_numpy(), dtype=float)
    return len(codes[names].drop_duplicates()) < possible

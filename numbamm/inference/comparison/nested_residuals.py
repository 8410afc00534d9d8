"""Whether the residuals' structure of one model is a special case of another's."""

from __future__ import annotations

import numpy as np

from numbamm.structures.registry import by_name

#: Structures that hold every other one of the same visits; the second if standard deviations agree.
ANY, ANY_OF_ONE_SD = "us", "homus"
#: Structures of a constant correlation and more, of which a random intercept is a special case.
WITH_CONSTANT = frozenset({"us", "homus", "cs", "homcs", "toep", "homtoep"})
#: Largest distance of a unit vector from a space that it is in.
TOLERANCE = 1e-6


def is_special_case(small, large) -> bool:
    """Whether the residuals of a model can have those of another as a special case.

    Parameters
    ----------
    small, large : ResidualSide or None
        None for independent residuals of one standard deviation.
    """
    if large is None:
        return small is None
    if small is not None and not _correlations_include(small, large):
        return False
    return _deviations_include(small, large)


def holds_intercept(side, refs) -> bool:
    """Whether a random intercept of levels `refs` is a special case of the residuals."""
    if side is None or side.texts.residual is None or side.texts.residual.nugget:
        return False
    return side.texts.residual.structure in WITH_CONSTANT and _same(side.reading.groups, refs)


def at_bounds(small, large) -> list[str]:
    """Parameters of the larger model's residuals that are at bounds under the smaller one."""
    if large is None or large.texts.residual is None:
        return []
    own = large.texts.residual
    other = None if small is None else small.texts.residual
    kind, found = by_name()[own.structure], []
    if other is None and kind.over_positions:
        found.append("the range of the residuals is zero")
    if own.nugget and not (other is not None and other.nugget):
        found.append("the nugget is at a bound")
    return found


def _correlations_include(small, large) -> bool:
    one, other = small.texts.residual, large.texts.residual
    if one is None:
        return True
    if other is None or not _same(small.reading.groups, large.reading.groups):
        return False
    if (one.nugget and not other.nugget) or one.by not in (None, other.by):
        return False
    if one.structure == other.structure:
        return one.positions == other.positions
    kinds = by_name()
    if other.structure == ANY or one.structure in kinds[other.structure].includes:
        return True
    return other.structure == ANY_OF_ONE_SD and not kinds[one.structure].heterogeneous


def _deviations_include(small, large) -> bool:
    """Whether log standard deviations of the one are among those of the other."""
    if small is not None and small.texts.dispersions == large.texts.dispersions:
        own, other = small.reading.cells, large.reading.cells
        return own is None or other is not None
    zero, W = large.scales.values(np.zeros(large.scales.size)), _slopes(large)
    basis = np.column_stack([np.ones(len(W)), W])
    lines = zero[:, None]
    if small is not None:
        own = small.scales.values(np.zeros(small.scales.size))
        lines = np.column_stack([zero - own, _slopes(small)])
    size = np.linalg.norm(lines, axis=0)
    lines = lines[:, size > 0] / size[size > 0]
    left = lines - basis @ np.linalg.lstsq(basis, lines, rcond=None)[0]
    return bool((np.linalg.norm(left, axis=0) < TOLERANCE).all())


def _slopes(side) -> np.ndarray:
    """Derivatives of log standard deviations, shape (n, parameters)."""
    return side.scales.slopes(np.zeros(side.scales.size)).T


def _same(one, other) -> bool:
    """Whether two factors divide the rows in the same way."""
    pairs = len(np.unique(np.stack([one, other]), axis=1).T)
    return pairs == len(np.unique(one)) == len(np.unique(other))

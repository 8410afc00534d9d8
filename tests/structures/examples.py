"""One structure of each kind, alone and beside others."""

import numpy as np
import pytest

from numbamm.structures.joined import Joined
from numbamm.structures.registry import by_name, make
from numbamm.structures.us import Us

NAMES = sorted(by_name())
#: Points of the structures over positions, at no regular distances.
POINTS = ((0.0, 1.0), (0.4, -0.3), (1.7, 0.2), (2.0, 2.5), (2.2, 0.1))


def example(name: str, p: int):
    """The structure of this name, with its options."""
    points = {"points": POINTS[:p]} if by_name()[name].over_positions else {}
    return make(name, p, **points)


def examples(p: int = 3) -> dict:
    """One of each, alone and beside others."""
    found = {name: example(name, p) for name in NAMES}
    if p == 3:
        own = ((0.0, 0.3), (0.0, 1.0), (2.0, 0.4))
        found["points of groups"] = make("exp", 3, points=own, in_groups=True)
    found |= {f"{name} beside us": Joined((Us(2), example(name, p))) for name in NAMES}
    found["all"] = Joined(tuple(found[name] for name in NAMES))
    return found


EXAMPLES = examples()
each = pytest.mark.parametrize("structure", EXAMPLES.values(), ids=EXAMPLES)
LINEAR = {name: structure for name, structure in EXAMPLES.items() if structure.is_linear}
each_linear = pytest.mark.parametrize("structure", LINEAR.values(), ids=LINEAR)


def some_theta(structure, seed=0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    scales = rng.uniform(0.3, 2, structure.size)
    return np.where(structure.is_scale, scales, rng.normal(0, 0.4, structure.size))


def differences(f, x, h=1e-6) -> np.ndarray:
    moves = h * np.eye(len(x))
    return np.array([(f(x + move) - f(x - move)) / (2 * h) for move in moves])

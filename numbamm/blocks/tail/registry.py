"""The tails by name: a file ``dense_tail.py`` of this folder has the class ``DenseTail``."""

from __future__ import annotations

import functools
import pkgutil
from importlib import import_module

from numbamm.blocks.tail.protocol import Tail

_SUFFIX = "_tail"


@functools.cache
def names() -> list[str]:
    """Names of all tails; none is imported."""
    folder = import_module(__package__).__path__
    found = [module.name for module in pkgutil.iter_modules(folder)]
    return [name.removesuffix(_SUFFIX) for name in found if name.endswith(_SUFFIX)]


def tail_of(name: str) -> type[Tail]:
    """The class of a tail, imported when it is first asked for."""
    return getattr(import_module(f"{__package__}.{name}{_SUFFIX}"), f"{name.capitalize()}Tail")

"""`caller_namespace`: the names that the code which called numbamm sees."""

from __future__ import annotations

import sys


def caller_namespace() -> dict:
    """Names for the functions in formulas: globals and locals of the code that called numbamm.

    A command line has none: what it is given as a formula is no program.
    """
    frame = sys._getframe(1)
    while frame is not None:
        names = frame.f_globals
        module, spec = names.get("__name__", ""), names.get("__spec__")
        if module == "__main__" and spec is not None:
            module = spec.name
        if module == "numbamm.__main__":
            break
        if module.split(".")[0] != "numbamm":
            return {**names, **frame.f_locals}
        frame = frame.f_back
    return {}

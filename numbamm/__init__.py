"""numbamm: linear and generalized linear mixed-effects models, compiled with numba.

>>> import numbamm as mm
>>> sleep = mm.datasets.load("sleepstudy")
>>> m = mm.lmm("Reaction ~ 1 + Days + (1 + Days | Subject)", sleep)
>>> print(m)  # doctest: +SKIP
"""

import lazy_loader

__version__ = "0.1.0"

# By the stub beside this file, so that `import numbamm` does not wait for numba and pandas.
_attached, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str):
    try:
        return _attached(name)
    except AttributeError:
        from numbamm.elsewhere import name_hint

        if hint := name_hint("numbamm", name):
            raise AttributeError(f"numbamm has no '{name}'{hint}") from None
        raise

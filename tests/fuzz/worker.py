"""Runs cases in a process of its own, so that a crash is seen: seeds come in, findings go out.

A finding is a line of JSON with its ``seed, kind, where, what``, and the formula and options.
Kinds are ``raw`` (an exception that is none of ours), ``numpy`` (a RuntimeWarning that a user would
see), ``nan`` (what a fit reports is not finite, and no warning said so) and ``slow``; after each
case comes ``{"seed": 7, "end": "fitted"}`` or ``"refused"``.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
import warnings

import numpy as np

import numbamm as mm
from fuzz.cases import Case, case
from numbamm import compilation

#: Seconds of CPU that no part of such small cases may take: a machine may be shared.
SLOW = 20.0
#: Responses that a study of power draws, where a case does not say.
DRAWS = 50
#: What is called as a function of the model.
FUNCTIONS = ("lrtest", "profile", "delete_levels", "power", "modeltable", "information_criteria")


def main() -> None:
    """Read seeds until there are no more."""
    compilation.call_kernels()  # so that no case waits for the compiler
    for line in sys.stdin:
        seed = int(line)
        print(json.dumps({"seed": seed, "begin": True}), flush=True)
        run(case(seed))


def run(one: Case) -> None:
    """Fit the model of a case and call its methods."""
    model, caught = _watched(one, "fit", lambda: _fit(one))
    if model is not None:
        _report_nan(one, model, caught)
        for name, arguments, options in one.calls:
            if name in ("save", "restore") and not isinstance(arguments[0], str | type(None)):
                continue  # a number is a file descriptor
            if name in ("save", "restore") and arguments[0]:
                arguments = (f"/nowhere/{arguments[0]}",)
            if name == "power":
                options = {"n": DRAWS} | options
            method = _method(model, name)
            _watched(one, _call_text(name, arguments, options), method, arguments, options)
    print(json.dumps({"seed": one.seed, "end": "refused" if model is None else "fitted"}))


def _fit(one: Case):
    fit = mm.glmm if one.generalized else mm.lmm
    return fit(one.formula, one.data, progress=False, **one.options)


def _method(model, name):
    if name in FUNCTIONS:
        function = getattr(mm, name)
        return lambda *a, **k: function(model, *a, **k)
    if name.startswith("plot."):
        return lambda *a, **k: _drawn(getattr(model.plot, name.removeprefix("plot."))(*a, **k))
    attribute = getattr(model, name, None)
    return attribute if callable(attribute) else lambda *a, **k: attribute


def _drawn(axes):
    """Axes whose figure has been drawn, as a file would have it, and closed."""
    from matplotlib import pyplot

    for number in pyplot.get_fignums():
        pyplot.figure(number).canvas.draw()
    pyplot.close("all")
    return axes


def _call_text(name, arguments, options) -> str:
    parts = [*map(repr, arguments), *(f"{k}={v!r}" for k, v in options.items())]
    return f"{name}({', '.join(parts)})"[:200]


def _watched(one, where, function, arguments=(), options=None):
    """The result, or None if it was refused, and our warnings; all else is a finding."""
    start = time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = function(*arguments, **(options or {}))
        except mm.NumbammError:
            result = None
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            ours = [t for t in traceback.extract_tb(error.__traceback__) if "numbamm" in t.filename]
            at = f"{ours[-1].filename.split('numbamm/', 1)[-1]}:{ours[-1].lineno}" if ours else ""
            what = f"{type(error).__name__}: {str(error)[:150]} at {at} ({place.name})"
            _say(one, "raw", where, what)
            result = None
    took = time.process_time() - start
    if took > SLOW:
        _say(one, "slow", where, f"{took:.0f} s")
    for warning in caught:
        if issubclass(warning.category, RuntimeWarning):
            place = f"{warning.filename.rsplit('/', 2)[-2:]}:{warning.lineno}"
            _say(one, "numpy", where, f"{warning.message} {place}")
    return result, [w for w in caught if issubclass(w.category, mm.NumbammWarning)]


def _report_nan(one, model, caught) -> None:
    """What a fit reports is finite, but for dropped columns, or a warning says why."""
    if caught:
        return
    kept = [n for n in model.params.index if n not in model.feterm.dropped]
    values = {
        "objective": model.objective,
        "theta": model.theta,
        "params": model.params[kept],
        "bse": model.bse[kept],
        "fittedvalues": model.fittedvalues.dropna() if not one.generalized else 0.0,
    }
    for name, value in values.items():
        if not np.isfinite(np.asarray(value, dtype=float)).all():
            _say(one, "nan", "fit", f"{name} {np.asarray(value, dtype=float).round(3)}")


def _say(one: Case, kind: str, where: str, what: str) -> None:
    finding = {"seed": one.seed, "kind": kind, "where": where, "what": what}
    finding |= {"formula": one.formula, "options": repr(one.options)[:200]}
    print(json.dumps(finding), flush=True)


if __name__ == "__main__":
    main()

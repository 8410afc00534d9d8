"""A fit in a file: written by `save`, taken up again by `restore` without a search.

Of a model it needs ``optsum``, ``_known_parameters`` (the lists of names that a fit may have),
``objective_at(x)`` for any x like ``optsum.final``, and ``_estimate(x, objective)``.
"""

from __future__ import annotations

import json
import math

import numpy as np

from numbamm import files
from numbamm.blocks.threads import blas_threads
from numbamm.errors import FitError, OptionError
from numbamm.models.fitting.rollback import all_or_nothing
from numbamm.optimize import OptSummary

#: How far, relative to itself, an objective may be from the one in the file: another machine's
#: arithmetic, not another value in the data.
RTOL = 1e-8


def save(model, path) -> None:
    """Write the optimisation of a fitted model; see `MixedModel.save`."""
    _ = model.estimates
    files.write(path, json.dumps(model.optsum.to_dict(), allow_nan=False).encode())


def restore(model, path) -> None:
    """Take up the fit that a file holds; see `MixedModel.restore`."""
    stored = _read(path)
    if stored.names not in model._known_parameters:
        raise FitError(
            f"{path} holds a fit of other parameters: {', '.join(map(str, stored.names))}, not "
            + ", or ".join(", ".join(names) for names in model._known_parameters)
        )
    with all_or_nothing(model), blas_threads():
        model.optsum = stored
        model._expect(stored.names)
        for point, x, recorded in (
            ("initial", stored.initial, stored.finitial),
            ("final", stored.final, stored.fmin),
        ):
            here = model.objective_at(x)
            tolerance = max(RTOL, 10 * (stored.objective_error or 0.0))
            if not math.isclose(here, recorded, rel_tol=RTOL, abs_tol=tolerance):
                raise FitError(
                    f"{path} is not a fit of this model to these data: at the {point} parameters "
                    f"the objective is {here:.10g}, and in the file {recorded:.10g}"
                )
        model.estimate_at(stored.final, float(stored.fmin))


def _read(path) -> OptSummary:
    """The finished optimisation that a file holds."""
    try:
        stored = OptSummary.from_dict(json.loads(files.as_path(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise OptionError(f"{path} cannot be read: {error.strerror}") from error
    except OptionError as error:
        raise OptionError(f"{path}: {error}") from error
    except (ValueError, OverflowError, RecursionError) as error:
        raise OptionError(f"{path} is not the JSON of a saved fit: {error}") from error
    if stored.final is None or not all(
        isinstance(f, float) for f in (stored.finitial, stored.fmin)
    ):
        raise OptionError(f"{path} holds options, but no fit")
    if stored.final.shape != stored.initial.shape or not np.isfinite(stored.final).all():
        raise OptionError(f"{path}: final must be finite, one for each parameter")
    return stored

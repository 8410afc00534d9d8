"""`search`: the search of a linear fit, whose tail may be approximate, or turn out not to suit."""

from __future__ import annotations

import numpy as np

from numbamm.blocks.tail.choice import build_exact_tail
from numbamm.blocks.tail.protocol import UnsuitedTail
from numbamm.errors import OptionError, warn
from numbamm.models.fitting.linear_start import space_with_starts
from numbamm.optimize import minimize
from numbamm.optimize.auto import AUTO, NEWTON

#: Scaled θ below this are zero: an exact search ends at zero itself.
ZERO = 1e-9


def search(model, verbose: bool, progress: bool | None) -> None:
    """Find θ, and write the outcome into the model's `optsum`.

    Parameters
    ----------
    model : LinearMixedModel
        If its tail does not suit it, it gets an exact one, and a warning says so.
    verbose, progress
        As for `minimize`.
    """
    optsum = model.optsum
    optsum.probes = optsum.seed = optsum.objective_error = optsum.final_error = None
    if not model.blocks.is_exact:
        _refuse_other_searches(model)
    try:
        minimize(space_with_starts(model), optsum, verbose=verbose, progress=progress)
    except UnsuitedTail as reason:
        hand_over(model, reason)
        minimize(space_with_starts(model), optsum, verbose=verbose, progress=progress)
    if not model.blocks.is_exact:
        _settle(model)


def hand_over(model, reason: UnsuitedTail) -> None:
    """Give a model an exact tail."""
    before = model.blocks
    rows = before.xy if before.product is None else before.product
    model.blocks = build_exact_tail(model.scaled.terms, rows, model.sqrt_weights)
    model._note_tail()
    warn(f"the {before.name} tail is given up for the {model.blocks.name} one: {reason}")


def _refuse_other_searches(model) -> None:
    """Refuse options that only a search by values of the objective can follow."""
    if model.optsum.optimizer not in (AUTO, NEWTON):
        raise OptionError(
            f"optimizer {model.optsum.optimizer!r} compares values of the objective, which the "
            f"{model.blocks.name} tail knows only approximately: leave optimizer at 'auto', or "
            "build the model with tail='sparse' or tail='dense'"
        )
    if not model._bounds_are_usual():
        raise OptionError(
            f"lowerbd and upperbd cannot be changed with the {model.blocks.name} tail; build the "
            "model with tail='sparse' or tail='dense'"
        )


def _settle(model) -> None:
    """Zeros where θ is zero, and the objective there, of which the search saw differences alone."""
    optsum, scaled = model.optsum, model.scaled
    z = scaled.to_scaled(optsum.final)
    small = np.abs(z * scaled.theta_sizes) < ZERO
    if (z[small] != 0).any():
        optsum.final = scaled.to_user(np.where(small, 0.0, z))
    optsum.fmin = model.space.objective(scaled.to_scaled(optsum.final))


def note_errors(model, errors) -> None:
    """Write Monte-Carlo errors into the model's `optsum`."""
    if errors is not None:
        optsum = model.optsum
        optsum.probes, optsum.seed = errors.probes, errors.seed
        optsum.objective_error, optsum.final_error = errors.objective, errors.parameters

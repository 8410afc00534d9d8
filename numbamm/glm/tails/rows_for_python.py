"""Steps of PIRLS on the rows, as entry points that Python calls."""

from __future__ import annotations

from numbamm.blocks.cholesky import set_lambda
from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import NOTHING, NUMBER, REALS
from numbamm.blocks.solve import random_effects
from numbamm.blocks.vectors import copy
from numbamm.glm.working import KIND, add_effects, load_observed, load_weights, respond


@jit(takes=(REALS, REALS, REALS, REALS, REALS, KIND), gives=NOTHING)
def predict(theta, u, gamma, base, eta, rows):
    """η = base + basis γ + ZΛu, at entries of every λ."""
    set_lambda(theta, rows.table, rows.index, rows.work)
    random_effects(rows.table, rows.work, u, rows.vectors[1])
    copy(base, eta)
    add_effects(eta, gamma, rows.vectors[1], rows)


@jit(takes=(REALS, KIND), gives=NOTHING)
def weighted(base, rows):
    """See `working.load_weights`."""
    load_weights(base, rows)


@jit(takes=(NUMBER, NUMBER, KIND), gives=NOTHING)
def observed(held, shape, rows):
    """See `working.load_observed`."""
    load_observed(held, shape, rows)


@jit(takes=(REALS, KIND), gives=NOTHING)
def responding(values, rows):
    """See `working.respond`."""
    respond(values, rows)

"""The models that the benchmarks share."""

import numba
import numpy as np

import numbamm as mm
from numbamm.blocks import cholesky

FORMULAS = {
    "sleepstudy": "Reaction ~ 1 + Days + (1 + Days | Subject)",
    "Penicillin": "diameter ~ 1 + (1 | plate) + (1 | sample)",
    "Pastes": "strength ~ 1 + (1 | batch/cask)",
    "InstEval": "y ~ 1 + service + (1 | s) + (1 | d)",
    "InstEval dept:service": "y ~ 1 + service + (1 | s) + (1 | d) + (1 | dept:service)",
    "crossed 20": "y ~ S * P * C + (1 + S + P + C | subj) + (1 + S + P + C | item)",
    "crossed 72": "y ~ S * P * C + (1 + S * P * C | subj) + (1 + S * P * C | item)",
}


def frame(name):
    """The data behind a name: a shipped set, or a simulated crossed experiment."""
    return crossed() if name.startswith("crossed") else mm.datasets.load(name.split()[0])


def crossed(subjects=56, items=32, seed=7):
    """Subjects crossed with items in a 2³ design of ±1 columns: the size of a reading study."""
    rng = np.random.default_rng(seed)
    subj, item = (g.ravel() for g in np.meshgrid(range(subjects), range(items), indexing="ij"))
    cell = (subj + item) % 8
    S, P, C = (1.0 - 2.0 * ((cell >> bit) & 1) for bit in range(3))
    design = np.column_stack([np.ones(len(cell)), S, P, C])
    effects = rng.normal(size=(subjects, 4)) * [300, 30, 60, 40]
    others = rng.normal(size=(items, 4)) * [360, 30, 200, 40]
    y = 2200 + ((effects[subj] + others[item]) * design).sum(1) - 330 * P
    y += rng.normal(size=len(cell)) * 670
    return {"y": y, "S": S, "P": P, "C": C, "subj": subj, "item": item}


def model(name, **options):
    """The unfitted model of that name."""
    return mm.LinearMixedModel(FORMULAS[name], frame(name), **options)


@numba.njit(nogil=True)
def evaluations(times, theta, table, index, A, work, degrees):
    """The objective `times` over, without Python between."""
    total = 0.0
    for _ in range(times):
        total += cholesky.objective(theta, table, index, A, work, degrees, 0.0, 0.0)
    return total


def evaluation_arguments(built):
    """What `evaluations` needs of a model, with a workspace of its own."""
    blocks = built.blocks
    layout = blocks.layout
    degrees = np.array([built.nobs, 0])
    arrays = layout.table, layout.index, blocks.A, blocks.work.copy()
    return built.theta, *arrays, degrees


def search_model(built):
    """What the gradient and Newton's search need of a model, under maximum likelihood."""
    return built.blocks.newton_model(np.array([built.nobs, 0]), 0.0, 0.0)


def ratings(rows=1_000_000, users=6_000, items=3_700, seed=11):
    """Users who rate items: some users much busier, some items much more popular than others.

    The activity of users is lognormal and the popularity of the item of rank r is 1 / (r + 50),
    as in collections of film ratings.
    """
    rng = np.random.default_rng(seed)
    activity = rng.lognormal(sigma=1.0, size=users)
    popularity = 1.0 / (np.arange(1, items + 1) + 50.0)
    user = rng.choice(users, rows, p=activity / activity.sum())
    item = rng.choice(items, rows, p=popularity / popularity.sum())
    x = rng.normal(size=rows)
    y = 3.5 + 0.1 * x + 0.4 * rng.normal(size=users)[user] + 0.6 * rng.normal(size=items)[item]
    return {"y": y + 0.9 * rng.normal(size=rows), "x": x, "user": user, "item": item}

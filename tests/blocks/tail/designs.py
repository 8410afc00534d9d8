"""Designs whose tail has a sparse part of every kind, as terms of a model and rows."""

import numpy as np

from numbamm.design.remat import ReMat, order_terms
from numbamm.structures.diag import Diag
from numbamm.structures.us import Us


def movers(rng, n, nworker, nfirm, moves):
    """Workers, and the firms where they mostly stay."""
    worker = rng.integers(0, nworker, n)
    firm = rng.integers(0, nfirm, nworker)[worker]
    elsewhere = rng.random(n) < moves
    firm[elsewhere] = rng.integers(0, nfirm, elsewhere.sum())
    return worker, firm


def term(rng, levels, p=1, diagonal=False):
    """A term with an intercept and p - 1 slopes; levels that no row has do not exist."""
    n = len(levels)
    _, refs = np.unique(levels, return_inverse=True)
    z = np.vstack([np.ones(n), rng.normal(size=(p - 1, n))])
    names, structure = [f"c{j}" for j in range(p)], (Diag if diagonal else Us)(p)
    return ReMat("g", refs, np.arange(refs.max() + 1), names, z, structure)


def terms_of(rng, kind, n):
    """The terms of a design, by decreasing number of random effects."""
    worker, firm = movers(rng, n, n // 4, n // 6, {"nested": 0.0, "one mover": 0.0}.get(kind, 0.2))
    if kind == "one mover":
        firm[0] = (firm[0] + 1) % (n // 6)
    school = firm // 5
    made = {
        "movers": [term(rng, worker), term(rng, firm)],
        "nested": [term(rng, worker), term(rng, firm), term(rng, rng.integers(0, n // 2, n))],
        "one mover": [term(rng, worker), term(rng, firm)],
        "vectors": [term(rng, worker, 2), term(rng, firm, 3)],
        "uncorrelated": [term(rng, worker, 2, True), term(rng, firm, 2, True)],
        "mixed": [term(rng, worker), term(rng, firm, 2), term(rng, rng.integers(0, 3, n), 2)],
        "three": [term(rng, worker), term(rng, firm), term(rng, rng.integers(0, n // 3, n), 2)],
        "seen once": [term(rng, np.arange(n)), term(rng, firm), term(rng, worker)],
        "chain": [term(rng, worker), term(rng, firm), term(rng, school)],
        "two islands": [
            term(rng, np.where(np.arange(n) < n // 2, worker, worker + n)),
            term(rng, np.where(np.arange(n) < n // 2, firm, firm + n)),
        ],
    }[kind]
    return order_terms(made)


KINDS = [
    *("movers", "nested", "one mover", "vectors", "uncorrelated", "mixed", "three", "seen once"),
    *("chain", "two islands"),
]

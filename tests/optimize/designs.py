"""Random linear designs of few rows, and how far above the best known optimum the default ends."""

import warnings
from typing import NamedTuple

import numpy as np

import numbamm as mm
from numbamm.blocks.moments import moment_theta
from numbamm.blocks.search import newton


class Design(NamedTuple):
    """A model and its data; `spread` is how widely the starts of other searches lie apart."""

    formula: str
    data: dict
    reml: bool
    weights: np.ndarray | None = None
    size: float = 1.0
    spread: float = 1.5


def excess(design, seed, others=()):
    """By how much the default ends above the best known, beyond rounding; None where it says so.

    That is the lowest end of Newton searches from ten random λ, from diagonal ones, from one large
    scale, and from moments; and of the optimisers `others`.
    """
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            model = mm.lmm(design.formula, design.data, reml=design.reml, weights=design.weights)
        except mm.NumbammError:  # refused
            return None
    if said:
        return None
    rounding = (
        model.degrees * np.finfo(float).eps * (model.scaled_response.scale / model.sigma) ** 2
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        best = min(best_known(model, design, seed), *(end(model, name) for name in others), np.inf)
    return model.objective - best - 4 * rounding


def best_known(model, design, seed):
    arguments = model.blocks.newton_model(*model.space.criterion)
    ends = [newton.fit(x, arguments, 1e-10, 1e-14, 500)[0] for x in starts(model, design, seed)]
    return np.nanmin(ends)


def starts(model, design, seed):
    """θ inside: random, diagonal, with one scale of ordinary size, and by moments."""
    rng, scales = np.random.default_rng(seed), model.optsum.lowerbd == 0
    for scale in (0.1, 1.0, 10.0, 100.0):
        yield scale * scales.astype(float)
    for _ in range(10):
        size = design.size * np.exp(rng.normal(0, design.spread, len(scales)))
        yield np.where(scales, size, size * rng.normal(size=len(scales)))
    for k in np.flatnonzero(scales):
        yield np.where(np.arange(len(scales)) == k, design.size, 1e-3 * scales)
    moments = moment_theta(model.scaled.terms, model.blocks.layout, model.blocks.A, 0.0)
    if moments is not None:
        yield moments


def end(model, optimizer):
    """Where another optimiser ends."""
    try:
        other = mm.LinearMixedModel.of_frame(model.frame, reml=model.optsum.reml)
        return other.fit(optimizer=optimizer).objective
    except mm.FitError:
        return np.inf


def too_high(make, seeds, share, others=()):
    """Designs of which the default ends more than 1e-7 too high and says nothing.

    At least `share` of the designs must be fitted without a word.
    """
    found = {seed: excess(make(seed), seed, others) for seed in seeds}
    silent = {seed: gap for seed, gap in found.items() if gap is not None}
    assert len(silent) > share * len(seeds)
    return {seed: gap for seed, gap in silent.items() if not gap < 1e-7}

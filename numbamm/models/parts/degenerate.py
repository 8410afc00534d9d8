"""Parts that have come to an end of their range: a simpler family would do.

The shape of a negative binomial that grows without limit makes it a Poisson distribution, zeros may
be no more than those of the family, and so on. The objective is then flat in the parameter, which
has no standard error; the other estimates are those of the simpler model.
"""

from __future__ import annotations

import numpy as np

#: From this predictor on it is asked whether a parameter is at its end; how far it is moved towards
#: it then, and the change of the objective that says so.
FAR, MOVE, FLAT = 4.0, 2.0, 2e-3


def degenerate_parts(model) -> dict[int, str]:
    """Parts at an end of their range: the places of their coefficients in ψ, and why, in words."""
    if model.composition is None:
        return {}
    found, parameters = {}, model.composition.family.parameters
    x, rank = np.asarray(model.optsum.final), len(model.optsum.final) - len(model.theta)
    rank -= model.part_lines.size
    for k, (line, at) in enumerate(
        zip(model.part_lines.lines, model.part_lines.slices, strict=True)
    ):
        if line.rank == 0:
            continue
        parameter = parameters[k] if k < len(parameters) else None
        if parameter is not None and not parameter.limit:
            continue
        if parameter is None and line.name != "zi":
            continue
        end = -1.0 if parameter is None else float(np.sign(parameter.at))
        X, place = line.feterm.x[:, line.feterm.kept], slice(rank + at.start, rank + at.stop)
        if not (end * (X @ x[place]) >= FAR).all():
            continue
        moved = x.copy()
        moved[place] += np.linalg.lstsq(X, np.full(len(X), end * MOVE), rcond=None)[0]
        change = model.objective_at(moved) - float(model.optsum.fmin)
        if np.isfinite(change) and abs(change) < FLAT:
            words = _words(model, parameter)
            found |= dict.fromkeys(range(at.start, at.stop), words)
    return found


def _words(model, parameter) -> str:
    family = model.composition.family
    if parameter is None:
        return (
            "the probability of additional zeros has gone to zero: the model is that without zi, "
            "which has a parameter less"
        )
    way = "grows without limit" if parameter.at > 0 else "goes to zero"
    return (
        f"{parameter} of the {family} family {way}: the distribution is that of its limit, "
        f"and family='{parameter.limit}' fits it with a parameter less"
    )

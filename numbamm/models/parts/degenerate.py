"""Directions in which the likelihood of a model of several parts no longer changes.

The shape of a negative binomial that grows without limit makes it a Poisson distribution; zeros may
be no more than those of the family; a level of a factor may hold zeros alone. The objective is then
flat along some coefficients, which have no standard errors; all others are those of the simpler
model. Rows whose density hardly changes with the predictor of a part are silent about it: what the
other rows do not determine of its coefficients is moved, and is flat if the objective stays.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numbamm.glm.parts.density_rows import IDENTITY, LOG
from numbamm.glm.parts.mixture import HURDLE
from numbamm.glm.parts.parameter import Parameter
from numbamm.glm.row_kernels import SCORE
from numbamm.models.fitting.described_rows import described

#: A row is silent if its deviance changes by less with a predictor, in units of its weight, or if
#: the predictor of a parameter that has a limit is beyond this.
SILENT, FAR = 0.02, 4.0
#: How far a predictor is moved, and the rise of the objective at which it is flat.
MOVE, FLAT = 2.0, 2e-3
#: The share of this by which it is moved back from the edge of a range.
SHORT = 0.125
#: Eigenvalues of columns' products below this share are of directions that rows do not determine.
NULL = 1e-9
#: Coefficients are named if they have this share, at least, of a direction's largest.
SHARE = 0.3
#: A predictor this far from that of the model without random effects, in rows of which responses
#: are reproduced exactly, runs to the end of the range.
MUCH = 14.0
#: Below this a skewness is asked whether it is zero, where the likelihood is flat to second order.
LITTLE = 1.0


class Flat(NamedTuple):
    """A direction along which nothing changes.

    Attributes
    ----------
    direction : ndarray, shape (rank + number of ψ,)
        Of β and ψ in the users' coordinates, in standard units of the part's predictor.
    words : str
        What has happened, for tables and warnings.
    told : bool
        Whether a warning before the fit has said so.
    """

    direction: np.ndarray
    words: str
    told: bool = False


class _Line(NamedTuple):
    """A predictor at the estimates: its columns, values, slopes of the rows, and coefficients."""

    name: str
    basis: np.ndarray
    to_user: np.ndarray
    names: list[str]
    sizes: np.ndarray
    values: np.ndarray
    slopes: np.ndarray
    at: slice
    parameter: Parameter | None


def flat_directions(model) -> list[Flat]:
    """The directions along which the objective of a fitted model is flat."""
    if model.composition is None:
        return []
    found = []
    for line in _lines(model):
        silent = np.abs(line.slopes) < SILENT
        parameter = line.parameter
        if parameter is not None and parameter.limit:
            silent |= np.sign(parameter.at) * line.values >= FAR
        flat = _of_line(model, line, silent) if silent.any() else []
        if not flat and parameter is not None:
            other = {"skewness": _of_no_skewness, "lower": _of_no_zeros}.get(parameter.name)
            flat = other(model, line) if other else []
        found += flat
    return found


def _lines(model) -> list[_Line]:
    """Every predictor that has coefficients; that of the mean if it may have no estimates."""
    x, w = np.asarray(model.optsum.final), model.prior_weights
    lines, n, finder = model.part_lines, len(model.frame.y), model._modes
    before = len(x) - len(model.theta) - lines.size
    space = model.space_of(model._searched[model._fast], modes=finder)
    mode, at = space.laplace.at(space.to_scaled(x))
    if not mode.found:
        return []
    vary, joint = space.laplace.vary, finder.joint_rows
    score = finder.working_lines(vary=vary)[SCORE].copy()
    nu, parameters = lines.values(at.shape), model.composition.family.parameters
    out = []
    may_end = bool(model.family_record.bounds) or model.composition.mixture == HURDLE
    if before and may_end and model.link_record.whole_line:
        values = model._basis @ at.beta
        feterm = model.feterm
        names, columns = feterm.kept_names, model.frame.X[:, feterm.kept]
        out.append(
            _Line(
                "", model._basis, feterm.to_basis, names, _sizes(columns), values,
                score[:n] / w, slice(0, before), None,
            )
        )  # fmt: skip
    for k, (line, own) in enumerate(zip(lines.lines, lines.slices, strict=True)):
        if not line.rank:
            continue
        if joint and k == len(lines.lines) - 1:
            slopes = score[n : 2 * n]
        else:
            slopes = finder.row_slopes(k, vary=vary)[:n]
        columns = line.feterm.x[:, line.feterm.kept]
        out.append(
            _Line(
                line.name, line.feterm.basis, lines.to_user[own, own], line.names,
                _sizes(columns), nu[k], slopes / w, slice(before + own.start, before + own.stop),
                parameters[k] if k < len(parameters) else None,
            )
        )  # fmt: skip
    return out


def _sizes(columns) -> np.ndarray:
    return np.abs(columns).max(axis=0, initial=0.0)


def _of_line(model, line: _Line, silent) -> list[Flat]:
    """What rows that are not silent leave undetermined, if the objective is flat along it."""
    heard = line.basis[~silent]
    values, vectors = np.linalg.eigh(heard.T @ heard)
    free = vectors[:, values <= NULL * len(line.basis)]
    if free.shape[1]:
        up = line.basis[silent].T @ np.sign(line.values[silent])
        away = free @ (free.T @ up)
        if _is_flat(model, line, away) or _is_flat(model, line, -away, back=True):
            return _words(model, line, free, silent)
        if free.shape[1] > 1:
            alone = [
                (v, side * v) for v in free.T for side in (1, -1) if _is_flat(model, line, side * v)
            ]
            if alone:
                return _words(model, line, np.array([v for v, _ in alone]).T, silent)
    elif line.basis.shape[1] > 1 and 2 * silent.sum() > len(silent):  # separated by a covariate
        own = np.linalg.lstsq(line.basis, line.values, rcond=None)[0]
        if _is_flat(model, line, own):
            return _words(model, line, own[:, None], silent)
    return []


def _is_flat(model, line: _Line, direction, *, back: bool = False) -> bool:
    """Whether the objective rises by next to nothing along a direction of the basis.

    Or, with `back`, by so little against it, where the search has met the edge of what is allowed.
    """
    reach = np.abs(line.basis @ direction).max(initial=0.0)
    if not reach > 0:
        return False
    move = MOVE
    if line.parameter is not None and line.parameter.link == IDENTITY:
        move = max(MOVE, np.abs(line.values).max())
    moved = np.array(model.optsum.final)
    move *= SHORT if back and model.optsum.returnvalue == "ROUNDOFF_LIMITED" else 1.0
    moved[line.at] += line.to_user @ direction * (move / reach)
    return bool(model.objective_at(moved) - float(model.optsum.fmin) < FLAT)


def _of_no_skewness(model, line: _Line) -> list[Flat]:
    """A skewness of zero: a normal distribution, at which the slope vanishes."""
    if len(line.names) != 1 or not abs(line.values[0]) < LITTLE:
        return []
    moved = np.array(model.optsum.final)
    moved[line.at] = 0.0
    if not model.objective_at(moved) - float(model.optsum.fmin) < FLAT:
        return []
    words = (
        "there is no skewness: the distribution is a normal one, and family='gaussian' fits it "
        "with a parameter less"
    )
    return [Flat(_embedded(model, line, np.ones(1)), words)]


def _of_no_zeros(model, line: _Line) -> list[Flat]:
    """A lower cutpoint that falls without limit, while the upper one stays."""
    if len(line.names) != 1 or (model.frame.y == 0).any():
        return []
    names = list(model.optsum.names)
    moved, gap = np.array(model.optsum.final), names.index("log_gap")
    moved[line.at] -= MOVE
    moved[gap] = np.logaddexp(moved[gap], np.log(MOVE))
    if not model.objective_at(moved) - float(model.optsum.fmin) < FLAT:
        return []
    words = "no response is 0, and the lower cutpoint of the ordered beta family says nothing"
    direction = _embedded(model, line, -np.ones(1))
    direction[np.flatnonzero(direction)[0] + 1] = np.exp(-model.optsum.final[gap])
    return [Flat(direction, words)]


def _words(model, line: _Line, free, silent) -> list[Flat]:
    """A flat direction of the users' coordinates for each column of `free`, and why, in words."""
    user = line.to_user @ free
    user[np.abs(user) < 1e-9 * np.abs(user).max(axis=0)] = 0.0
    sides = np.unique(np.sign(line.values[silent]))
    whole = user.shape[1] == len(user) and len(sides) == 1
    told = line.name == "hurdle" or (not line.name and model.composition.mixture == HURDLE)
    if whole:
        words = _of_whole_line(model, line, sides[0])
        user = np.eye(len(user))
    else:
        sizes = np.abs(user) * line.sizes[:, None]
        named = (sizes > SHARE * sizes.max(axis=0)).any(axis=1)
        listed = ", ".join(name for name, known in zip(line.names, named, strict=True) if known)
        words = _of_some_rows(model, line, listed, np.abs(line.basis @ free).max(axis=1) > 1e-6)
    return [Flat(_embedded(model, line, column), words, told) for column in user.T]


def _of_whole_line(model, line: _Line, side: float) -> str:
    parameter, family = line.parameter, model.composition.family
    if line.name == "zi":
        if side < 0:
            return (
                "the probability of additional zeros has gone to zero: the model is that without "
                "zi, which has a parameter less"
            )
        return "the probability of additional zeros has gone to one: the data have hardly others"
    if parameter is None:
        return f"coefficients of {line.name or 'the mean'} grow without limit"
    if side > 0:
        way = "grows without limit"
    else:
        way = "goes to zero" if parameter.link == LOG else "falls without limit"
    words = f"{parameter} of the {family} family {way}: "
    if parameter.limit and np.sign(parameter.at) == np.sign(side):
        return words + (
            "the distribution is that of its limit, and "
            f"family='{parameter.limit}' fits it with a parameter less"
        )
    hint = parameter.ends.get(np.sign(side), "the likelihood hardly depends on it")
    return words + hint


def _of_some_rows(model, line: _Line, listed: str, rows) -> str:
    part = line.name or "the mean"
    where = described(model.frame, rows) if 0 < rows.sum() < len(rows) else ""
    if line.parameter is not None:
        cause = f"the responses say nothing of coefficients of {line.parameter}{where}"
    else:
        cause = f"the columns of {part} separate some of the responses from the others{where}"
    remedy = f"leave the column out of {part}, or join levels of it"
    if not line.name:
        remedy = "leave the column out, or join levels of it"
    return f"{cause}: {listed} grow without limit, and their standard errors mean nothing; {remedy}"


def _embedded(model, line: _Line, column) -> np.ndarray:
    """A direction of one line as one of β and ψ."""
    size = model.feterm.rank + model.part_lines.size
    before = len(model.optsum.final) - len(model.theta) - model.part_lines.size
    shift = model.feterm.rank - before  # a fast fit has no β
    out = np.zeros(size)
    out[line.at.start + shift : line.at.stop + shift] = column
    return out


def perfect_rows(model, psi, before) -> str:
    """What is said where a dispersion goes to the end of its range, as rows are fitted exactly.

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
    psi, before : ndarray or tuple
        ψ of scaled coordinates, and one at which no row is fitted exactly.
    """
    parameters = model.composition.family.parameters
    if not parameters or not parameters[0].perfect:
        return ""
    now, then = (model.part_lines.values(np.asarray(p))[0] for p in (psi, before))
    gone = parameters[0].perfect * (now - then) > MUCH
    if not gone.any():
        return ""
    where = described(model.frame, gone) if not gone.all() else ""
    way = "goes to zero" if parameters[0].perfect < 0 else "grows without limit"
    return (
        f"{parameters[0]} of the {model.composition.family} family {way}{where}: responses are "
        "reproduced exactly, and the likelihood has no maximum, so that estimates are not to be "
        "relied on; leave columns or random effects out"
    )

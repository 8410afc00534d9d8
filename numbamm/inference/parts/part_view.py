"""`of_part`: a part of a model as a model of its own linear predictor, for tests and averages."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np

from numbamm.errors import OptionError, did_you_mean, shown
from numbamm.glm.family import FAMILIES
from numbamm.glm.link import LINKS
from numbamm.inference.fixed import ddf as degrees

#: The part that all models have, and what other packages call it.
MEAN = ("mean", "cond", "conditional")
#: What of a fit's estimates belongs to the mean's coefficients alone.
OF_MEAN = ("_ddf", "_robust", "_whole", "_directions")


def of_part(
    model, part: str | None, ddf: str | None = None, robust: str | None = None, cluster: Any = None
) -> tuple[Any, Any]:
    """A model whose coefficients, columns and link are those of a part, and a method for tests.

    Parameters
    ----------
    model : MixedModel
        A fitted model.
    part : str or None
        ``"zi"``, ``"hurdle"`` or ``"dispersion"``, as far as the model has a formula for it;
        ``"mean"`` or None for the model itself.
    ddf, robust, cluster : optional
        As for `ddf.method`.

    Raises
    ------
    OptionError
        The model has no such part.
    """
    method = degrees.method(model, ddf, robust, cluster)
    if part is None or part in MEAN:
        return model, method
    at = place_of(model, part)
    line, rank = model.part_lines.lines[at], model.feterm.rank
    own = model.part_lines.slices[at]
    psi = model.part_lines.to_user @ np.asarray(model.estimates.shape)
    where = slice(rank + own.start, rank + own.stop)
    whole = getattr(method, "whole", None)
    cov = model.part_covariance if whole is None else whole[0]
    view, method = copy(model), copy(method)
    view.frame, view.feterm = model.frame.of_part(part), line.feterm
    view.link_record = link_of_part(model, at)
    view.link = view.link_record.name
    view.family_record, view.composition = FAMILIES["gaussian"], None
    view.means_of = what_of_part(model, at)
    estimates = copy(model.estimates)
    estimates.beta, estimates.covariance = psi[own], cov[where, where]
    for name in OF_MEAN:
        vars(estimates).pop(name, None)
    view.set_estimates(model.theta, estimates)
    method.beta, method.vcov = estimates.beta, estimates.covariance
    return view, method


def place_of(model, part) -> int:
    """Which line of ν a part is.

    Raises
    ------
    OptionError
    """
    formulas = {} if model.composition is None else model.composition.formulas
    if not isinstance(part, str) or part not in formulas:
        known = ", ".join(("mean", *formulas))
        hint = did_you_mean(str(part), formulas)
        more = ""
        if model.has_categories:
            more = "; coef_table() has nominal and scale effects beside the location's"
        raise OptionError(f"part must be one of {known}, not {shown(part)}{hint}{more}")
    return [line.name for line in model.part_lines.lines].index(part)


def link_of_part(model, at: int):
    """The link of a line of ν."""
    parameters = model.composition.family.parameters
    if at >= len(parameters):
        return LINKS.of("logit")
    name = parameters[at].link_name
    return LINKS.of(name if name in ("log", "identity") else "logit")


def what_of_part(model, at: int) -> str:
    """What the inverse link of a line of ν is."""
    parameters = model.composition.family.parameters
    if at < len(parameters):
        return str(parameters[at])
    return f"the probability of the zeros of the part {model.composition.zero_part}"

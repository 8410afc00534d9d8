"""The option `re_form`: the random effects to include in a prediction, or to keep in simulation."""

from __future__ import annotations

import numpy as np

from numbamm.errors import FormulaError, OptionError, did_you_mean
from numbamm.formula.effects import parse_effects
from numbamm.formula.grouping import grouping_factors
from numbamm.formula.names import joined, split
from numbamm.formula.scan import scan
from numbamm.structures.registry import by_name

ALL, NONE = (True, "all"), (False, "none", "~0", "~ 0")


def chosen_effects(model, re_form) -> list[np.ndarray]:
    """The random effects that `re_form` names.

    Parameters
    ----------
    model : MixedModel
    re_form : None, bool, str or iterable of str
        None, True or ``"all"``; False, ``"none"`` or ``"~0"``; names of grouping factors; or
        terms such as ``"(1 | item)"``, which are the model's terms or parts of them.

    Returns
    -------
    list of ndarray of bool, shape (p,)
        For each of `reterms`, whether each of its columns is chosen.

    Raises
    ------
    OptionError
        A name is no grouping factor, or a term is not part of one of the model's.
    """
    if re_form is None or (isinstance(re_form, str | bool) and re_form in ALL + NONE):
        return [np.full(term.p, re_form not in NONE) for term in model.reterms]
    chosen = [np.zeros(term.p, dtype=bool) for term in model.reterms]
    for text in [re_form] if isinstance(re_form, str) else _texts(re_form):
        if "|" not in text:
            for k in _on_factor(model, split(text), text):
                chosen[k][:] = True
        else:
            _choose(model, text, chosen)
    return chosen


def _texts(re_form) -> list[str]:
    """The option as a list of names and terms."""
    try:
        texts = list(re_form)
    except TypeError:
        texts = [re_form]
    if not all(isinstance(text, str) for text in texts):
        raise OptionError(
            "re_form must be 'all', 'none', a list of grouping factors, or terms such as "
            f"'(1 | g)', not {re_form!r}"
        )
    return texts


def _on_factor(model, variables, text: str) -> list[int]:
    """Positions of the terms with a grouping factor; ``a:b`` and ``b:a`` are the same factor."""
    groups = [term.group for term in model.reterms]
    wanted = set(variables)
    positions = [k for k, g in enumerate(groups) if g == text or set(split(g)) == wanted]
    if not positions:
        raise OptionError(
            f"re_form: '{text}' is no grouping factor of the model{did_you_mean(text, groups)}; "
            f"there are {', '.join(dict.fromkeys(groups))}"
        )
    return positions


def _choose(model, text: str, chosen: list[np.ndarray]) -> None:
    """Mark the columns of the terms in a text such as ``(1 | a) + (0 + x | b)``."""
    try:
        pieces = scan("y ~ " + text.strip().removeprefix("~"))
        factors = [grouping_factors(term) for term in pieces.terms]
        effects = [parse_effects(term.lhs, term.text) for term in pieces.terms]
    except FormulaError as error:
        raise OptionError(f"re_form {text!r} cannot be read: {error}") from error
    if pieces.fixed != "1" or pieces.offsets:
        raise OptionError(f"re_form {text!r} has other terms than random effects: leave them out")
    for term, grouping, term_effects in zip(pieces.terms, factors, effects, strict=True):
        for names in grouping:
            group = joined(names) if names else "1"
            at_points = by_name()[term.structure].over_positions
            places = _on_factor(model, names or (group,), group)
            columns = {k: _columns(model.frame, k, at_points) for k in places}
            for effect in term_effects:
                places = [
                    (k, of_effect[effect])
                    for k, of_effect in columns.items()
                    if effect in of_effect
                ]
                if not places:
                    raise OptionError(
                        f"re_form: {term.text} is not part of the model, which has no random "
                        f"effect of {effect} on {group}"
                    )
                for k, place in places:
                    chosen[k][place] = True


def _columns(frame, k: int, at_points: bool) -> dict:
    """Positions of each effect's columns in the k-th term; of effects at points all of them."""
    design, positions, start = frame.design, {}, 0
    for i in frame.members[k]:
        part = design.terms[i]
        stop = start + design.width(part)
        slices = design.specs[part.lhs].term_slices
        if at_points and part.over_positions:
            positions |= dict.fromkeys(slices, slice(start, stop))
        elif not at_points and not part.over_positions:
            moved = {e: slice(start + c.start, start + c.stop) for e, c in slices.items()}
            positions |= moved
        start = stop
    return positions

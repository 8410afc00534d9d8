"""`re_form`: which of a model's random effects a prediction or a simulation goes by."""

from __future__ import annotations

import numpy as np

from numbamm.errors import FormulaError, OptionError, did_you_mean
from numbamm.formula.effects import parse_effects
from numbamm.formula.grouping import grouping_factors
from numbamm.formula.names import joined, split
from numbamm.formula.scan import scan

EVERY, NO = (True, "all"), (False, "none", "~0", "~ 0")


def chosen_effects(model, re_form) -> list[np.ndarray]:
    """The random effects that `re_form` names.

    Parameters
    ----------
    model : MixedModel
    re_form : None, bool, str or iterable of str
        None, True or ``"all"``; False, ``"none"`` or ``"~0"``; grouping factors by name; or
        terms such as ``"(1 | item)"``, which are the model's own or parts of them.

    Returns
    -------
    list of ndarray of bool, shape (p,)
        For each of `reterms`, which of its columns are meant.

    Raises
    ------
    OptionError
        A name is no grouping factor, or a term is no part of the model's.
    """
    if re_form is None or (isinstance(re_form, str | bool) and re_form in EVERY + NO):
        return [np.full(term.p, re_form not in NO) for term in model.reterms]
    chosen = [np.zeros(term.p, dtype=bool) for term in model.reterms]
    for text in [re_form] if isinstance(re_form, str) else _texts(re_form):
        if "|" not in text:
            for k in _on_factor(model, split(text), text):
                chosen[k][:] = True
        else:
            _choose(model, text, chosen)
    return chosen


def _texts(re_form) -> list[str]:
    try:
        texts = list(re_form)
    except TypeError:
        texts = [re_form]
    if not all(isinstance(text, str) for text in texts):
        raise OptionError(
            f"re_form is 'all', 'none', a list of grouping factors, or terms such as '(1 | g)', "
            f"not {re_form!r}"
        )
    return texts


def _on_factor(model, variables, text: str) -> list[int]:
    """Positions of the terms on a grouping factor, whatever the order of its variables."""
    groups = [term.group for term in model.reterms]
    wanted = set(variables)
    found = [k for k, group in enumerate(groups) if group == text or set(split(group)) == wanted]
    if not found:
        raise OptionError(
            f"re_form: '{text}' is no grouping factor of the model{did_you_mean(text, groups)}; "
            f"there are {', '.join(dict.fromkeys(groups))}"
        )
    return found


def _choose(model, text: str, chosen: list[np.ndarray]) -> None:
    """Mark the columns of the terms that stand in a little formula."""
    try:
        pieces = scan("y ~ " + text.strip().removeprefix("~"))
        factors = [grouping_factors(term) for term in pieces.terms]
        effects = [parse_effects(term.lhs, term.text) for term in pieces.terms]
    except FormulaError as error:
        raise OptionError(f"re_form {text!r} cannot be read: {error}") from error
    if pieces.fixed != "1" or pieces.offsets:
        raise OptionError(f"re_form {text!r} has more than random-effects terms")
    for term, some, mine in zip(pieces.terms, factors, effects, strict=True):
        for names in some:
            group = joined(names)
            columns = {k: _columns(model.frame, k) for k in _on_factor(model, names, group)}
            for effect in mine:
                found = [(k, there[effect]) for k, there in columns.items() if effect in there]
                if not found:
                    raise OptionError(
                        f"re_form: {term.text} is no part of the model, which has no random "
                        f"effect of {effect} on {group}"
                    )
                for k, place in found:
                    chosen[k][place] = True


def _columns(frame, k: int) -> dict:
    """Where the columns of each effect left of the bar stand in a term."""
    design, found, start = frame.design, {}, 0
    for i in frame.members[k]:
        spec = design.specs[design.terms[i].lhs]
        for effect, columns in spec.term_slices.items():
            found[effect] = slice(start + columns.start, start + columns.stop)
        start += len(spec.column_names)
    return found

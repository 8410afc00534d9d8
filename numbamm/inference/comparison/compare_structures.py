"""`compare_structures`: the same model with other covariance structures, in a table by AIC."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from numbamm.elsewhere import names_arguments
from numbamm.errors import NumbammError, OptionError, did_you_mean
from numbamm.formula.parts.residual_text import names_of_residuals
from numbamm.inference.comparison.criteria import information_criteria
from numbamm.inference.comparison.fits import mixed_model
from numbamm.inference.update import update
from numbamm.models.mixedmodel import MixedModel
from numbamm.options import name_list
from numbamm.report.result import Result
from numbamm.structures.registry import by_name, others

#: The name of residuals without a structure.
NONE = "none"


@dataclass(repr=False)
class StructureComparison(Result):
    """The table of `compare_structures`, and the models.

    Attributes
    ----------
    models : dict of str to MixedModel
        The fitted models, by structure.

    See Also
    --------
    compare_structures : Makes one.

    Examples
    --------
    >>> import numbamm as mm
    >>> machines = mm.datasets.load("Machines")
    >>> m = mm.lmm("score ~ Machine + (0 + Machine | Worker)", machines, reml=True)
    >>> table = mm.compare_structures(m, ["us", "homcs"])
    >>> table.models["homcs"].formula
    'score ~ Machine + homcs(0 + Machine | Worker)'
    """

    models: dict[str, MixedModel] = field(default_factory=dict, kw_only=True)


@names_arguments
def compare_structures(
    model, structures: Iterable[str], *, group: str | None = None
) -> StructureComparison:
    """Fit a model with several covariance structures, and compare them.

    They are those of its residuals, if these have one, else of its random effects.

    Parameters
    ----------
    model : MixedModel
        A fitted model. It is not changed.
    structures : list of str
        Names of structures, such as ``["homcs", "ar1", "toep", "us"]``; with options as in
        formulas, ``"rr(d=1)"``. Those of residuals may be whole, ``"exp(time | id, nugget=True)"``,
        or ``"none"`` for independent ones.
    group : str, optional
        The grouping factor, as the formula has it, whose term changes; needed where the formula
        has several terms with more than one effect, or where residuals have a structure, too.

    Returns
    -------
    StructureComparison
        A row for each structure, sorted by AIC, as from `information_criteria`; ``singular`` says
        whether the fit is. The models themselves are in ``models``, by structure.

    Raises
    ------
    NotFittedError
        The model has not been fitted.
    OptionError
        A structure is not known, or it is not clear which term is meant.
    DataError
        The model was read from a file, without its data.

    See Also
    --------
    lrtest : Tests of structures of which one is a special case of the other.
    information_criteria : Of any models.

    Notes
    -----
    Under REML the criteria may be compared, since the fixed effects are the same. A structure that
    is not identified, or cannot be fitted, is left out, and a note says why.

    Examples
    --------
    >>> import numbamm as mm
    >>> machines = mm.datasets.load("Machines")
    >>> m = mm.lmm("score ~ Machine + (0 + Machine | Worker)", machines, reml=True)
    >>> mm.compare_structures(m, ["us", "homcs", "cs"]).frame["npar"].to_dict()
    {'cs': 8, 'homcs': 6, 'us': 10}
    """
    from numbamm.formula.scan import scan

    mixed_model(model)
    wanted = name_list("structures", structures)
    side = model.residual_side
    if group is None and side is not None and side.texts.residual is not None:
        changes = {name: {"residual": _of_residuals(side.texts.residual, name)} for name in wanted}
    elif group is None and any("|" in name for name in wanted):
        changes = {name: {"residual": None if name == NONE else name} for name in wanted}
    else:
        term = _the_term(scan(model.formula).terms, model, group)
        written = {name: model.formula.replace(term.text, _written(term, name)) for name in wanted}
        changes = {name: {"formula": text} for name, text in written.items()}
    models, problems = {}, []
    for name, change in changes.items():
        try:
            models[name] = update(model, **change)
        except NumbammError as error:
            problems.append(f"{name} is left out: {error}")
    if not models:
        raise OptionError("none of the structures can be fitted: " + "; ".join(problems))
    table = information_criteria(*models.values(), names=list(models))
    frame = table.frame.assign(singular=[models[name].is_singular() for name in table.frame.index])
    title = f"Covariance structures: {table.title[0].lower()}{table.title[1:]}"
    return StructureComparison(title, frame, [*table.notes, *problems], models=models)


def _of_residuals(text, name: str) -> str | None:
    """The text of residuals with another structure; a whole text is taken as it is."""
    if name == NONE or "|" in name:
        return None if name == NONE else name
    kind, bracket, options = name.partition("(")
    known = names_of_residuals()
    if kind not in known:
        raise OptionError(
            f"there is no residual structure '{kind}'{did_you_mean(kind, known)}; there are "
            + ", ".join(known)
        )
    given = [options.removesuffix(")")] if bracket else []
    given += [f"by={text.by}"] * (text.by is not None and not bracket)
    positions = "1" if kind == "homcs" and not text.positions else ", ".join(text.positions)
    if not positions:
        raise OptionError(
            f"'{kind}' needs visits or times, which {text.text} does not have: write the whole of "
            f'it, "{kind}(time | {" & ".join(text.group) or 1})"'
        )
    return f"{kind}({', '.join([f'{positions} | {_group(text)}', *given])})"


def _group(text) -> str:
    """What stands behind the bar of residuals."""
    return text.text.partition("|")[2].split(",")[0].rstrip(" )").strip()


def _the_term(terms, model, group: str | None):
    """The term whose structure changes: that of the group, or the only one with several effects."""
    several = {t.group for t in model.reterms if t.p > 1}
    chosen = [t for t in terms if (t.group == group if group else t.group in several)]
    if group and len(chosen) > 1:
        chosen = [t for t in chosen if t.lhs != "1"] or chosen
    if len(chosen) == 1:
        return chosen[0]
    groups = list(dict.fromkeys(t.group for t in terms))
    if group is not None and group not in groups:
        raise OptionError(f"group={group!r}: the formula's grouping factors are {groups}")
    raise OptionError(
        "it is not clear which term's structure is meant: name its grouping factor by group=, "
        f"one of {groups}"
        if len(chosen) > 1
        else "no random-effects term has more than one effect, so that there is nothing to compare"
    )


def _written(term, name: str) -> str:
    """The term with another structure, as a formula has it; ``rr(d=1)`` gives its options."""
    kind, bracket, options = name.partition("(")
    known = by_name()
    if kind not in known:
        raise OptionError(f"there is no covariance structure '{kind}'{others(kind)}")
    if known[kind].over_positions != known[term.structure].over_positions:
        raise OptionError(
            f"'{kind}' and '{term.structure}' cannot stand for each other: one takes columns, the "
            "other coordinates"
        )
    options = f", {options.removesuffix(')')}" if bracket else ""
    left = term.lhs
    if known[kind].over_positions:
        left = ", ".join(part.strip() for part in left.removeprefix("0 + ").split(" + "))
    return f"{kind}({left} | {term.group}{options})"

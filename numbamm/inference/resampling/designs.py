"""Models for the rows of a design, which has no response yet: simulation draws responses for it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pandas as pd

from numbamm.design.remat import ReMat
from numbamm.errors import DataError, OptionError, did_you_mean, shown
from numbamm.formula.columns import Table
from numbamm.formula.grouping import grouping_factors
from numbamm.formula.names import unquoted
from numbamm.formula.scan import scan
from numbamm.formula.tokens import tokenise
from numbamm.formula.used_rows import vector
from numbamm.glm.family import FAMILIES, Family
from numbamm.glm.link import LINKS
from numbamm.inference.comparison.reduced import unfitted_model
from numbamm.inference.prediction.model_rows import ModelRows
from numbamm.inference.prediction.simulate import refuse_weights, weights_to_draw


def of_formula(formula: str, design, family, link, *, reml: bool, weights):
    """An unfitted model of a formula for a design; its response is a placeholder."""
    from numbamm.models.generalized import GeneralizedLinearMixedModel
    from numbamm.models.linear import LinearMixedModel

    record = FAMILIES.of(family)
    link = LINKS.of(record.link if link is None else link)
    refuse_weights(record, weights)
    response, table = scan(formula).response, Table(design)
    name = response if response.isidentifier() else _unused_name("response", table.names)
    w = vector("weights", weights, table, least=0.0, data="the design")
    columns = {column: table.column(column) for column in table.names}
    linear = record.is_linear(link)
    if reml and not linear:
        raise OptionError("reml=True is for linear models: a generalized one has no REML criterion")
    columns[name] = _placeholder(record, np.ones(table.nrows) if w is None else w)
    tilde = next(t.start for t in tokenise(formula) if t.text == "~" and not t.level)
    text = f"{name} ~{formula[tilde + 1 :]}"
    if not isinstance(weights, str | None):
        weights = w  # as an array in the order of the rows
    if linear:
        return LinearMixedModel(text, columns, reml=reml, weights=weights)
    return GeneralizedLinearMixedModel(text, columns, record, link, weights=weights)


def of_model(model, design, weights) -> tuple:
    """A model for the rows of a design, with the coding, transformations and options of another.

    Returns
    -------
    model : MixedModel
        Unfitted. Terms are sorted by their sizes, so their order may differ from that of the
        other model.
    order : list of int
        For each of its terms, the position in the other model's list.
    """
    frame = model.frame
    given = weights_to_draw(model, weights)
    new = ModelRows.new(model, design, range(len(model.reterms)), given)
    if new.elsewhere:
        raise DataError(
            f"the design has rows at points of '{model.reterms[new.elsewhere[0].term].group}' that "
            "the data of the fit do not have: take its points, or give a formula and parameters"
        )
    rows = np.flatnonzero(~new.missing)
    terms = [
        _term(term, refs[rows], z[:, rows], unseen)
        for term, (refs, z), unseen in zip(model.reterms, new.terms, new.unseen, strict=True)
    ]
    order = sorted(range(len(terms)), key=lambda k: -terms[k].nranef)
    w = None if new.weights is None else new.weights[rows]
    other = replace(
        frame,
        y=_placeholder(model.family_record, np.ones(len(rows)) if w is None else w),
        X=new.X[rows],
        xnames=model.feterm.kept_names,
        reterms=[terms[k] for k in order],
        members=[frame.members[k] for k in order],
        weights=w,
        offset=None if new.offset is None else new.offset[rows],
        rows=rows,
        nrows=len(new.X),
        n_missing=len(new.X) - len(rows),
        n_zero_weight=0,
        index=None,
        columns={},
    )
    built = unfitted_model(model, other)
    if built.feterm.dropped:
        dropped = ", ".join(built.feterm.dropped)
        raise DataError(
            f"in the design the columns of {dropped} depend on other columns, so that their "
            "coefficients cannot be estimated: add rows that tell them apart"
        )
    return built, order


def with_levels(design, along: str, number: int, factors: Collection[str] = ()) -> dict:
    """A design with a given number of levels of one factor, by leaving levels out or copying them.

    Parameters
    ----------
    design : frame or dict of arrays
    along : str
        The factor's column.
    number : int
        Number of levels: the first ones, or all of them and copies under new names. A level comes
        with all its rows.
    factors : collection of str
        Other factors. Those that are nested in `along` get new names in the copies, too. If
        `along` has a single level, nested and crossed factors cannot be told apart, and all keep
        their names.

    Returns
    -------
    dict of str to pandas.Series
    """
    table = Table(design)
    if along not in table.names:
        raise OptionError(
            f"along: the design has no column '{along}'{did_you_mean(along, table.names)}"
        )
    codes, labels = pd.factorize(table.column(along))
    rows, copies = [], []
    for level in range(number):
        copy, original = divmod(level, len(labels))
        rows.append(np.flatnonzero(codes == original))
        copies.append(np.full(len(rows[-1]), copy))
    positions, copies = np.concatenate(rows), np.concatenate(copies)
    renamed = {along} | {
        c for c in factors if c in table.names and _is_nested(table.column(c), codes)
    }
    columns = {c: table.column(c).iloc[positions].reset_index(drop=True) for c in table.names}
    return columns | {c: _labels_of_copies(columns[c], copies) for c in renamed}


def grouping_columns(formula: str) -> set[str]:
    """The columns of a formula that are used as grouping factors only."""
    text = scan(formula)
    groups = {c for term in text.terms for factors in grouping_factors(term) for c in factors}
    effects = " ".join([text.fixed, *(term.lhs for term in text.terms)])
    return groups - {unquoted(token.text) for token in tokenise(effects)}


def _is_nested(column, outer) -> bool:
    """Whether each level occurs with one level of an outer factor that has several levels."""
    inner, _ = pd.factorize(column)
    complete = (inner >= 0) & (outer >= 0)
    pairs = np.unique(np.column_stack([inner, outer])[complete], axis=0)
    return len(np.unique(pairs[:, 1])) > 1 and len(np.unique(pairs[:, 0])) == len(pairs)


def _labels_of_copies(labels, copies) -> pd.Series:
    """Labels with the number of the copy in parentheses; those of the original are unchanged."""
    names = [
        str(label) + (f" ({k + 1})" if k else "") for label, k in zip(labels, copies, strict=True)
    ]
    return pd.Series(names, dtype=object).where(labels.notna(), None)


def _term(term: ReMat, refs, z, unseen: list) -> ReMat:
    """A term for other rows, with the levels that occur in them."""
    if term.relation is not None:
        if unseen:
            raise DataError(
                f"{term.relation.name} has no covariances of {shown(unseen[0])}, a level of "
                f"'{term.group}' in the design: give the model a matrix with all levels"
            )
        return replace(term, refs=refs, z=z, theta=None)
    used, codes = np.unique(refs, return_inverse=True)
    if len(used) < 2:
        raise DataError(
            f"the grouping factor '{term.group}' has a single level in the design: "
            "give rows of two or more"
        )
    labels = np.concatenate([np.asarray(term.levels, dtype=object), np.array(unseen, dtype=object)])
    return ReMat(term.group, codes, labels[used], term.cnames, z, term.structure)


def _unused_name(name: str, names: list[str]) -> str:
    """A name that no column has, from `name` and underscores."""
    while name in names:
        name += "_"
    return name


def _placeholder(family: Family, w) -> np.ndarray:
    """A response of the family, so that a model can be built before responses are drawn."""
    w = np.where(w > 0, w, 1.0)
    rng = np.random.default_rng([20, 3, 1847, 65])  # a seed that users hardly take
    return family.draws(rng, np.full(len(w), family.example), w, 0.01, 1.0)

"""Models on designs: rows without a response, which simulation fills."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pandas as pd

from numbamm.design.remat import ReMat
from numbamm.errors import DataError, OptionError, did_you_mean
from numbamm.formula import check_gaussian
from numbamm.formula.columns import Table
from numbamm.formula.grouping import grouping_factors
from numbamm.formula.names import unquoted
from numbamm.formula.rows import vector
from numbamm.formula.scan import scan, tokenise
from numbamm.glm import family as families
from numbamm.glm import link as links
from numbamm.inference.comparison.reduced import criterion, on_frame
from numbamm.inference.prediction.rows import Rows
from numbamm.inference.prediction.simulate import draw, refuse_weights, weights_to_draw


def of_formula(formula: str, design, family: str, link, *, reml: bool, weights):
    """An unfitted model of a formula on a design; its response is but a place for one."""
    from numbamm.models.generalized import GeneralizedLinearMixedModel, _known
    from numbamm.models.linear import LinearMixedModel

    family = _known("family", family, families.NAMES)
    link = None if link is None else _known("link", link, links.NAMES)
    refuse_weights(family, weights)
    response, table = scan(formula).response, Table(design)
    name = response if response.isidentifier() else _unlike("response", table.names)
    w = vector("weights", weights, table, least=0.0, data="the design")
    columns = {column: table.column(column) for column in table.names}
    linear = family == "gaussian" and link in (None, "identity")
    if reml and not linear:
        raise OptionError("reml is for linear models, not for generalized ones")
    columns[name] = _any_response(families.NAMES[family], np.ones(table.nrows) if w is None else w)
    tilde = next(t.start for t in tokenise(formula) if t.text == "~" and not t.level)
    text = f"{name} ~{formula[tilde + 1 :]}"
    if not isinstance(weights, str | None):
        weights = w  # in the order of the rows
    if linear:
        return LinearMixedModel(text, columns, reml=reml, weights=weights)
    return GeneralizedLinearMixedModel(text, columns, family, link, weights=weights)


def of_model(model, design, weights) -> tuple:
    """A fitted or unfitted model on other rows, with its codings, transforms and options.

    Returns
    -------
    model : MixedModel
        Unfitted; its terms may stand in another order, since they go by their sizes.
    order : list of int
        Its terms, as positions in the other model's list.
    """
    from numbamm.models.linear import LinearMixedModel

    frame = model.frame
    given = weights_to_draw(model, weights)
    new = Rows.new(model, design, range(len(model.reterms)), given)
    rows = np.flatnonzero(~new.missing)
    terms = [
        _term(term, refs[rows], z[:, rows], unseen)
        for term, (refs, z), unseen in zip(model.reterms, new.terms, new.unseen, strict=True)
    ]
    order = sorted(range(len(terms)), key=lambda k: -terms[k].nranef)
    w = None if new.weights is None else new.weights[rows]
    other = replace(
        frame,
        y=_any_response(model._family_code, np.ones(len(rows)) if w is None else w),
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
    if isinstance(model, LinearMixedModel):
        # generalized models check a frame themselves
        check_gaussian(other, sigma_known=criterion(model)["sigma"] is not None)
    built = on_frame(model, other)
    if built.feterm.dropped:
        lost = ", ".join(built.feterm.dropped)
        raise DataError(f"the design cannot tell the coefficients of {lost} from the others")
    return built, order


def with_levels(design, along: str, number: int, factors: Collection[str] = ()) -> dict:
    """A design with another number of levels of one factor.

    Parameters
    ----------
    design : frame or dict of arrays
    along : str
        The factor's column.
    number : int
        Of levels: the first ones, or all and copies of them under new names, with all their rows.
    factors : collection of str
        Columns whose levels have new names in copies, too, if they are nested in `along`. Where
        that has but one level, nothing tells nested from crossed, and they keep their names.

    Returns
    -------
    dict of str to pandas.Series
    """
    table = Table(design)
    if along not in table.names:
        raise OptionError(
            f"there is no column '{along}' in the design{did_you_mean(along, table.names)}"
        )
    codes, labels = pd.factorize(table.column(along))
    rows, copies = [], []
    for level in range(number):
        copy, original = divmod(level, len(labels))
        rows.append(np.flatnonzero(codes == original))
        copies.append(np.full(len(rows[-1]), copy))
    at, copies = np.concatenate(rows), np.concatenate(copies)
    renamed = {along} | {
        c for c in factors if c in table.names and _is_nested(table.column(c), codes)
    }
    columns = {c: table.column(c).iloc[at].reset_index(drop=True) for c in table.names}
    return columns | {c: _of_copies(columns[c], copies) for c in renamed}


def grouping_columns(formula: str) -> set[str]:
    """The columns of a formula that only group."""
    text = scan(formula)
    groups = {c for term in text.terms for factors in grouping_factors(term) for c in factors}
    effects = " ".join([text.fixed, *(term.lhs for term in text.terms)])
    return groups - {unquoted(token.text) for token in tokenise(effects)}


def _is_nested(column, outer) -> bool:
    """Whether each level stands with one level of an outer factor, which has several."""
    inner, _ = pd.factorize(column)
    there = (inner >= 0) & (outer >= 0)
    pairs = np.unique(np.column_stack([inner, outer])[there], axis=0)
    return len(np.unique(pairs[:, 1])) > 1 and len(np.unique(pairs[:, 0])) == len(pairs)


def _of_copies(labels, copies) -> pd.Series:
    """Labels with the number of the copy, from the second on."""
    names = [
        str(label) + (f" ({k + 1})" if k else "") for label, k in zip(labels, copies, strict=True)
    ]
    return pd.Series(names, dtype=object).where(labels.notna(), None)


def _term(term: ReMat, refs, z, unseen: list) -> ReMat:
    """A term on other rows, with the levels that occur there."""
    used, codes = np.unique(refs, return_inverse=True)
    if len(used) < 2:
        raise DataError(f"the grouping factor '{term.group}' has a single level in the design")
    labels = np.concatenate([np.asarray(term.levels, dtype=object), np.array(unseen, dtype=object)])
    return ReMat(term.group, codes, labels[used], term.cnames, z, term.inds)


def _unlike(name: str, names: list[str]) -> str:
    """A name that no column has."""
    while name in names:
        name += "_"
    return name


def _any_response(family: int, w) -> np.ndarray:
    """A response that the family can have."""
    w = np.where(w > 0, w, 1.0)
    mean = 0.5 if family == families.BINOMIAL else 3.0
    rng = np.random.default_rng([20, 3, 1847, 65])  # not the stream of anybody's covariates
    return draw(rng, family, np.full(len(w), mean), w, 0.01, 1.0)

"""From a formula and data to a `ModelFrame`: one mask of rows, then every matrix."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from numbamm.design import remat
from numbamm.design.remat import ReMat, order_terms
from numbamm.errors import DataError, FormulaError, warn
from numbamm.formula.columns import Table
from numbamm.formula.grouping import Grouping, put_relations
from numbamm.formula.modelframe import ModelFrame
from numbamm.formula.parts.ordered_response import evaluate_ordered
from numbamm.formula.response import evaluate_response
from numbamm.formula.right_side import Design, DesignTerm, Matrices
from numbamm.formula.scan import scan
from numbamm.formula.used_rows import complete_rows, frame_of
from numbamm.structures.registry import by_name

if TYPE_CHECKING:
    import pandas as pd

    from numbamm.relations.relation import Relation

#: The levels of a column in their order, and the places of those that have rows.
Levels = tuple[list[Any], list[int]]


def model_frame(
    formula: str,
    data: Any,
    *,
    weights: str | ArrayLike | None = None,
    offset: str | ArrayLike | None = None,
    contrasts: Mapping[str, Any] | None = None,
    amalgamate: bool = True,
    relations: Mapping[str, Relation] | None = None,
    context: Mapping[str, Any] | None = None,
    two_level_response: bool = False,
    ordered_response: bool = False,
    needs_terms: bool = True,
    parts: Mapping[str, str | None] | None = None,
    part_columns: Collection[str] = (),
) -> ModelFrame:
    """Evaluate a mixed-model formula on data.

    Parameters
    ----------
    formula
        ``"y ~ 1 + x + (1 + x | g)"``.
    data
        An eager frame (pandas, polars, pyarrow) or a dict of arrays; a `ModelFrame` is returned
        unchanged.
    weights, offset
        Name of a column, or an array with a value for each row of the data, by position; a
        pandas Series is matched to the index of a pandas frame.
    contrasts
        Contrasts of categorical columns: column → ``"treatment"``, ``"sum"``, ``"helmert"``,
        ``"poly"``, ``"diff"``, formulaic's contrasts, a matrix, or a dict name → vector.
    amalgamate
        Whether terms on one grouping factor are joined into one.
    relations
        Known covariances of levels, by grouping factor.
    context
        Names that the formula may use besides columns: the caller's functions and values.
    two_level_response
        Whether a categorical response of two levels is allowed; the second counts as 1.
    ordered_response
        Whether the response is one of ordered categories, numbered from 0.
    needs_terms
        Whether there must be a random-effects term.
    parts
        One-sided formulas of further parts of the model, by their names; None for no such part.
    part_columns
        Columns that parts need besides: rows in which they are missing are dropped, too.

    Raises
    ------
    FormulaError
        If the formula cannot be read.
    DataError
        If the data cannot be used as the formula asks.
    OptionError
        If the contrasts cannot be used.
    """
    if isinstance(data, ModelFrame):
        return data
    text = scan(formula, needs_terms)
    table = Table(data)
    if table.nrows == 0:
        raise DataError("the data have no rows: check how they were read or selected")
    design = Design(text, table, contrasts, context)
    for name, of_part in (parts or {}).items():
        if of_part is not None:
            design.add_part(name, of_part, table, context)
    table.require(sorted(part_columns))
    columns, rows, w, o, n_missing = complete_rows(design, table, weights, offset, part_columns)
    _refuse_no_rows(rows, table.nrows, n_missing)
    frame = frame_of(columns, rows)
    evaluator = design.materializer(frame, rows)
    if ordered_response:
        response = evaluate_ordered(text, evaluator, columns, table)
    else:
        response = evaluate_response(text, evaluator, two_level_response)
    if (
        response.trials is not None and not response.trials.all()
    ):  # rows without trials carry no information
        tried = response.trials > 0
        response.y, response.trials = response.y[tried], response.trials[tried]
        rows = rows[tried]
        _refuse_no_rows(rows, table.nrows, n_missing)
        frame = frame_of(columns, rows)
        evaluator = design.materializer(frame, rows)

    matrices = design.matrices(evaluator)
    of_parts = {name: design.part(name, evaluator) for name in design.parts}
    warn_of_order(design.terms, _levels_in(columns, rows))
    design.coding.refuse_unused(table.names)
    groupings = {term.grouping.name: term.grouping for term in design.terms}
    refuse_two_of_a_name(design, groupings)
    put_relations(groupings, relations or {}, columns, frame)
    refs = {name: grouping.fit(frame) for name, grouping in groupings.items()}
    reterms, members = random_terms(design, matrices, refs, amalgamate)
    evaluator.forget()
    parts = [v for v in (None if o is None else o[rows], matrices.offset) if v is not None]
    return ModelFrame(
        formula=text.text,
        response=text.response,
        y=response.y,
        X=matrices.X,
        xnames=matrices.xnames,
        reterms=reterms,
        weights=None if w is None else w[rows],
        offset=sum(parts) if parts else None,
        rows=rows,
        nrows=table.nrows,
        n_missing=n_missing,
        n_zero_weight=table.nrows - n_missing - len(rows),
        index=table.index,
        units=table.units,
        trials=response.trials,
        success_level=response.success_level,
        weights_name=weights if isinstance(weights, str) else None,
        offset_name=offset if isinstance(offset, str) else None,
        has_array_offset=o is not None and not isinstance(offset, str),
        design=design,
        columns={k: v for k, v in frame.items() if k in design.fixed_columns},
        members=members,
        parts=of_parts,
        part_columns={
            name: frame[name] for name in sorted(set(part_columns).union(*design.parts.values()))
        },
        categories=response.categories,
    )


def _refuse_no_rows(rows: np.ndarray, nrows: int, n_missing: int) -> None:
    if not len(rows):
        raise DataError(
            f"no row is left of {nrows}: {n_missing} miss a value in a used column, "
            f"{nrows - n_missing} have zero weight or no trials"
        )


def random_terms(
    design: Design, matrices: Matrices, refs: dict[str, np.ndarray], join: bool
) -> tuple[list[ReMat], list[list[int]]]:
    """The `ReMat`s in order, and the positions of the design's terms that each of them joins.

    `refs` has the levels of the rows by the names of the grouping factors.
    """
    _refuse_duplicates(design, matrices)
    levels = {term.grouping.name: term.grouping.levels for term in design.terms}
    single = []
    for term in design.terms:
        name, z = term.grouping.name, matrices.lhs[term.lhs].T
        cnames = list(matrices.lhs_names[term.lhs])
        if len(z) < by_name()[term.structure].fewest:
            raise _no_correlation(term, cnames[0])
        structure = term.made(len(z))
        relation = term.grouping.relation
        single.append(
            ReMat(
                term.group,
                refs[name],
                levels[name],
                cnames,
                z,
                structure,
                None,
                relation,
                part=term.part,
            )
        )
    joined = remat.amalgamate(single) if join else single
    members = [[i for i, t in enumerate(single) if t.group == j.group] for j in joined]
    if not join:
        members = [[i] for i in range(len(single))]
    ordered = order_terms(joined)
    place = {id(term): members[k] for k, term in enumerate(joined)}
    return ordered, [place[id(term)] for term in ordered]


def _no_correlation(term: DesignTerm, effect: str) -> FormulaError:
    """The error for a structure of correlations that has a single effect."""
    name, simple = term.grouping.name, term.text.removeprefix(term.structure)
    problem = f"{term.text} has a single effect, '{effect}', and no correlation to estimate: "
    if effect not in term.columns:  # the intercept, or the only level of a factor
        return FormulaError(f"{problem}write {simple}")
    return FormulaError(
        f"{problem}if '{effect}' holds numbers that stand for occasions, write "
        f"{term.structure}(0 + C({effect}) | {name}), else {simple}"
    )


def warn_of_order(terms: list[DesignTerm], levels_of: Callable[[str], Levels]) -> None:
    """Tell where columns that count as neighbours may be none.

    Parameters
    ----------
    terms : list of DesignTerm
    levels_of : callable
        Gives the levels of a column in their order, and the places of those that have rows; none
        of a column of numbers.

    Warns
    -----
    NumbammWarning
        About categories without rows between others, which count as no distance, and about text
        that reads as numbers in another order.
    """
    for term in terms:
        if not by_name()[term.structure].counts_columns:
            continue
        for name in sorted(term.columns - set(term.grouping.factors)):
            categories, used = levels_of(name)
            gaps = [k for k in range(min(used, default=0), max(used, default=0)) if k not in used]
            if gaps:
                warn(
                    f"{term.text}: no row has {name} = {categories[gaps[0]]!r}, so that "
                    "the levels on both sides of it count as neighbours; for gaps write "
                    f"ou(time | {term.grouping.name}) with a column of numbers"
                )
            labels = [categories[k] for k in sorted(used)]
            if are_numbers_sorted_as_text(labels):
                warn(
                    f"{term.text}: the levels of '{name}' are text in the order "
                    f"{', '.join(map(repr, labels[:4]))} ..., in which neighbours are counted; "
                    "convert the column to numbers, or to a category in the order of time"
                )


def are_numbers_sorted_as_text(labels: list[Any]) -> bool:
    """Whether labels are in the order of their texts, and the numbers in them are not in order."""
    if not all(isinstance(label, str) for label in labels) or labels != sorted(labels):
        return False
    try:
        numbers = [float(re.sub(r"^\D+", "", label)) for label in labels]
    except ValueError:
        return False
    return numbers != sorted(numbers)


def _levels_in(columns: dict[str, pd.Series], rows: np.ndarray) -> Callable[[str], Levels]:
    """For `warn_of_order`, of columns in memory."""

    def levels_of(name: str) -> Levels:
        column = columns[name].iloc[rows]
        if hasattr(column, "cat"):
            return list(column.cat.categories), sorted(set(column.cat.codes) - {-1})
        values = set(column.tolist())
        text = sorted(values) if all(isinstance(value, str) for value in values) else []
        return text, list(range(len(text)))

    return levels_of


def refuse_two_of_a_name(design: Design, groupings: dict[str, Grouping]) -> None:
    """Refuse a column and an interaction that tables would print alike."""
    for term in design.terms:
        name = term.grouping.name
        if groupings[name].factors != term.grouping.factors:
            raise FormulaError(
                f"a column and an interaction are both called '{name}' among the grouping "
                "factors: rename the column"
            )


def _refuse_duplicates(design: Design, matrices: Matrices) -> None:
    for i, column in enumerate(matrices.xnames):
        if column in matrices.xnames[:i]:
            raise FormulaError(
                f"two columns of the fixed effects are called '{column}': rename a column of the "
                "data, or leave the repeated effect out"
            )
    seen: set[tuple[str, frozenset[str], str]] = set()
    for term in design.terms:
        if not matrices.lhs_names[term.lhs]:
            raise FormulaError(
                f"a term on '{term.grouping.name}' has no columns left of its bar: write "
                f"(1 | {term.grouping.name})"
            )
        for column in matrices.lhs_names[term.lhs]:
            key = (term.part, frozenset(term.grouping.factors), column)  # b:a is a:b
            if key in seen:
                raise FormulaError(
                    f"the column '{column}' occurs twice among the random effects of "
                    f"'{term.grouping.name}'; in a second term on a factor leave the implied "
                    "intercept out: (0 + x | g)"
                )
            seen.add(key)

"""`StreamedFrame`: a model frame whose rows are in a source, not in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from numbamm.blocks.crossprod import places_of
from numbamm.blocks.layout import Layout
from numbamm.design.absent import absent
from numbamm.design.remat import ReMat
from numbamm.errors import DataError, FormulaError, OptionError
from numbamm.formula.assemble import random_terms, refuse_two_of_a_name, warn_of_order
from numbamm.formula.columns import Table
from numbamm.formula.materializer import specified
from numbamm.formula.modelframe import ModelFrame
from numbamm.formula.response import evaluate_response
from numbamm.formula.right_side import Design
from numbamm.formula.scan import scan
from numbamm.sources.found_levels import FoundLevels
from numbamm.sources.reading import Chunk, Reading
from numbamm.sources.source import Source
from numbamm.sources.survey import Survey


@dataclass(repr=False)
class StreamedTerm(ReMat):
    """A random-effects term whose rows are not in memory.

    Attributes
    ----------
    mean : ndarray, shape (p,)
        Means of the columns of Z.
    spread : ndarray, shape (p, p)
        Their products about the means, over the number of rows.
    weighted_mean, weighted_spread : ndarray
        The same with weights, the products over the sum of the weights.
    share : float
        Sum of the weights over the number of rows.
    covered : ndarray of int32
        FoundLevels of the rows of a `Cover`.
    """

    mean: np.ndarray = None
    spread: np.ndarray = None
    weighted_mean: np.ndarray = None
    weighted_spread: np.ndarray = None
    share: float = 1.0
    covered: np.ndarray = None

    @property
    def meeting_refs(self) -> np.ndarray:
        return self.covered

    def root_mean_squares(self, root=None) -> np.ndarray:
        if root is None:
            return np.sqrt(np.diag(self.spread) + self.mean**2)
        squares = np.diag(self.weighted_spread) + self.weighted_mean**2
        return np.sqrt(self.share * squares)

    def in_columns(self, scaling) -> StreamedTerm:
        back = np.linalg.inv(scaling.T)
        return replace(
            self,
            theta=None,
            mean=back.T @ self.mean,
            spread=back.T @ self.spread @ back,
            weighted_mean=back.T @ self.weighted_mean,
            weighted_spread=back.T @ self.weighted_spread @ back,
        )


@dataclass(repr=False)
class StreamedFrame(ModelFrame):
    """A model frame whose rows are read from a source whenever they are needed.

    Arrays over rows are `Absent`.

    Attributes
    ----------
    source : Source
    reading : Reading
    response_state : dict
        State of the response's transforms.
    response_levels : pandas.Index or None
        FoundLevels of a two-level response.
    covered : list of ReMat
        The terms in the rows of a `Cover`, from which their layout follows.
    sample : Chunk
        Some used rows.
    sums : ndarray
        The digest of all rows.
    """

    reterms: list[StreamedTerm]  # type: ignore[assignment]
    source: Source = field(default=None, repr=False)
    reading: Reading = field(default=None, repr=False)
    response_state: dict = field(default_factory=dict, repr=False)
    response_levels: Any = None
    covered: list[ReMat] = field(default_factory=list, repr=False)
    sample: Chunk = field(default=None, repr=False)
    sums: np.ndarray = field(default=None, repr=False)

    @property
    def digest(self) -> np.ndarray:
        return self.sums

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "source": None}  # data are not pickled with a model, nor shipped

    def __deepcopy__(self, memo: dict) -> StreamedFrame:
        return replace(self, reterms=deepcopy(self.reterms, memo))

    def rows_of(self, progress: bool | None, what: str) -> Iterator[Chunk]:
        """Read the chunks.

        Raises
        ------
        DataError
            If the model has been pickled: the source is not pickled with it.
        """
        if self.source is None:
            raise DataError(
                "a pickled model goes without its data: give them, as in predict(newdata)"
            )
        return self.reading.chunks(self.source, progress, what)

    def part(self, chunk: Chunk) -> ModelFrame:
        """The model frame of a chunk."""
        if not len(chunk.rows):
            return self._empty(chunk)
        design, text = self.design, self.design.text
        data = design.materializer(chunk.columns, chunk.rows)
        response = evaluate_response(
            text, data, self.reading.two_level, self.response_state, self.response_levels
        )
        matrices = design.matrices(data)
        refs: dict[str, np.ndarray] = {}
        terms = []
        for term, members in zip(self.reterms, self.members, strict=True):
            parts = [design.terms[i] for i in members]
            if term.group not in refs:
                refs[term.group], unseen = parts[0].grouping.code(chunk.columns)
                if unseen:  # kernels would write beyond their arrays
                    raise passes_differ(
                        f"level {unseen[0]!r} of '{term.group}' is new in a later pass"
                    )
            z = np.vstack([matrices.lhs[part.lhs].T for part in parts])
            terms.append(
                ReMat(term.group, refs[term.group], term.levels, term.cnames, z, term.structure)
            )
        offsets = [o for o in (chunk.offset, matrices.offset) if o is not None]
        weights = chunk.weights
        if response.trials is not None:
            weights = response.trials * (1.0 if weights is None else weights)
        part = ModelFrame(
            formula=self.formula,
            response=self.response,
            y=response.y,
            X=matrices.X,
            xnames=self.xnames,
            reterms=terms,
            weights=weights,
            offset=np.sum(offsets, axis=0) if offsets else None,
            rows=chunk.rows,
            nrows=chunk.nrows,
            n_missing=chunk.n_missing,
            n_zero_weight=chunk.nrows - chunk.n_missing - len(chunk.rows),
            index=chunk.index,
            units={},
            trials=response.trials,
            success_level=self.success_level,
            weights_name=self.weights_name,
            offset_name=self.offset_name,
            has_array_offset=False,
            design=design,
            columns=chunk.columns,
            members=self.members,
        )
        untried = part.trials is not None and not part.trials.all()
        return _tried(part) if untried else part

    def _empty(self, chunk: Chunk) -> ModelFrame:
        """The model frame of a chunk in which no row is used; transforms may fail on no rows."""
        some = self.part(self.sample)
        none = np.zeros(0)
        terms = [replace(t, refs=t.refs[:0], z=t.z[:, :0]) for t in some.reterms]
        return replace(
            some,
            y=none,
            X=some.X[:0],
            reterms=terms,
            weights=None if some.weights is None else none,
            offset=None if some.offset is None else none,
            trials=None if some.trials is None else none,
            rows=chunk.rows,
            nrows=chunk.nrows,
            index=chunk.index,
            columns={},
        )


def known_places(refs: np.ndarray, layout: Layout) -> np.ndarray:
    """`places_of` rows whose pairs of levels were there in the first pass.

    Raises
    ------
    DataError
        If one was not: kernels would write beyond their arrays.
    """
    places = places_of(refs, layout)
    if (places < 0).any():
        raise passes_differ("levels occur together that did not in an earlier pass")
    return places


def passes_differ(how: str) -> DataError:
    """The error for rows that are not the same in every pass."""
    return DataError(
        f"the rows are not the same whenever they are read: {how}; a function that is given as "
        "data has to return the same chunks in every call (seed random numbers inside of it, and "
        "begin its iteration anew), and files must not change during a fit"
    )


def _tried(part: ModelFrame) -> ModelFrame:
    """The rows of a model frame that have trials; those without carry no information."""
    tried = part.trials > 0

    def cut(values):
        return None if values is None else values[tried]

    return replace(
        part,
        y=part.y[tried],
        X=part.X[tried],
        reterms=[replace(t, refs=t.refs[tried], z=t.z[:, tried]) for t in part.reterms],
        weights=cut(part.weights),
        offset=cut(part.offset),
        trials=cut(part.trials),
        rows=part.rows[tried],
    )


def streamed_frame(
    formula: str,
    source: Source,
    *,
    weights: str | None,
    offset: str | None,
    contrasts: Mapping[str, Any] | None,
    amalgamate: bool,
    context: Mapping[str, Any] | None,
    two_level_response: bool = False,
    progress: bool | None = None,
) -> StreamedFrame:
    """Evaluate a mixed-model formula on rows that stream, in a first pass over them.

    Parameters
    ----------
    formula, contrasts, amalgamate, context, two_level_response
        As for `numbamm.formula.model_frame`.
    source : Source
    weights, offset : str, optional
        Names of columns.
    progress : bool, optional
        Whether to show a bar by rows.

    Raises
    ------
    FormulaError, DataError, OptionError
        As for `numbamm.formula.model_frame`; and for transforms that need all rows at once.
    """
    for what, given in (("weights", weights), ("offset", offset)):
        if given is not None and not isinstance(given, str):
            raise OptionError(
                f"{what}: an array cannot be matched to rows that stream; give the name of a column"
            )
    text = scan(formula)
    names = source.names()
    table = Table({name: () for name in names})
    design = Design(text, table, contrasts, context)
    refuse_two_of_a_name(design, {term.grouping.name: term.grouping for term in design.terms})
    _refuse_points(design)
    reading = Reading(design, weights, offset, two_level_response)
    table.require(sorted(reading.columns))
    survey = _surveyed(source, Survey(reading), progress)
    sample = survey.sample
    design.specs = {
        key: specified(formula, dict(survey.states["effects"]))
        for key, formula in design.specs.items()
    }
    design.offset_state = survey.states["offset"]
    design.coding.levels = {name: levels.index() for name, levels in survey.levels.items()}
    design.coding.fitted = True
    warn_of_order(design.terms, lambda name: survey.levels.get(name, FoundLevels(name)).used())
    data = design.materializer(sample.columns, sample.rows)
    matrices = design.matrices(data)
    design.coding.refuse_unused(names)
    cover = survey.cover.frame()
    refs = {t.grouping.name: t.grouping for t in design.terms}
    refs = {name: grouping.fit(cover) for name, grouping in refs.items()}
    covered, members = random_terms(design, matrices, refs, amalgamate)
    levels = survey.response_levels.index() if len(survey.response_levels) else None
    response = evaluate_response(
        text, data, two_level_response, survey.states["response"], _two(levels, text.response)
    )
    n = survey.n_used

    has_offset = offset is not None or bool(text.offsets)
    return StreamedFrame(
        formula=text.text,
        response=text.response,
        y=absent("the response", n),
        X=absent("the fixed-effects columns", n, matrices.X.shape[1]),
        xnames=matrices.xnames,
        reterms=[
            StreamedTerm(
                term.group,
                absent("the levels", n),
                term.levels,
                term.cnames,
                absent("the random-effects columns", term.p, n),
                term.structure,
                covered=term.refs,
            )
            for term in covered
        ],
        weights=absent("the weights", n) if weights else None,
        offset=absent("the offset", n) if has_offset else None,
        rows=absent("the positions", n),
        nrows=survey.nrows,
        n_missing=survey.n_missing,
        n_zero_weight=survey.nrows - survey.n_missing - n,
        index=None,
        units={},
        trials=absent("the trials", n) if response.trials is not None else None,
        success_level=response.success_level,
        weights_name=weights,
        offset_name=offset,
        has_array_offset=False,
        design=design,
        columns=absent("the columns", n),
        members=members,
        source=source,
        reading=reading,
        response_state=survey.states["response"],
        response_levels=levels,
        covered=covered,
        sample=sample,
    )


def _refuse_points(design: Design) -> None:
    """Refuse structures over positions: their points are those of all rows."""
    for term in design.terms:
        if term.over_positions:
            raise FormulaError(
                f"{term.text}: its points cannot be found while rows stream: fit the model to a "
                "frame in memory, of a part of the rows if they are too many"
            )


def _surveyed(source: Source, survey: Survey, progress: bool | None) -> Survey:
    """The survey of all rows, after further passes for transforms of transforms' values."""
    survey = source.gather(survey, progress, "reading levels")
    if survey.sample is None:
        raise DataError(
            f"no row is left of {survey.nrows}: {survey.n_missing} miss a value in a used column, "
            f"{survey.nrows - survey.n_missing} have zero weight"
        )
    first = survey
    while survey.settle():
        again = Survey(survey.reading, survey.states)
        survey = source.gather(again, progress, "reading levels")
    if survey is not first:
        first.levels, first.states = survey.levels, survey.states
    return first


def _two(levels: Any, name: str) -> Any:
    """FoundLevels of a response, if there are two of them."""
    if levels is not None and len(levels) != 2:
        count = "one level" if len(levels) == 1 else f"{len(levels)} levels"
        listed = ", ".join(repr(level) for level in levels[:6])
        raise DataError(f"the response '{name}' has {count}, not two: {listed}")
    return levels

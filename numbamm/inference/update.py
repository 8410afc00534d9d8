"""`update`: a model like another, with a changed formula, other data or other options."""

from __future__ import annotations

from typing import Any, TypeVar

from numbamm.blocks.tail.protocol import Request
from numbamm.blocks.tail.tail_request import tail_request
from numbamm.errors import DataError
from numbamm.formula.grouping import grouping_factors
from numbamm.formula.names import joined
from numbamm.formula.scan import scan
from numbamm.inference.changed_formula import updated
from numbamm.models.mixedmodel import MixedModel

#: Options that are mappings from grouping factors.
KNOWN = ("cov", "precision")

Model = TypeVar("Model", bound=MixedModel)


def update(
    model: Model, formula: str | None = None, *, data=None, fit: bool | None = None, **options: Any
) -> Model:
    """A model like this one, with a changed formula, other data or other options.

    Parameters
    ----------
    model : MixedModel
        It is left as it is.
    formula : str, optional
        A change, in which a dot stands for the same side of the model's formula:
        ``"~ . - x"``, ``"~ . + (1 | g)"``, ``"log(.) ~ ."``; or a whole formula. Of
        ``(1 | a/b)`` one part can be left out, ``"~ . - (1 | a)"``.
    data : frame or dict of arrays, optional
        The model's data, if not given.
    fit : bool, optional
        Whether to fit the new model; if not given, as this one is fitted.
    **options
        Options of the model's class, such as ``reml=True``, ``family="poisson"`` or
        ``weights="w"``; the others are those of this model, with what was assigned in `optsum`.

    Returns
    -------
    MixedModel
        A new model.

    Raises
    ------
    FormulaError
        The change cannot be read, or leaves out a term that the formula does not have.
    DataError
        The model was read from a file, without its data: give them.
    DataError, OptionError, FitError
        As from building and fitting it.

    See Also
    --------
    LinearMixedModel.refit : The same model, with a new response.
    lrtest : A test of two such models.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ 1 + Days + (1 + Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> m.update("~ . - (1 + Days | Subject) + (1 | Subject)").formula
    'Reaction ~ 1 + Days + (1 | Subject)'
    """
    call = model.call
    data = (None if call is None else call.data) if data is None else data
    if data is None:
        raise DataError(
            "this model does not know its data, as after it was pickled: update(..., data=data)"
        )
    text = model.formula if formula is None else updated(model.formula, formula)
    before = _of_formula(text, {} if call is None else call.options)
    kept = before | model.options | options
    if formula is not None and kept.get("tail") and "tail" not in options:
        kept = _of_another_size(kept)
    new = type(model)(text, data, **kept)
    new.optsum.adopt(model.optsum)
    if "optimizer" in options:
        new.optsum.optimizer = options["optimizer"]
    if model.is_fitted if fit is None else fit:
        new.fit(**model.fit_options)  # type: ignore[attr-defined]  # of each kind of model
    return new


def _of_another_size(options: dict[str, Any]) -> dict[str, Any]:
    """Options with which a smaller model may have another tail, if the one asked for has no use."""
    rest = {name: value for name, value in options.items() if name not in Request._fields}
    tail, probes, seed = (options.get(name) for name in ("tail", "probes", "seed"))
    if isinstance(tail, Request):
        probes, seed = probes or tail.probes, tail.seed if seed is None else seed
        tail = tail.name
    return rest | {"tail": tail_request(tail, probes, seed)._replace(or_other=True)}


def _of_formula(text: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options without known covariances of grouping factors that a formula has no more."""
    if not any(options.get(name) for name in KNOWN):
        return options
    groups = {joined(f) for term in scan(text).terms for f in grouping_factors(term)}
    kept = {
        name: {group: K for group, K in (options.get(name) or {}).items() if group in groups}
        for name in KNOWN
    }
    return options | kept

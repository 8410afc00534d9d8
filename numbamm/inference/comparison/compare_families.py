"""`compare_families`: a generalized model with other families of responses, side by side."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from numbamm.elsewhere import names_arguments
from numbamm.errors import NumbammError, NumbammWarning, OptionError
from numbamm.glm.family import FAMILIES
from numbamm.inference.comparison.criteria import information_criteria
from numbamm.inference.diagnostics.zeroinflation import check_zeroinflation
from numbamm.inference.update import update
from numbamm.options import name_list
from numbamm.report.result import Result


@dataclass(repr=False)
class FamilyComparison(Result):
    """What `compare_families` returns.

    Attributes
    ----------
    models : dict of str → GeneralizedLinearMixedModel
        The fitted models by the names of their families.

    See Also
    --------
    compare_families

    Examples
    --------
    >>> import numbamm as mm
    >>> ticks = mm.datasets.load("grouseticks")
    >>> m = mm.glmm("TICKS ~ YEAR + (1 | BROOD)", ticks, "nbinom2")
    >>> list(mm.compare_families(m, ["nbinom2", "nbinom1"]).models)
    ['nbinom2', 'nbinom1']
    """

    models: dict = field(default_factory=dict)


@names_arguments
def compare_families(model, families: Iterable[str], link: str | None = None) -> FamilyComparison:
    """Fit a generalized model with other families, and compare the fits.

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
        A fitted model.
    families : list of str
        Names of families, ``["poisson", "nbinom1", "nbinom2"]``. A name with a plus sign and a part
        has that part, too: ``"poisson + zi"``, ``"nbinom2 + hurdle"``.
    link : str, optional
        The link of all of them; that of each family, if not given.

    Returns
    -------
    FamilyComparison
        A row for each family, sorted by AIC, as from `information_criteria`; ``dispersion`` is
        Pearson's statistic over its degrees of freedom, about 1 where the family's variance holds,
        and ``zeros`` the share of the expected zeros that were observed. What cannot be fitted is
        left out, and a note says why. The fitted models are in ``models``.

    Raises
    ------
    NotFittedError
        The model has not been fitted.
    OptionError
        None of the families can be fitted; or a linear model is given.

    See Also
    --------
    check_overdispersion, check_zeroinflation : The two checks.
    information_criteria : Of any models.

    Notes
    -----
    Criteria compare families for the same response: densities of a continuous response and
    probabilities of a count are no likelihoods of the same thing, so that families of the other
    kind than the model's are left out.

    Examples
    --------
    >>> import numbamm as mm
    >>> ticks = mm.datasets.load("grouseticks")
    >>> m = mm.glmm("TICKS ~ YEAR + (1 | BROOD)", ticks, "nbinom2")
    >>> mm.compare_families(m, ["nbinom2", "nbinom1"]).frame.index.to_list()
    ['nbinom2', 'nbinom1']
    """
    _ = model.estimates
    if model.is_linear:
        raise OptionError("compare_families is for generalized models: fit one by glmm")
    models, problems = {}, []
    for name in name_list("families", families):
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", NumbammWarning)
                options = _options(name, link)
                _refuse_other_kind(model, options["family"])
                models[name] = update(model, **options)
            problems += [f"{name}: {w.message}" for w in caught]
        except NumbammError as error:
            problems.append(f"{name} is left out: {error}")
    if not models:
        raise OptionError("none of the families can be fitted: " + "; ".join(problems))
    table = information_criteria(*models.values(), names=list(models))
    frame = table.frame.assign(
        dispersion=[_ratio(models[name]) for name in table.frame.index],
        zeros=[_zeros(models[name]) for name in table.frame.index],
    )
    title = f"Families: {table.title[0].lower()}{table.title[1:]}"
    return FamilyComparison(title, frame, [*table.notes, *problems], models=models)


def _refuse_other_kind(model, family) -> None:
    """Refuse a family whose likelihood is no more comparable than a density with a probability.

    Raises
    ------
    OptionError
    """
    own = model.family_record
    if family.discrete != own.discrete:
        kinds = {True: "a probability", False: "a density"}
        raise OptionError(
            f"its likelihood is {kinds[family.discrete]}, that of the {own} model "
            f"{kinds[own.discrete]}"
        )


def _options(name: str, link: str | None) -> dict:
    family, *parts = (piece.strip() for piece in name.split("+"))
    known: dict[str, str | None] = dict.fromkeys(("dispersion", "zi", "hurdle", "shape"))
    for part in parts:
        if part not in ("zi", "hurdle"):
            raise OptionError(f"{name!r}: a part is zi or hurdle, not {part!r}")
        known[part] = "~ 1"
    record = FAMILIES[family]
    return {"family": record, "link": link or record.link, "information": "observed"} | known


def _ratio(model) -> float:
    try:
        return float(model.pearson_ratio)
    except NumbammError:
        return np.nan


def _zeros(model) -> float:
    try:
        return float(check_zeroinflation(model).frame["ratio"].iloc[0])
    except NumbammError:
        return np.nan

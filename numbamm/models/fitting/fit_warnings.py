"""`warn_of_fit`: what the user of a generalized model is told once it has been fitted."""

from __future__ import annotations

import numpy as np

from numbamm.blocks.threads import blas_threads
from numbamm.errors import OverdispersionWarning, warn
from numbamm.glm.quadrature import MOST_NODES
from numbamm.models.fitting.ending import (
    MANY_ROWS,
    Ending,
    has_few_rows,
    is_concave,
    share_not_concave,
)
from numbamm.models.fitting.other_minimum import OtherMinimum
from numbamm.models.fitting.runaway import (
    Runaway,
    runaway_terms,
    separable_levels,
    typical_sd,
)

#: Pearson's statistic over its degrees of freedom from which counts are called overdispersed.
OVERDISPERSED = 1.5
#: From this standard deviation of η on it is asked whether the nodes of a quadrature are enough:
#: whether -2 log-likelihood changes by no more with twice as many.
WIDE, ENOUGH = 2.5, 1.0
#: Nodes a dimension to compare with, of one effect and of several.
NODES, FEWER_NODES = 25, 9


def warn_of_fit(model, end: Ending) -> None:
    """Warn of an end that is no minimum, or not the only one, and of what the estimates show.

    Parameters
    ----------
    model : GeneralizedLinearMixedModel
        Just fitted.
    end : Ending
    """
    if not end.is_minimum:
        _warn_of_end(model, end)
    elif end.other is not None:
        _warn_of_other_minimum(model, end.other)
    elif end.lower > 0:
        warn(
            f"the objective is lower by {end.lower:.3g} where another search ended, but there "
            "the approximation of the likelihood does not hold: the data say little about "
            f"these random effects; {model._remedy}"
        )
    elif end.rivals > 0 and not is_concave(model):
        warn(
            f"the objective has {end.rivals + 1} minima or more of similar height, of which "
            "the lowest that was found is kept: compare searches by allfit(), and look at "
            "ranova(), since rows may be too few for these random effects"
        )
    elif has_few_rows(model):
        effects = sum(term.nranef for term in model.reterms)
        warn(
            f"the log-density of a {model.family_record} response with the link {model.link} is "
            f"not concave, and there are {model.nobs} rows for {effects} random effects: the "
            "objective may have several minima, of which the lowest that was found is kept; "
            "compare searches by allfit(), or take fewer random effects"
        )
    elif (share := share_not_concave(model)) > MANY_ROWS:
        warn(
            f"in {share:.0%} of the rows the log-density of a {model.family_record} response with "
            f"the link {model.link} is not concave at the estimates: the link hardly suits the "
            "response, and the objective may have several minima, of which the lowest that was "
            "found is kept; take another link, or compare searches by allfit()"
        )
    runaways, perfect = runaway_terms(model), ""
    if model.composition is not None:
        from numbamm.models.parts.degenerate import perfect_rows

        perfect = perfect_rows(model, model.estimates.shape, model._start.shape)
    model.estimates.likelihood_holds = not (runaways or perfect)
    for runaway in runaways:
        _warn_of_runaway(model, runaway)
    if perfect:
        warn(perfect)
    _warn_of_nodes(model)
    if not model._warned:  # what is true of the model is reported by its first fit
        model._warned = True
        warn_of_family(model)


def _warn_of_end(model, end: Ending) -> None:
    """Tell that the search ended at no minimum, and whether there are standard errors."""
    where = "at a point that is no minimum of the objective"
    if end.at_edge:
        where = f"at the edge of what the link {model.link} allows, no minimum of the objective"
    with blas_threads():
        model.estimates.covariance = model._covariance(quiet=True)
    known = np.isfinite(model.bse).all() and (model.bse > 0).all()
    errors = "nor are their standard errors" if known else "and there are no standard errors"
    warn(
        f"the search ended {where}: the estimates are not to be relied on, {errors}; "
        f"{model._remedy}"
    )


def _warn_of_other_minimum(model, other: OtherMinimum) -> None:
    """Tell that the Laplace approximation has another minimum, where quadrature has none."""
    height = "as low" if abs(other.rise) < 0.005 else f"{abs(other.rise):.2f} higher"
    height = f"{-other.rise:.2f} lower" if other.rise <= -0.005 else height
    alike = separable_levels(other.term, model.family_record, model.frame.y)
    remedy = "leave the term out, or take larger groups"
    if len(model.reterms) == 1:
        remedy = f"compare with nagq={NODES if other.term.p == 1 else FEWER_NODES}"
    warn(
        f"the Laplace approximation has two minima: at {other.sds[0]:.3g} for the standard "
        f"deviation of {_shown(other.term)}, which is kept, and at {other.sds[1]:.3g}, where "
        f"-2 log-likelihood is {height}. It is poor, since {alike} of {other.term.nlevels} "
        f"levels of {other.term.group} hold responses that are all alike, or as good as: {remedy}"
    )


def _warn_of_runaway(model, runaway: Runaway) -> None:
    """Tell that a standard deviation has run off."""
    term, sd, alike = runaway
    size = "grows without limit, and has reached" if alike == term.nlevels else "is as large as"
    warn(
        f"the standard deviation of {_shown(term)} {size} {sd:.3g} on the scale of the "
        f"{model.link}: in {alike} of {term.nlevels} levels of {term.group} all responses are "
        "alike. The approximation of the likelihood does not hold there, so that llf, aic and "
        "bic are not given, and neither estimates nor standard errors are to be relied on; "
        "leave the term out, or take larger groups"
    )


def _warn_of_nodes(model) -> None:
    """Tell where a quadrature of more nodes gives another likelihood at the estimates."""
    nagq = model.estimates.nagq
    if nagq == 1 or not model.likelihood_holds or typical_sd(model.reterms[0]) < WIDE:
        return
    more = min(2 * nagq + 1, MOST_NODES)
    with blas_threads():
        space = model.space_of(model.parameters_of(model.optsum.final), more)
        finer = space.objective(space.to_scaled(model.optsum.final))
    if not abs(finer - model.objective) <= ENOUGH:
        warn(
            f"nagq={nagq} nodes are too few: at the estimates -2 log-likelihood is "
            f"{model.objective:.2f}, and {finer:.2f} with {more} nodes; raise nagq until it "
            "does not change"
        )


def warn_of_family(model) -> None:
    """Tell of counts that vary more than the family says, or no more than a Poisson's."""
    ratio = model.pearson_ratio if model.may_be_overdispersed else 1.0
    if ratio > OVERDISPERSED:
        warn(
            f"the counts are overdispersed: Pearson's statistic is {ratio:.2f} times its "
            "degrees of freedom, so that standard errors are too small; "
            + (f"a {model.family_record.wider} family, or " if model.family_record.wider else "")
            + "a random effect for each row, may serve better",
            OverdispersionWarning,
        )
    for words in dict.fromkeys(flat.words for flat in model.flat_parts if not flat.told):
        warn(words)
    if model.shape_has_limit and np.isinf(model.shape):
        warn(
            "the negative binomial's shape is infinite: the counts vary no more than a Poisson "
            "distribution's, of which these are the estimates; "
            f"family='{model.family_record.limit}' fits it with a parameter less"
        )


def _shown(term) -> str:
    """A term as formulas have it, in short: ``(1 + x | g)``."""
    names = ["1" if name == "Intercept" else name for name in term.cnames]
    names = [*names[:2], "...", names[-1]] if term.p > 4 else names
    return f"({' + '.join(names)} | {term.group})"

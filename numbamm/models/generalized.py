"""`GeneralizedLinearMixedModel`: y | b of mean g⁻¹(Xβ + Zb), b = Λ(θ)u, u ~ N(0, I).

`fitting.stages` has the searches of a fit, `generalized_estimates` what follows from their end. The
file is long by docstrings: a public method of a class has no other place for its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from numbamm import config, sources
from numbamm import formula as formulas
from numbamm.blocks.jit import compile_ahead
from numbamm.blocks.tail.protocol import Choice, UnsuitedTail
from numbamm.blocks.tail.tail_request import tail_request, warn_of_unused
from numbamm.blocks.threads import blas_threads
from numbamm.design.related_levels import variances_by_level
from numbamm.elsewhere import names_arguments
from numbamm.errors import OptionError
from numbamm.formula.caller import caller_namespace
from numbamm.formula.checks import check_generalized
from numbamm.glm.family import FAMILIES, Family
from numbamm.glm.likelihood import Likelihood
from numbamm.glm.link import LINKS, Link
from numbamm.glm.mode import ModeFinder
from numbamm.glm.registry import spelled
from numbamm.glm.working import EXPECTED, OBSERVED
from numbamm.models.cells import find_cells
from numbamm.models.coefficient_covariance import coefficient_covariance
from numbamm.models.estimates import Estimates
from numbamm.models.fitting.approximate_fit import note_errors
from numbamm.models.fitting.call import Call
from numbamm.models.fitting.default_start import DefaultStart
from numbamm.models.fitting.fit_warnings import warn_of_fit
from numbamm.models.fitting.generalized_start import find_start
from numbamm.models.fitting.generalized_tail import (
    check_search,
    choose_tail,
    errors_of,
    hand_over,
    refine,
)
from numbamm.models.fitting.monte_carlo import component_errors
from numbamm.models.fitting.rollback import all_or_nothing
from numbamm.models.fitting.stages import Stages, check_nagq, kernels_for, options_of_start, renewed
from numbamm.models.generalized_estimates import (
    estimates_at,
    leverages,
    values_at_estimates,
    working_at_estimates,
)
from numbamm.models.generalized_objective import GeneralizedObjective
from numbamm.models.mixedmodel import MixedModel
from numbamm.models.new_response import checked_response
from numbamm.models.residuals import GENERALIZED_RESIDUALS, pearson
from numbamm.models.spaces.scaled import ScaledTerms
from numbamm.models.streams.streamed_cells import StreamedCells, root_of_cells
from numbamm.models.varcorr import VarCorr
from numbamm.models.without_rows import generalized_without
from numbamm.models.working_model import working_model
from numbamm.optimize import OptSummary
from numbamm.optimize.formatting import short
from numbamm.relations.arguments import refuse_streamed, relations_of
from numbamm.report.digits import plain
from numbamm.sources.opening import open_source

if TYPE_CHECKING:
    import pandas as pd

    from numbamm.models.linear import LinearMixedModel
    from numbamm.models.parts.degenerate import Flat
    from numbamm.models.parts.distribution import RowDistribution
    from numbamm.models.parts.model_parts import ModelParts


def given_formulas(parts: Mapping[str, str | None]) -> dict[str, str]:
    """The formulas of the parts that were given."""
    return {name: text for name, text in parts.items() if text is not None}


def refuse_joint(model, what: str) -> None:
    """Refuse what is known of models with random effects in one part alone.

    Raises
    ------
    OptionError
    """
    if any(term.part for term in model.reterms):
        raise OptionError(
            f"{what}: not known for a model with random effects in two parts; leave those of "
            f"{next(t.part for t in model.reterms if t.part)} out"
        )


def parts_of(family: Family, formulas, shape) -> ModelParts | None:
    """The parts of a model besides its mean's; None for most, which need nothing of all this."""
    plain = family.density is None and not family.has_several_parameters
    if plain and not given_formulas(formulas):
        return None
    from numbamm.models.parts.model_parts import ModelParts

    return ModelParts.of(family, formulas, shape)


INFORMATION = {"expected": EXPECTED, "observed": OBSERVED}
INITS = ("glm", "lmm")


class GeneralizedLinearMixedModel(GeneralizedObjective, MixedModel):
    """A generalized linear mixed model; `fit` it, then read the estimates.

    Parameters
    ----------
    formula : str
        ``"r2 ~ Anger + (1 | id) + (1 | item)"``; for binomial counts
        ``"cbind(successes, failures) ~ ..."``, or a proportion with `weights`.
    data : pandas, polars or pyarrow frame, or dict of arrays
        Or rows that stream, as for `lmm`; equal ones are then taken together, and the different
        ones held in memory.
    family : str or Family
        ``"bernoulli"``, ``"binomial"``, ``"poisson"``, ``"negativebinomial"``, ``"gamma"``,
        ``"inversegaussian"`` or ``"gaussian"``; or one of your own, see `Family`.
    link : str or Link, optional
        The family's usual link, if not given; ``"identity"``, ``"log"``, ``"logit"``,
        ``"probit"``, ``"cloglog"``, ``"loglog"``, ``"cauchit"``, ``"inverse"``,
        ``"inverse-squared"``, ``"sqrt"``; or one of your own, see `Link`.
    weights : str or array, optional
        Numbers of trials for a binomial proportion; prior weights otherwise.
    offset, contrasts, amalgamate, cov, precision
        As for `LinearMixedModel`.
    init : {"glm", "lmm"}
        Where a fit begins: β of the model without random effects and λ = I, or both from the
        linear mixed model of the working response. Searches that use gradients, which are half
        as long from there, begin at the latter, unless ``optsum.initial`` is set.
    information : {"expected", "observed"}, optional
        Which information about η enters the determinant of the Laplace approximation; they
        agree for canonical links. If not given, the observed one, as in the approximation's
        definition, for families with a dispersion and those of your own, of which no other is
        known; else the expected one, as in lme4.
    shape : float, optional
        Shape of the negative binomial, Var(y) = μ + μ²/shape, or of a family of your own;
        estimated, if not given. At an infinite one, which may be the estimate, too, the negative
        binomial is the Poisson distribution.
    optimizer : str, optional
        Name of the optimiser, as in ``optsum.optimizer``.
    tail : {"auto", "dense", "sparse", "iterative"}, optional
        How the random effects that are not eliminated level by level are held: as one matrix, or by
        conjugate gradients and random probes; chosen by predicted time, if not given.
    probes, seed : int, optional
        Number of random probes of an iterative tail, and what they are drawn from.
    dispersion, zi, hurdle : str, optional
        One-sided formulas of further parts: of the logarithm of the dispersion or shape, of the
        logit of the probability of additional zeros, and of that of all zeros. The latter two may
        have random effects.

    Attributes
    ----------
    formula : str
        The formula, as it was understood.
    frame : ModelFrame
        Response, fixed-effects columns and terms of the rows that are used.
    feterm : FeMat
        The fixed-effects columns.
    reterms : list of ReMat
        The random-effects terms, by decreasing number of random effects; for reading, since
        estimates do not follow what is written into them.
    family, link : str
        Names of family and link.
    optsum : OptSummary
        How the model is, or was, optimised.
    information, init : str
        As given, or as chosen.
    given_shape : float or None
        The shape that was given; None if it is estimated, or the family has none.

    Raises
    ------
    FormulaError, DataError, OptionError
        Before any heavy work.

    See Also
    --------
    glmm : Builds a model and fits it.
    LinearMixedModel : What fitted models have in common.
    Family, Link : Those of your own.

    Notes
    -----
    The objective is the Laplace approximation of -2 log-likelihood, with every constant: at the
    conditional mode of u, (-2 log f(y | u) + u'u) / φ + log|Λ'Z'WZΛ + I|. The gamma, inverse
    Gaussian and Gaussian families have a dispersion φ, estimated by maximum likelihood; the
    random effects then have variance φΛΛ'. For the others φ is 1.

    Parameters of the fast fit are θ; of the full fit β, log φ or the logarithm of the negative
    binomial's shape, and θ. An unknown shape is a parameter of the fast fit, too; where it is
    infinite, it is none, and the rest is fitted with the Poisson distribution.

    Binomial and Poisson rows that are equal but for their responses are taken together
    where there are many; results are those of the rows.

    Examples
    --------
    >>> import numbamm as mm
    >>> cbpp = mm.datasets.load("cbpp")
    >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    >>> g = mm.GeneralizedLinearMixedModel(formula, cbpp, "binomial")
    >>> round(g.fit().objective, 3)
    184.053
    """

    is_linear, default_ddf = False, "wald"

    information: str
    init: str

    @names_arguments
    def __init__(
        self,
        formula: str,
        data,
        family: str | Family,
        link: str | Link | None = None,
        *,
        weights: str | ArrayLike | None = None,
        offset: str | ArrayLike | None = None,
        contrasts: Mapping[str, Any] | None = None,
        amalgamate: bool = True,
        cov: Mapping[str, Any] | None = None,
        precision: Mapping[str, Any] | None = None,
        init: str = "glm",
        information: str | None = None,
        shape: float | None = None,
        optimizer: str | None = None,
        tail: str | None = None,
        probes: int | None = None,
        seed: int | None = None,
        dispersion: str | None = None,
        zi: str | None = None,
        hurdle: str | None = None,
    ) -> None:
        self._tail_request = tail_request(tail, probes, seed)
        if tail is None:  # what is configured may be of linear models alone
            self._tail_request = self._tail_request._replace(or_other=True)
        self.family_record = FAMILIES.of(family)
        given_parts = {"dispersion": dispersion, "zi": zi, "hurdle": hurdle}
        self.composition = parts_of(self.family_record, given_parts, shape)
        if self.composition is not None:
            self.family_record = self.composition.family
        self.link_record = LINKS.of(self.family_record.link if link is None else link)
        self.family, self.link = self.family_record.name, self.link_record.name
        own = self.family_record.by_density or self.composition is not None
        usual = "observed" if self.family_record.dispersed or own else "expected"
        self.information = spelled("information", information or usual, INFORMATION)
        if own and self.information == "expected":
            raise OptionError(
                f"the expected information of the family {self.family_record} is not known, only "
                'its log-density: information="observed"'
            )
        self.init = spelled("init", init, INITS)
        self.given_shape = None
        if self.composition is None:
            self.given_shape = self.family_record.checked_shape(shape)
        compile_ahead(*kernels_for(optimizer))
        options: dict[str, Any] = {
            "weights": weights,
            "offset": offset,
            "contrasts": contrasts,
            "amalgamate": amalgamate,
        }
        relations = relations_of(cov, precision)
        scope, family_record = caller_namespace(), self.family_record
        if (source := open_source(data)) is None:
            frame = formulas.model_frame(
                formula,
                data,
                **options,
                relations=relations,
                context=scope,
                two_level_response=family_record.proportions,
                parts=given_formulas(given_parts),
            )
            if frame.trials is not None:
                frame.weights = frame.trials * (1.0 if frame.weights is None else frame.weights)
            check_generalized(frame, self._supports)
            self._build(frame)
        elif self.composition is not None:
            raise OptionError(
                f"rows that stream are for families of one predictor, not for {family_record} "
                "and models with dispersion, zi or hurdle: read the data into memory"
            )
        else:
            refuse_streamed(relations)
            frame, cells = sources.stream_cells(
                formula, source, family_record, **options, context=scope
            )
            if isinstance(cells, Exception):
                from numbamm.models.streams import fit_by_passes as passes

                if not passes.can_pass(self):
                    raise cells
                passes.build(self, frame)
            else:
                self._build(cells)
                self._streamed = StreamedCells(self, frame)
                self._streamed.put_away()
        options |= {"cov": cov, "precision": precision}
        options |= {"link": link, "information": information}
        options |= {"tail": tail, "probes": probes, "seed": seed}
        options |= given_formulas(given_parts)
        exact = self._tail_choice.name != "iterative"
        warn_of_unused(self._tail_choice, exact, probes, seed)
        self._call = Call(data, options)
        self._warned = False
        self.fast_optsum: OptSummary | None = None
        self.optsum = options_of_start(self)
        self._default_start = DefaultStart.put(self.optsum, self.optsum.initial)
        if optimizer is not None:
            self.optsum.optimizer = optimizer

    @property
    def options(self) -> dict:
        options = {"family": self.family_record, "init": self.init, "shape": self.given_shape}
        return options if self.composition is None else options | self.composition.given()

    @property
    def fit_options(self) -> dict:
        if not self.is_fitted:
            return {}
        return {"fast": self._fast, "nagq": self.optsum.nagq}

    def of_other_frame(self, frame) -> GeneralizedLinearMixedModel:
        given: dict = {"shape": self.given_shape}
        if self.composition is not None:
            given = self.composition.given()
        model = GeneralizedLinearMixedModel(
            frame.formula,
            frame,
            self.family_record,
            self.link_record,
            init=self.init,
            information=self.information,
            **given,
            tail=self._tail_request._replace(or_other=True),
        )
        model.optsum.nagq = self.optsum.nagq
        return model

    def without_rows(self, rows) -> GeneralizedLinearMixedModel:
        return generalized_without(self, rows)

    def working_model(self) -> LinearMixedModel:
        """The linear mixed model of the working response at the conditional modes, not fitted."""
        refuse_joint(self, "the working model")
        return working_model(self, self.estimates.eta, self.estimates.shape)

    #: Residuals are not on the scale of η.
    residual_variance = 0.0

    def _build(self, frame) -> None:
        """All that depends on the rows: terms, modes, and where a fit begins."""
        n = len(frame.y)
        prior = np.ones(n) if frame.weights is None else frame.weights
        with blas_threads():
            kind = Likelihood if self.composition is None else self.composition.likelihood
            self.prior_weights = prior
            self._likelihood = kind(self.family_record, frame.y, prior)
            root = self._likelihood.working_root(self.link_record)
            if frame.are_cells:
                root = root_of_cells(root, frame, self._likelihood)
            super().__init__(frame, root)
            if self.composition is not None:
                self.composition.check(self.link_record, any(term.part for term in self.reterms))
                self.part_lines = self.composition.lines(frame)
            self._search_for(None)
            self._basis = self.feterm.basis / np.sqrt(prior)[:, None]
            self._offset = np.zeros(n) if frame.offset is None else frame.offset
            # By the columns as they came: products with matrices round equal rows differently.
            self._cells = None
            if frame.are_cells:
                self._likelihood.merged = frame.excess
            elif self.composition is None:
                columns = [*frame.X.T, self._offset]
                self._cells = find_cells(self.family_record, self.reterms, columns)
            if self._cells:
                self._likelihood.merged = self._cells.constant(self.family_record, frame.y, prior)
            if self.composition is None:
                self._tail_choice = choose_tail(
                    self.scaled.terms,
                    self.feterm.rank,
                    self._tail_request,
                    self.family_record,
                    self.link_record,
                )
            self._modes = self._mode_finder()
            self._start = self._begun = find_start(self, self.theta, self.init)
            # A root of γ's covariance, in whose coordinates a full fit searches.
            self._gamma_root: np.ndarray | None = None

    def _mode_finder(self) -> ModeFinder:
        if self.composition is not None:
            return self.composition.finder(self, self.scaled.terms)
        y, prior, rows, terms = self.frame.y, self.prior_weights, slice(None), self.scaled.terms
        if self._cells:
            rows = self._cells.first
            y, prior = self._cells.merged(y, prior)
            terms = [replace(t, refs=t.refs[rows], z=t.z[:, rows]) for t in terms]
        arguments = (
            terms,
            self._basis[rows],
            y,
            prior,
            self._offset[rows],
            self.family_record,
            self.link_record,
            INFORMATION[self.information],
            self._likelihood.scale,
        )
        if self._tail_choice.name == "dense":
            return ModeFinder(*arguments)
        if self._tail_choice.name == "sparse":
            from numbamm.glm.tails.sparse_modes import SparseModes

            return SparseModes(*arguments)
        from numbamm.glm.tails.iterative_modes import IterativeModes

        request = self._tail_request
        return IterativeModes(*arguments, number=request.probes, seed=request.seed)

    def estimate_at(self, x, objective: float | None = None) -> GeneralizedLinearMixedModel:
        super().estimate_at(x, objective)
        if self._modes.is_iterative:
            self.estimates.monte_carlo = errors_of(self)
        return self

    @property
    def _tail_line(self) -> str:
        choice = self._tail_choice
        return "" if choice.is_obvious else f"\ntail: {choice.name}, {choice.why}"

    def in_columns(self, scalings) -> GeneralizedLinearMixedModel:
        """This model, fitted as it is, in other scaled columns."""
        twin = self.twin()
        twin.scaled = ScaledTerms(twin.reterms, self.scaled.root, scalings)
        twin._modes = twin._mode_finder()
        return twin

    @property
    def _begins(self) -> str:
        return f"{super()._begins}, β = {short(self.beta)}"

    @property
    def beta(self) -> np.ndarray:
        """Coefficients β, shape (p,), those of the start before a fit; NaN for dropped columns.

        See Also
        --------
        LinearMixedModel.params : With names.

        Examples
        --------
        >>> import numbamm as mm
        >>> cbpp = mm.datasets.load("cbpp")
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> g = mm.glmm(formula, cbpp, "binomial")
        >>> g.beta.round(3).tolist()
        [-1.399, -0.992, -1.129, -1.58]
        """
        if self.is_fitted:
            return super().beta
        return self.feterm.full(self.feterm.to_basis @ self._start.gamma)

    @property
    def title(self) -> str:
        """The head of the table: what was fitted, and how."""
        nagq = self.estimates.nagq
        how = "Laplace approximation" + (", fast" if self._fast else "")
        if nagq > 1:
            how = f"adaptive Gauss–Hermite quadrature, {nagq} nodes"
        elif not self.is_canonical:
            how += f", {self.information} information"
        success = self.frame.success_level
        of = f" of {self.frame.response} = {success}" if success is not None else ""
        shape = f" (shape {plain([self.shape])[0]})" if self.shape is not None else ""
        if self.composition is not None and self.composition.zero_part:
            shape += {"zi": ", zero-inflated", "hurdle": ", with a hurdle"}[
                self.composition.zero_part
            ]
        return (
            f"Generalized linear mixed model fit by maximum likelihood ({how})\n"
            f" Family: {self.family_record}{shape}{of}, link: {self.link}"
        )

    @property
    def _fast(self) -> bool:
        """Whether PIRLS varies β in the fit that `optsum` describes."""
        if self.optsum.fast is None:  # an older file does not say
            return self.optsum.names == self._searched[True].names
        return self.optsum.fast

    @property
    def is_fast(self) -> bool:
        """Whether PIRLS varied β, and θ alone was optimised.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        GeneralizedLinearMixedModel.fit

        Examples
        --------
        >>> import numbamm as mm
        >>> cbpp = mm.datasets.load("cbpp")
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> g = mm.glmm(formula, cbpp, "binomial")
        >>> g.is_fast
        False
        """
        _ = self.estimates
        return self._fast

    @property
    def is_canonical(self) -> bool:
        """Whether expected and observed information agree.

        See Also
        --------
        Link

        Examples
        --------
        >>> import numbamm as mm
        >>> cbpp = mm.datasets.load("cbpp")
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> g = mm.glmm(formula, cbpp, "binomial")
        >>> g.is_canonical
        True
        """
        return self.family_record.is_canonical(self.link_record)

    @property
    def has_free_shape(self) -> bool:
        """Whether the family has a shape, which is estimated."""
        return self.family_record.has_shape and self.given_shape is None

    @property
    def shape_has_limit(self) -> bool:
        """Whether an estimated shape may be infinite."""
        return self.has_free_shape and self.family_record.limit is not None

    def mean(self, eta) -> np.ndarray:
        return self.link_record.mean(eta)

    @property
    def varcorr(self) -> VarCorr:
        """Variances, standard deviations and correlations of the random effects.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        icc : The shares of the variance.

        Examples
        --------
        >>> import numbamm as mm
        >>> cbpp = mm.datasets.load("cbpp")
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> g = mm.glmm(formula, cbpp, "binomial")
        >>> print(g.varcorr)
        Variance components:
              Column       Variance  Std.Dev.
        herd  (Intercept)  0.412500  0.642261
        """
        errors = component_errors(self)
        return VarCorr(self, self._likelihood.dispersed, errors)

    @property
    def dispersion(self) -> float:
        """Dispersion φ, Var(y) = φ V(μ) / w: 1 for families that have none.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        LinearMixedModel.sigma : Its square root.

        Examples
        --------
        >>> import numbamm as mm
        >>> cbpp = mm.datasets.load("cbpp")
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> g = mm.glmm(formula, cbpp, "binomial")
        >>> g.dispersion
        1.0
        """
        return self.sigma**2

    @property
    def shape(self) -> float | None:
        """Shape of the negative binomial, Var(y) = μ + μ²/shape, or of one's own; None without.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        check_overdispersion : Whether counts ask for one.

        Examples
        --------
        >>> import numbamm as mm
        >>> ticks = mm.datasets.load("grouseticks")
        >>> g = mm.glmm("TICKS ~ YEAR + (1 | LOCATION)", ticks, "negativebinomial")
        >>> round(g.shape, 2)
        2.05
        """
        if not self.family_record.has_shape:
            return None
        return self.given_shape or self.estimates.shape

    @property
    def n_parameters(self) -> int:
        """Number of estimated parameters: rank of X, θ, and dispersion or shape.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        LinearMixedModel.df_resid

        Examples
        --------
        >>> import numbamm as mm
        >>> cbpp = mm.datasets.load("cbpp")
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> g = mm.glmm(formula, cbpp, "binomial")
        >>> g.n_parameters  # four coefficients and one θ
        5
        """
        psi = 0 if self.composition is None else self.part_lines.size
        return super().n_parameters + self.has_free_shape + psi

    def twin(self) -> GeneralizedLinearMixedModel:
        twin = super().twin()
        twin._modes, twin.frame = self._modes.replaced(), copy(self.frame)
        return twin

    @property
    def _remedy(self) -> str:
        """What to do about a search that cannot begin, or ends at no minimum."""
        remedy = f"another start (init, optsum.initial) or link than {self.link} may help"
        proportions = self.family_record.proportions
        better = "logit" if proportions else "log"
        if self.link != better and self.link_record.is_bounded(proportions):
            remedy += f", such as {better}, which allows any linear predictor"
        return remedy

    # ---- fitting ----------------------------------------------------------------------------

    @names_arguments
    def fit(
        self,
        *,
        fast: bool = False,
        nagq: int | None = None,
        optimizer: str | None = None,
        progress: bool | None = None,
        verbose: bool = False,
    ) -> GeneralizedLinearMixedModel:
        """Estimate the parameters.

        Parameters
        ----------
        fast : bool
            Optimise over θ alone, with β at the penalised mode (lme4's nAGQ = 0); else over β
            and θ together, beginning at the fast fit if the optimiser takes no gradients.
        nagq : int, optional
            Nodes a dimension of the adaptive Gauss–Hermite quadrature, for models with one
            term; 1 is the Laplace approximation. ``optsum.nagq``, if not given.
        optimizer, progress, verbose
            As for `LinearMixedModel.fit`.

        Returns
        -------
        GeneralizedLinearMixedModel
            The model itself.

        Raises
        ------
        FitError
            If the model is fitted already, or the optimiser fails.
        OptionError
            If `nagq` cannot be used: with several terms, or with ``fast=True``; or an option, or a
            field of `optsum`, has an unusable value.

        See Also
        --------
        GeneralizedLinearMixedModel.refit : Fits again.
        glmm : Builds and fits.

        Examples
        --------
        >>> import numbamm as mm
        >>> cbpp = mm.datasets.load("cbpp")
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> g = mm.GeneralizedLinearMixedModel(formula, cbpp, "binomial")
        >>> round(g.fit(fast=True).objective, 3)
        184.109
        """
        self._expect_no_fit()
        nagq = self.optsum.nagq if nagq is None else nagq
        return self._fit(fast, nagq, optimizer, progress, verbose)

    @names_arguments
    def refit(
        self,
        y: ArrayLike | None = None,
        *,
        fast: bool | None = None,
        nagq: int | None = None,
        optimizer: str | None = None,
        progress: bool | None = None,
        verbose: bool = False,
    ) -> GeneralizedLinearMixedModel:
        """Fit again from the start: with a new response, or with other options.

        Parameters
        ----------
        y : array-like, optional
            The new response, for every row of the data or for the rows used, as numbers:
            0 and 1 for two levels, proportions for ``cbind(successes, failures)``. A pandas
            Series is matched to the data by its index.
        fast : bool, optional
        nagq : int, optional
            As for `fit`; as the model was fitted before, if not given.
        optimizer, progress, verbose
            As for `fit`.

        Returns
        -------
        GeneralizedLinearMixedModel
            The model itself.

        Raises
        ------
        DataError
            If the new response does not fit the rows or the family; the model stays as it was, as
            with any error.
        FitError
            The optimiser fails.
        OptionError
            As for `fit`.

        See Also
        --------
        LinearMixedModel.simulate : Draws a response.

        Examples
        --------
        >>> import numbamm as mm
        >>> cbpp = mm.datasets.load("cbpp")
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> g = mm.glmm(formula, cbpp, "binomial")
        >>> round(g.refit(fast=True).objective, 3)
        184.109
        """
        fast = (self.is_fitted and self._fast) if fast is None else fast
        nagq = (1 if fast else self.optsum.nagq) if nagq is None else nagq
        return self._fit_again(y, fast, nagq, optimizer, progress, verbose)

    @property
    def _supports(self) -> Family:
        """The family by whose support responses are checked; with a hurdle, zeros are in it."""
        return self.family_record if self.composition is None else self.composition.supports

    def _replace_response(self, y) -> None:
        terms = [replace(term, theta=None) for term in self.reterms]
        frame = replace(self.frame, y=checked_response(self.frame, y), reterms=terms)
        check_generalized(frame, self._supports)
        self._build(frame)
        self.optsum = renewed(self, self.optsum, options_of_start(self).initial)
        self._default_start = DefaultStart.put(self.optsum, self.optsum.initial)
        self.fast_optsum = None

    def _fit(self, fast, nagq, optimizer, progress, verbose) -> GeneralizedLinearMixedModel:
        check_nagq(self, fast, nagq)
        progress = config.get("progress") if progress is None else progress
        begin = perf_counter()
        with self._rows_at_hand(), all_or_nothing(self), blas_threads():
            self._search_for(None)
            if self.is_fitted:
                before = self.fast_optsum or self.optsum
                ours = self._default_start.is_in(before)
                self.optsum = renewed(self, self.optsum, before.initial)
                if ours:
                    self._default_start = DefaultStart.put(self.optsum, self.optsum.initial)
            self.optsum.nagq, self.fast_optsum = 1 if fast else nagq, None
            if optimizer is not None:
                self.optsum.optimizer = optimizer
            self.optsum.configure()
            self.optsum.validate()
            if self._passes is not None:
                self._passes.fit(self, fast, progress, verbose)
                return self
            check_search(self)
            stages = Stages(self, fast, nagq, progress=progress, verbose=verbose)
            try:
                end = stages.run()
                errors = refine(self)
            except UnsuitedTail as reason:
                hand_over(self, reason)
                end, errors = stages.run(), None
            self.optsum.elapsed = perf_counter() - begin
            self._estimates = self._estimate(self.optsum.final, float(self.optsum.fmin))
            self._estimates.at_minimum = end.is_minimum
            self._estimates.flat_parts = stages.flats
            self._estimates.monte_carlo = errors
            note_errors(self, errors)
            self._note_tail()
        with self._rows_at_hand():
            warn_of_fit(self, end)
        return self

    #: The parts of the model besides that of the mean, if it has any; see `models.parts`.
    composition: ModelParts | None = None

    def distribution_at(self, eta, nu, w=None) -> RowDistribution:
        """The distribution of responses at the predictors of all parts."""
        from numbamm.models.parts.distribution import RowDistribution

        w = self.prior_weights if w is None else w
        return RowDistribution.at(self.composition, self.link_record, eta, nu, w)

    @property
    def predictors(self) -> np.ndarray:
        """ν of every other part at the estimates, shape (number of lines, n), with their effects.

        The last is that of the zeros, if there is such a part.
        """
        nu = self.part_lines.values(self.estimates.shape)
        for term, effects in zip(self.reterms, self.b, strict=True):
            if term.part:
                nu[-1] += np.einsum("pn,np->n", term.z, effects[term.refs])
        return nu

    @property
    def fitted_distribution(self) -> RowDistribution:
        """The distribution of the responses at the estimates and the conditional modes."""
        return self.distribution_at(self.estimates.eta, self.predictors)

    @property
    def further_options(self) -> tuple[str, ...]:
        parts = {} if self.composition is None else self.composition.formulas
        return tuple(f"{name} {text}" for name, text in parts.items())

    @property
    def flat_parts(self) -> list[Flat]:
        """Directions along which nothing changes; see `models.parts.degenerate`."""
        if self.composition is None:
            return []
        if self.estimates.flat_parts is None:
            from numbamm.models.parts.degenerate import flat_directions

            self.estimates.flat_parts = flat_directions(self)
        return self.estimates.flat_parts

    @property
    def flat_places(self) -> list[int]:
        """Places in ψ of the coefficients that such directions change, which have no errors."""
        rank = self.feterm.rank
        moved = [np.abs(flat.direction[rank:]) > 0 for flat in self.flat_parts]
        return np.flatnonzero(np.any(moved, axis=0)).tolist() if moved else []

    def constant_parameters(self, what: str) -> dict[str, float]:
        """The family's parameters, for what is known of models where they are constant.

        Raises
        ------
        OptionError
            One of them has a formula, or there is a part of zeros.
        """
        if self.composition.formulas:
            names = ", ".join(self.composition.formulas)
            raise OptionError(f"{what}: not known for a model with a formula for {names}")
        nu = self.part_lines.values(self.estimates.shape)[:, :1]
        parameters = self.composition.family.parameters
        return {p.name: p.value(line) for p, line in zip(parameters, nu, strict=True)}

    def lines_at_estimates(self) -> np.ndarray:
        """Working weights and scores of the rows at the estimates; see `glm.row_kernels`."""
        values_at_estimates(self)
        return self._modes.working_lines()

    @property
    def part_covariance(self) -> np.ndarray:
        """Covariance of β̂ and the coefficients of other parts together, shape (rank + k,) twice.

        NaN where the curvature of the objective does not give it.
        """
        _ = self.beta_covariance
        if self.estimates.part_covariance is None:
            size = self.feterm.rank + self.part_lines.size
            return np.full((size, size), np.nan)
        return self.estimates.part_covariance

    @property
    def parts(self) -> pd.DataFrame:
        """Coefficients of the parts of the model besides that of the mean.

        Returns
        -------
        pandas.DataFrame
            A row for each: ``part``, ``term``, ``estimate`` and ``se`` on the scale of the
            part's link, ``link``, and ``value``, the parameter itself where it is constant.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        LinearMixedModel.params : The coefficients of the mean.

        Examples
        --------
        >>> import numbamm as mm
        >>> sleep = mm.datasets.load("sleepstudy")
        >>> m = mm.glmm("Reaction ~ Days + (1 | Subject)", sleep, "student")
        >>> m.parts["value"].round(1).to_list()
        [23.5, 4.5]
        """
        from numbamm.models.parts.parts_table import parts_table

        return parts_table(self)

    def user_between(self, coordinates) -> np.ndarray:
        """Coordinates between β and θ of a search as `optsum` has them."""
        return coordinates if self.composition is None else self.part_lines.to_user @ coordinates

    def _note_tail(self) -> None:
        if not self._tail_choice.is_obvious:
            optsum, choice = self.optsum, self._tail_choice
            optsum.tail_kind, optsum.tail_reason = choice.name, choice.why

    #: What a fit to rows that stream works with; None where the rows are in memory.
    _streamed: StreamedCells | None = None

    #: The tail of the working model.
    _tail_choice = Choice("dense", "", is_obvious=True)

    def _rows_at_hand(self) -> AbstractContextManager:
        """A block in which the cells of rows that stream stand for the rows of the model."""
        return nullcontext() if self._streamed is None else self._streamed.at_hand(self)

    @property
    def may_be_overdispersed(self) -> bool:
        """Whether the family says how much the rows vary, and could be wrong about it."""
        family = self.family_record
        if family.variance is None:
            return False
        if self.composition is not None and (family.parameters or self.composition.zero_part):
            return False
        if family.weights == "trials":
            if (of_rows := self._passes or (self._streamed and self._streamed.cells)) is not None:
                return of_rows.greatest_weight > 1
            return bool((self.prior_weights > 1).any())
        return family.counts and not family.has_shape

    @property
    def pearson_ratio(self) -> float:
        """Pearson's statistic at the conditional means over its degrees of freedom.

        About one where the family's variance holds; above, counts are overdispersed. NaN where
        there are none.
        """
        if not self.pearson_df > 0:
            return np.nan
        if self._streamed is not None:
            return self._streamed.pearson(self) / self.dispersion / self.pearson_df
        if self._passes is not None:
            return sum((part**2).sum() for part in self.residuals("pearson")) / self.pearson_df
        return float((pearson(self) ** 2).sum() / self.dispersion / self.pearson_df)

    @property
    def pearson_df(self) -> float:
        """`df_resid`, where prior weights of counts are numbers of rows."""
        if not self.family_record.counts:
            return float(self.df_resid)
        if self._passes is not None:
            return self._passes.weights - self.n_parameters
        with self._rows_at_hand():
            return float(self.prior_weights.sum() - self.n_parameters)

    def _covariance(self, quiet: bool = False) -> np.ndarray:
        return coefficient_covariance(self, quiet)

    def _estimate(self, x, objective: float) -> Estimates:
        return estimates_at(self, x, objective)

    # ---- rows and levels --------------------------------------------------------------------

    def leverage(self) -> pd.Series:
        """Diagonal of the hat matrix of the working model.

        At the estimates PIRLS' last weighted least-squares problem is a linear mixed model of the
        working response; these are its leverages.

        Returns
        -------
        pandas.Series
            Over the rows of the data; NaN where a row was dropped.

        Raises
        ------
        NotFittedError
            Before the fit.

        See Also
        --------
        influence : Cook's distances, and more.

        Examples
        --------
        >>> import numbamm as mm
        >>> cbpp = mm.datasets.load("cbpp")
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> g = mm.glmm(formula, cbpp, "binomial")
        >>> round(float(g.leverage().sum()), 2)
        13.29
        """
        _ = self.estimates
        refuse_joint(self, "leverages")
        with blas_threads():
            return self.aligned(leverages(self), "leverage")

    def _scaled_row_variances(self, x, terms) -> np.ndarray:
        """By the working model at the estimates, with the covariance of β̂ that `bse` is of."""
        to_gamma = np.linalg.inv(self.feterm.to_basis)
        cov = to_gamma @ self.beta_covariance @ to_gamma.T / self.dispersion
        return working_at_estimates(self).row_variances(terms, x, cov)

    def _conditional_variances(self, levels: dict) -> dict[int, np.ndarray]:
        values_at_estimates(self)
        return variances_by_level(self.reterms, self._modes, levels)

    _residual_types = GENERALIZED_RESIDUALS

"""What other packages call things: names of arguments, options, families and optimisers.

Whoever comes from lme4, glmmTMB, MixedModels.jl or statsmodels is told the name that numbamm has.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from numbamm.errors import OptionError, did_you_mean, shown

F = TypeVar("F", bound=Callable[..., Any])


def bare(name: object) -> str:
    """Letters and digits in lower case: NegativeBinomial and negative_binomial are one name."""
    return "".join(c for c in str(name).lower() if c.isalnum())


#: Names by which arguments and options are called here, after the bare names that others have.
_OURS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("maxiter", "maxfun", "maxeval", "niter", "iterations"), ("maxfeval",)),
    **dict.fromkeys(("tol", "tolerance", "ftol", "abstol"), ("ftol_abs",)),
    **dict.fromkeys(("reltol", "rtol"), ("ftol_rel",)),
    **dict.fromkeys(("xtol",), ("xtol_abs",)),
    **dict.fromkeys(("start", "startparams", "theta0", "x0"), ("initial",)),
    **dict.fromkeys(("opt", "optimiser", "solver", "algorithm"), ("optimizer",)),
    **dict.fromkeys(("verb", "disp", "trace", "printlevel"), ("verbose",)),
    **dict.fromkeys(("nsim", "nsims", "nboot", "nrep", "reps", "nresamples", "b"), ("n",)),
    **dict.fromkeys(("randomstate", "rng", "randomseed", "setseed"), ("seed",)),
    **dict.fromkeys(("ncpus", "ncores", "njobs", "parallel", "processes"), ("workers",)),
    **dict.fromkeys(("data", "newdata", "exog", "x", "newx"), ("newdata",)),
    **dict.fromkeys(("useu", "reform", "include", "reformula"), ("re_form",)),
    **dict.fromkeys(("allownewlevels", "newlevels"), ("new_levels",)),
    **dict.fromkeys(("sefit", "stderror", "returnse"), ("se",)),
    **dict.fromkeys(("postvar", "drop"), ("condvar",)),
    **dict.fromkeys(("whichel", "groups", "factor"), ("group",)),
    **dict.fromkeys(("parm", "params"), ("which", "parameters")),
    **dict.fromkeys(("mode", "dfmethod", "lmerdf", "dof"), ("ddf",)),
    **dict.fromkeys(("tran", "transform", "regrid", "scale"), ("type",)),
    **dict.fromkeys(("adjustment", "padjust", "correction"), ("adjust",)),
    **dict.fromkeys(("variables", "factors", "margins"), ("specs",)),
    **dict.fromkeys(("linfct", "rmatrix", "hypothesis", "k"), ("L",)),
    **dict.fromkeys(("wts", "wt", "freqweights", "varweights", "priorweights"), ("weights",)),
    **dict.fromkeys(("dist", "distribution", "likelihood"), ("family",)),
    **dict.fromkeys(("linkfunction",), ("link",)),
    **dict.fromkeys(("contrastsarg", "coding"), ("contrasts",)),
}

#: What to write for arguments of other packages: the first sentence whose argument a function
#: has, or that needs none.
_SENTENCES: dict[str, tuple[tuple[str | None, str], ...]] = {}


def _say(names: str, *sentences: tuple[str | None, str]) -> None:
    _SENTENCES.update(dict.fromkeys(names.split(), sentences))


_say(
    "reml",
    ("reml", "write reml=True for REML; maximum likelihood is the default here"),
    (None, "models that are not linear are fitted by maximum likelihood: leave it out"),
)
_say(
    "method",
    ("nagq", "write fast=True, or nagq= for quadrature; the Laplace approximation is the default"),
    ("reml", "write reml=True for REML; maximum likelihood is the default here"),
)
_say(
    "control lmercontrol glmercontrol glmmtmbcontrol optctrl methodkwargs",
    (
        "optimizer",
        'write optimizer="..."; tolerances and limits are fields of m.optsum before m.fit(), or '
        "options of mm.config",
    ),
)
_say(
    "nagq nagqpoints quadpoints",
    ("nagq", "write nagq=, from 1 on; fast=True is lme4's nAGQ = 0"),
    ("reml", "quadrature is for generalized models: mm.glmm(formula, data, family, nagq=9)"),
)
_say(
    "family link dist distribution",
    ("reml", "lmm is for normal responses: mm.glmm(formula, data, family, link) has families"),
)
_say(
    "subset rows",
    ("formula", 'select the rows of the data first: data[data["x"] > 0]'),
)
_say(
    "naaction missing dropna narm nastring",
    (
        None,
        "rows with missing values in used columns are dropped, and counted in the table; leave "
        "it out",
    ),
)
_say(
    "groups group random reformula vcformula exogre cluster id subject",
    ("formula", "write random effects into the formula: (1 + x | group)"),
)
_say(
    "correlation corr covstruct covtype covstructure",
    ("formula", "write the covariance structure into the formula, such as diag(1 + x | group)"),
)
_say("fixed", ("formula", "write fixed and random effects into one formula: y ~ x + (1 | group)"))
_say(
    "caption label",
    ("stars", "these are given to the form: modeltable(m0, m1).to_latex(caption=..., label=...)"),
)
_say(
    "coefmap coefrename coeflabels relabel predlabels termlabels",
    ("stars", 'write labels={"x": "Dose"}'),
)
_say(
    "coefomit gofomit omit exclude rmterms",
    ("stars", 'write drop=["x", "ICC"], or rows=[...] for the rows to show'),
)
_say(
    "keep order coeforder select gofmap terms",
    ("stars", "write rows=[...], the rows to show in their order"),
)
_say(
    "cov precision tail residual",
    (
        "threshold",
        "models of ordered categories have independent levels, residuals of variance one and a "
        'dense factor; of events, glmm(..., family="bernoulli") takes it',
    ),
)
_say(
    "component",
    ("part", 'write part="zi" for its linear predictor, or type="response", type="zprob"'),
)
_say("exposure", ("formula", "write offset(log(exposure)) into the formula"))
_say(
    "ziformula zi ziprob dispformula dispersion",
    ("formula", "there is no such part of a model: zeros and dispersion have no predictors here"),
)
_say(
    "start startparams mustart etastart theta0 initial init0 parinit",
    (
        "optimizer",
        "the search begins at m.optsum.initial: build the model, set that, then m.fit()",
    ),
)
_say(
    "maxiter maxfun maxeval maxfeval niter tol ftol xtol gtol ftolabs ftolrel xtolabs",
    (
        "optimizer",
        "limits and tolerances are fields of m.optsum before m.fit(), such as maxfeval and "
        "ftol_abs, or options of mm.config",
    ),
)
_say(
    "fit devfunonly dofit",
    ("formula", "mm.LinearMixedModel and mm.GeneralizedLinearMixedModel build without a fit"),
)
_say(
    "level conflevel confidence ci cilevel coverage prob",
    ("alpha", "write alpha=, one minus the coverage: alpha=0.05 for 95 % intervals"),
)
_say(
    "ddf df lmerdf",
    (
        "formula",
        'degrees of freedom are chosen after the fit: m.summary(ddf="satterthwaite"), '
        'mm.config.set(ddf="satterthwaite")',
    ),
)

#: Values of options: families, links and optimisers that others have, and ours that do the same.
_VALUES: dict[str, dict[str, str]] = {
    "family": {
        "binom": "binomial",
        "logistic": "bernoulli",
        "negbin": "negativebinomial",
        "nb": "negativebinomial",
        "nb2": "negativebinomial",
        "negbinomial2": "negativebinomial",
        "generalizedpoisson": "genpois",
        "quasipoisson": "negativebinomial",
        "pois": "poisson",
        "ig": "inversegaussian",
        "wald": "inversegaussian",
        "invgauss": "inversegaussian",
    },
    "link": {
        "1mu2": "inverse-squared",
        "inversesquare": "inverse-squared",
        "1mu": "inverse",
        "clog": "cloglog",
        "complementaryloglog": "cloglog",
        "logistic": "logit",
        "id": "identity",
        "none": "identity",
        "squareroot": "sqrt",
        "ln": "log",
        "normal": "probit",
    },
    "contrasts": {
        "contrtreatment": "treatment",
        "dummycoding": "treatment",
        "dummy": "treatment",
        "contrsum": "sum",
        "effectscoding": "sum",
        "effects": "sum",
        "deviation": "sum",
        "contrhelmert": "helmert",
        "helmertcoding": "helmert",
        "contrpoly": "poly",
        "polynomial": "poly",
        "seqdiffcoding": "diff",
        "contrsdif": "diff",
    },
    "comparisons": {
        "revpairwise": "pairwise",
        "tukey": "pairwise",
        "trtvsctrl": "reference",
        "trtvsctrl1": "reference",
        "dunnett": "reference",
        "eff": "deviation",
        "deleff": "deviation",
        "consec": "consecutive",
        "meanchg": "consecutive",
    },
    "adjust": {
        "dunnett": "holm",
        "mvt": "sidak",
        "tukeyhsd": "tukey",
        "hsd": "tukey",
        "bonf": "bonferroni",
        "hochberg": "holm",
        "scheffe": "bonferroni",
        "fdr": "holm",
        "bh": "holm",
    },
    "plot": {
        **dict.fromkeys(("caterpillar", "dotplot", "randomeffects", "re"), "ranef"),
        **dict.fromkeys(("forest", "coefplot", "estimates", "fixef"), "coefficients"),
        **dict.fromkeys(("qqplot", "qqnorm", "quantiles"), "qq"),
        **dict.fromkeys(("emmeans", "emmip", "marginalmeans"), "means"),
        **dict.fromkeys(("predictions", "interaction", "slopes", "marginaleffects"), "effects"),
        **dict.fromkeys(("resid", "residualsfitted"), "residuals"),
        **dict.fromkeys(("cooks", "leverage", "outliers"), "influence"),
        **dict.fromkeys(("correlation", "corr", "heatmap"), "correlations"),
        **dict.fromkeys(("check", "checkmodel", "diagnose"), "diagnostics"),
    },
    "optimizer": {
        "neldermead": "nlopt:LN_NELDERMEAD",
        "nm": "nlopt:LN_NELDERMEAD",
        "nloptwrap": "nlopt:LN_BOBYQA",
        "lbfgs": "scipy:L-BFGS-B",
        "bfgs": "scipy:L-BFGS-B",
        "nlminb": "newton",
        "nlminbwrap": "newton",
        "optim": "newton",
        "optimx": "newton",
        "ncg": "newton",
        "gn": "newton",
    },
}

#: Families that others have and that are not here, and what there is instead.
_MISSING_FAMILIES: dict[str, str] = {
    **dict.fromkeys(
        ("ordinal", "ordered", "cumulative", "cumulativelogit", "cumulativeprobit", "polr", "clm"),
        "models of ordered categories are fitted by clmm(formula, data)",
    ),
    **dict.fromkeys(
        (
            *("zip", "zinb", "zip1", "zinb1", "zinb2", "zipoisson", "zinegativebinomial"),
            *("zeroinflated", "zeroinflatedpoisson", "zeroinflatednegativebinomial"),
            *("hurdle", "hurdlepoisson", "hurdlenegbinomial"),
        ),
        'zeros are a part of the model, zi="~ 1" or hurdle="~ 1", beside a family such as poisson; '
        "check_zeroinflation() tells whether negativebinomial has enough of them",
    ),
    **dict.fromkeys(
        ("weibull", "vonmises", "loglogistic", "gompertz", "beta1"),
        "mm.Family takes a log-density of your own",
    ),
}

#: Attributes of models and names of the library that other packages have, and what to write.
_NAMES: dict[str, dict[str, str]] = {
    "model": {
        **dict.fromkeys(("fixef", "coefs", "feparams", "fixedeffects"), "params"),
        **dict.fromkeys(("randomeffects", "reffects", "raneftables"), "ranef()"),
        **dict.fromkeys(("vcov", "normalizedcovparams"), "cov_params()"),
        **dict.fromkeys(("confint", "confidenceintervals"), "conf_int()"),
        **dict.fromkeys(("loglik", "loglikelihood"), "llf"),
        **dict.fromkeys(("stderror", "stderr", "stderrors", "bsefe"), "bse"),
        **dict.fromkeys(("covre", "covresd", "randomeffectscov", "vcomp"), "varcorr"),
        **dict.fromkeys(("pvalue",), "pvalues"),
        **dict.fromkeys(("zvalues", "tstats"), "tvalues"),
        **dict.fromkeys(("fitted", "fittedvals"), "fittedvalues"),
        **dict.fromkeys(("rsquared", "rsquaredgaussian", "rsquare"), "r2()"),
        **dict.fromkeys(("dfresidual", "dofresidual"), "df_resid"),
        **dict.fromkeys(("modelmatrix", "designmatrix"), "exog"),
        **dict.fromkeys(("bootmer", "parametricbootstrap"), "bootstrap()"),
        **dict.fromkeys(("refitml", "refitreml"), "refit(reml=False) or refit(reml=True)"),
        **dict.fromkeys(("getme",), "theta, b, u, beta, exog, reterms or optsum"),
        **dict.fromkeys(("plotdiagnostics", "qqplot", "plotresiduals"), "plot.diagnostics()"),
        **dict.fromkeys(("emmip", "plotmodel", "interactplot"), 'plot.effects("x:z")'),
        **dict.fromkeys(("avgslopes", "simpleslopes", "margins"), 'slopes("x")'),
        **dict.fromkeys(("avgcomparisons", "predictcomparisons"), 'comparisons("x")'),
    },
    "numbamm": {
        **dict.fromkeys(("lmer", "mixedlm", "linearmixedmodelfit"), "lmm"),
        **dict.fromkeys(("glmer", "glmmtmb", "binomialbayesmixedglm"), "glmm"),
        **dict.fromkeys(("glmernb",), 'glmm(formula, data, "negativebinomial")'),
        **dict.fromkeys(("lrt", "likelihoodratiotest"), "lrtest"),
        **dict.fromkeys(("bootmer", "parametricbootstrap"), "bootstrap"),
        **dict.fromkeys(("modelsummary", "tabmodel", "texreg", "stargazer"), "modeltable"),
        **dict.fromkeys(("plotmodel", "forestplot", "plotcoefs"), "plot_coefficients"),
        **dict.fromkeys(("rand",), "ranova"),
        **dict.fromkeys(("aic", "bic", "aictab"), "information_criteria"),
    },
}


def name_hint(owner: str, name: str) -> str | None:
    """What to write instead of a name that an owner, model or library, does not have."""
    ours = _NAMES[owner].get(bare(name))
    before = "m" if owner == "model" else "mm"
    return f": write {before}.{ours}" if ours else None


def option_hint(name: object, known: Iterable[str]) -> str:
    """As `did_you_mean`, for a name of an option that other packages may have."""
    known = list(known)
    for ours in _OURS.get(bare(name), ()):
        if ours in known:
            return f"; did you mean '{ours}'?"
    return did_you_mean(str(name), known)


def value_hint(what: str, name: object, known: Iterable[str]) -> str:
    """As `did_you_mean`, for the value of the option `what` that other packages may have."""
    if what == "family" and (instead := _MISSING_FAMILIES.get(bare(name))):
        return f": {instead}"
    ours = _VALUES.get(what, {}).get(bare(name))
    return f"; did you mean '{ours}'?" if ours else did_you_mean(str(name), known)


class UnknownArgumentError(OptionError, TypeError):
    """A function has no argument of that name; the message says what to write instead."""


def names_arguments(function: F) -> F:
    """Let a function answer arguments that it does not have with what to write instead.

    One whose first argument is a model, and no formula, refuses what is none.
    """
    parameters = inspect.signature(function).parameters
    [first] = list(parameters.values())[:1] or [None]
    takes_model = first is not None and first.name == "model" and "str" not in str(first.annotation)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    if takes_any:
        raise TypeError(f"{function.__name__} takes arguments of any name")
    called = function.__name__
    if called == "__init__":
        called = function.__qualname__.split(".")[-2]

    @functools.wraps(function)
    def checked(*args, **kwargs):
        for name in kwargs:
            if name not in parameters:
                raise UnknownArgumentError(
                    f"{called}() got an unexpected keyword argument '{name}'"
                    f"{argument_hint(name, parameters)}"
                )
        if takes_model:
            model = args[0] if args else kwargs.get("model")
            if (args or "model" in kwargs) and not hasattr(model, "optsum"):
                raise OptionError(f"model must be a model of numbamm, not {shown(model)}")
        return function(*args, **kwargs)

    return checked  # type: ignore[return-value]


def argument_hint(name: str, parameters: Iterable[str]) -> str:
    """What to write instead of an argument that a function with these parameters lacks."""
    known = [p for p in parameters if p not in ("self", "cls", "model")]
    for needed, sentence in _SENTENCES.get(bare(name), ()):
        if needed is None or needed in known:
            return f": {sentence}"
    hint = option_hint(name, known)
    return hint or f"; there are {', '.join(known)}" if known else ""

"""Random small designs of every family, link and part, and how their fits end.

A case follows from its seed alone. Designs are irregular: empty cells, levels seen once, groups of
equal responses, columns that depend on each other, units far from one. Responses are drawn from the
family itself at parameters that may be at the end of their range, or from one beside it.

As a program, ``python tests/random_families.py FIRST LAST [STARTS]`` prints the fits that end above
the best of some random starts without saying so, and counts of the rest.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from dataclasses import dataclass, field
from time import process_time

import numpy as np

import numbamm as mm
from numbamm.glm.family import FAMILIES
from numbamm.glm.parts.extended import extended

#: -2 log-likelihoods that differ by less are those of one end.
ENOUGH = 1e-5
TERMS = (
    *["(1 | g)"] * 6, "(1 + x | g)", "(1 + x || g)", "(1 | g) + (1 | h)", "(1 | h) + (1 | g:h)",
    "(0 + x | g)", "(1 | each)",
)  # fmt: skip
FIXED = ("1", "x", "x", "x + f", "f", "x * f", "x + x2", "big")
LINKS = {
    "real": ["identity"] * 5 + ["log"],
    "positive": ["log"] * 6 + ["sqrt", "identity", "inverse"],
    "unit": ["logit"] * 4 + ["probit", "cloglog", "loglog", "cauchit"],
}
#: Each family's range of means, and the parts that it takes.
KINDS = {
    "gaussian": ("real", ("dispersion",)),
    "student": ("real", ("", "dispersion")),
    "skewnormal": ("real", ("", "dispersion")),
    "lognormal": ("positive", ("", "dispersion", "hurdle")),
    "gamma": ("positive", ("dispersion", "hurdle")),
    "inversegaussian": ("positive", ("dispersion", "hurdle")),
    "tweedie": ("positive", ("", "dispersion")),
    "poisson": ("positive", ("zi", "hurdle")),
    "nbinom2": ("positive", ("", "", "dispersion", "zi", "hurdle")),
    "nbinom1": ("positive", ("", "dispersion", "zi", "hurdle")),
    "nbinom12": ("positive", ("", "dispersion", "zi")),
    "genpois": ("positive", ("", "dispersion", "zi")),
    "compois": ("positive", ("",)),
    "truncated_poisson": ("positive", ("",)),
    "truncated_nbinom1": ("positive", ("", "dispersion")),
    "truncated_nbinom2": ("positive", ("", "dispersion")),
    "binomial": ("unit", ("zi",)),
    "betabinomial": ("unit", ("", "dispersion", "zi")),
    "beta": ("unit", ("", "dispersion", "hurdle")),
    "ordbeta": ("unit", ("", "dispersion")),
    "ordinal": ("unit", ("", "nominal", "scale", "threshold")),
}  # fmt: skip
PARTS = ("~ 1", "~ 1", "~ x", "~ f", "~ big")
#: Parameters of the families at which responses are drawn, far ends of their ranges among them.
SIZES = {
    "dispersion": (1e-3, 0.2, 1.0, 1.0, 3.0, 10.0), "shape": (0.1, 0.7, 2.0, 10.0, 1e4),
    "precision": (0.5, 3.0, 20.0, 1e4), "df": (1.0, 3.0, 8.0, 1e4), "skewness": (-8.0, 0.0, 2.0),
    "power": (1.05, 1.5, 1.9), "lower": (-2.0, -0.5, -20.0), "log_gap": (0.5, 1.5, 3.5),
}  # fmt: skip


@dataclass
class Case:
    """A model to fit: a formula, rows, and what `glmm` or `clmm` is told besides."""

    seed: int
    family: str
    formula: str
    data: dict
    options: dict = field(default_factory=dict)

    def model(self):
        """The model before its fit."""
        if self.family == "ordinal":
            return mm.CumulativeLinkMixedModel(self.formula, self.data, **self.options)
        return mm.GeneralizedLinearMixedModel(self.formula, self.data, self.family, **self.options)

    def __str__(self) -> str:
        options = {k: v for k, v in self.options.items() if k != "weights"}
        return f"{self.seed}: {self.family} {self.formula}, n = {len(self.data['y'])}, {options}"


def case(seed: int) -> Case:
    """The case of a seed; families take turns."""
    rng = np.random.default_rng(seed)
    family = list(KINDS)[seed % len(KINDS)]
    means, parts = KINDS[family]
    part, link = str(rng.choice(parts)), str(rng.choice(LINKS[means]))
    data = _columns(rng)
    fixed, terms = str(rng.choice(FIXED)), str(rng.choice(TERMS))
    eta = _predictor(rng, data, fixed)
    options: dict = {"link": link}
    if family == "ordbeta":
        options = {}
    if part == "threshold":
        options["threshold"] = str(rng.choice(["equidistant", "symmetric"]))
    elif part:
        options[part] = str(rng.choice(PARTS))
        if part in ("nominal", "scale") and options[part] == "~ 1":
            options[part] = "~ f"
        if part in ("zi", "hurdle") and rng.random() < 0.25 and link in ("log", "logit"):
            options[part] += " + (1 | g)"
    if family in ("binomial", "betabinomial"):
        options["weights"] = rng.integers(1, 12, len(eta)) * 1.0
    if family == "ordinal":
        data["y"] = _categories(rng, eta)
    else:
        data["y"] = _responses(rng, family, means, eta, options)
    return Case(seed, family, f"y ~ {fixed} + {terms}", data, options)


def _columns(rng) -> dict:
    n = int(rng.choice([15, 25, 40, 60, 90, 140]))
    levels = int(rng.choice([3, 5, 8, 12, 20]))
    g = rng.integers(0, levels, n)
    if rng.random() < 0.5:  # many levels that are seen once
        g = np.where(rng.random(n) < 0.15, levels + np.arange(n), g)
    x = rng.normal(size=n) if rng.random() < 0.7 else rng.normal(size=n + levels * 9)[g]
    x = x[:n]
    f = np.array(["a", "b", "c"])[rng.choice(3, n, p=[0.6, 0.3, 0.1])]
    return {
        "x": x, "x2": 2 * x - 1, "big": 1e6 + 2e3 * x, "f": f, "g": g.astype(str),
        "h": rng.integers(0, 4, n).astype(str),
        "each": np.arange(n).astype(str),
    }  # fmt: skip


def _predictor(rng, data, fixed) -> np.ndarray:
    """η: random effects of any size, some levels far out."""
    _, g = np.unique(data["g"], return_inverse=True)
    sd = rng.choice([0.0, 0.1, 0.5, 0.5, 1.5])
    eta = sd * rng.normal(size=g.max() + 1)[g]
    eta += rng.choice([0.0, 0.3, 1.0]) * data["x"] * (fixed != "f")
    eta += rng.choice([0.0, 0.8]) * (data["f"] == "b")
    if rng.random() < 0.15:  # a cell of the factor far below
        eta -= 6.0 * (data["f"] == "c")
    return eta + rng.choice([-1.0, 0.0, 1.5])


def _categories(rng, eta) -> np.ndarray:
    latent = eta + rng.choice([0.5, 1.0, 1.0, 3.0]) * rng.logistic(size=len(eta))
    return np.searchsorted(np.sort(rng.choice([-2, -1, 0, 1, 2, 3], 3, replace=False)), latent)


def _responses(rng, family, means, eta, options) -> np.ndarray:
    """Draws of the family, of a truncated one by rejection, with zeros of their own part."""
    record = extended(FAMILIES.of(family))
    n = len(eta)
    mu = {
        "real": eta,
        "positive": np.exp(np.clip(eta, -6, 4)),
        "unit": 1 / (1 + np.exp(-eta)),
    }[means]
    w = options.get("weights", np.ones(n))
    named = {p.name: float(rng.choice(SIZES[p.name])) for p in record.parameters}
    if "hurdle" in options and record.counts and not record.positive:
        record = FAMILIES.of(record.truncated)
    if family == "genpois":
        named["dispersion"] = max(named["dispersion"], 0.7)
    if family == "compois":
        named["dispersion"] = max(named["dispersion"], 0.3)
    arrays = {name: np.full(n, value) for name, value in named.items()}
    y = record.draws(rng, mu, w, 1.0, arrays)
    if means == "positive" and not record.counts and not record.supports(np.zeros(1))[0]:
        y = np.maximum(y, 1e-8)
    if family == "beta":
        y = np.clip(y, 1e-6, 1 - 1e-6)
    y = np.asarray(y, dtype=float)
    if {"zi", "hurdle"} & set(options):
        y = np.where(rng.random(n) < rng.choice([0.0, 0.2, 0.5]), 0.0, y)
    elif means != "unit" and not record.counts and options["link"] in ("identity", "log"):
        y *= rng.choice([1.0, 1.0, 1e-5, 1e6])
    return y


@dataclass
class Outcome:
    """How the fit of a case ended.

    Attributes
    ----------
    excess : float
        -2 log-likelihood above the best of the random starts; NaN if there is no fit.
    said : list of str
        Warnings, or the error.
    kind : str
        ``"best"``, ``"told"`` of an end that is not, ``"refused"`` or ``"failed"``; else what is
        wrong: ``"missed"`` or ``"nan"``.
    """

    case: Case
    excess: float
    said: list
    kind: str


def outcome(case: Case, starts: int = 10) -> Outcome:
    """Fit by default, and from random starts."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = case.model()
        except mm.NumbammError as error:
            return Outcome(case, np.nan, [str(error)], "refused")
        try:
            model.fit(progress=False)
            known = (
                np.isfinite(model.objective) and np.isfinite(model.beta[model.feterm.kept]).all()
            )
            known &= np.isfinite(model.bse.to_numpy()[model.feterm.kept]).all()
        except mm.NumbammError as error:
            return Outcome(case, np.nan, [str(error)], "failed")
    said = [str(w.message) for w in caught]
    if not known and not said:
        return Outcome(case, np.nan, said, "nan")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rng = np.random.default_rng([case.seed, 1])
        best = min((_from_anywhere(rng, k, case) for k in range(starts)), default=np.inf)
    excess = model.objective - best
    if excess <= ENOUGH:
        return Outcome(case, excess, said, "best")
    return Outcome(case, excess, said, "told" if any(_tells(s) for s in said) else "missed")


#: What a warning says of an end that need not be the lowest.
WORDS = (
    "no minimum", "minima", "no finite", "without limit", "goes to zero", "gone to zero",
    "does not hold", "is lower by", "not converge", "limit of",
)  # fmt: skip


def _tells(words: str) -> bool:
    return any(word in words for word in WORDS)


def _from_anywhere(rng, k, case) -> float:
    """Where a search ends that begins anywhere; infinite if that means nothing."""
    try:
        model = case.model()
        initial, ntheta = np.array(model.optsum.initial), len(model.theta)
        head, theta = initial[:-ntheta], initial[-ntheta:]
        diagonal = model.optsum.lowerbd[-ntheta:] == 0
        size = np.where(theta != 0, np.abs(theta), np.abs(theta[theta != 0]).mean())
        theta = np.where(
            diagonal, size * rng.lognormal(-0.7, 1.2, ntheta), 0.3 * size * rng.normal(size=ntheta)
        )
        if case.family == "ordinal":
            head = head + 0.0
        elif "big" not in str(case.options):
            head = head + rng.choice([0.3, 1.5]) * rng.normal(size=len(head))
        model.optsum.initial = np.concatenate([head, theta])
        model.optsum.maxfeval = 1500
        model.fit(optimizer=("newton", "nlopt:LN_BOBYQA")[k % 4 == 3], progress=False)
        held = model.likelihood_holds and model.optsum.returnvalue != "MAXEVAL_REACHED"
        return model.objective if held else np.inf
    except mm.NumbammError:
        return np.inf


def main(first: int, last: int, starts: int = 10) -> None:
    kinds: Counter = Counter()
    for seed in range(first, last):
        begin = process_time()
        end = outcome(case(seed), starts)
        kinds[end.kind] += 1
        if end.kind not in ("best", "refused"):
            spent = f"{process_time() - begin:.1f} s"
            print(f"{end.kind} {end.excess:.3g} {end.case} {spent}\n    {end.said}", flush=True)
    print(dict(kinds))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

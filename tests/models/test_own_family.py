"""Families and links of somebody's own: against ours, and against brute-force integration."""

import math
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numba
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, optimize, stats

import numbamm as mm

pytestmark = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="log-densities are compiled")


def poisson(y, mu):
    return y * math.log(mu) - mu - math.lgamma(y + 1)


def bernoulli(y, mu):
    return math.log(mu) if y > 0 else math.log1p(-mu)


def binomial(y, mu, w):
    """Of a proportion of w trials."""
    k = w * y
    constant = math.lgamma(w + 1) - math.lgamma(k + 1) - math.lgamma(w - k + 1)
    return constant + k * math.log(mu) + (w - k) * math.log1p(-mu)


def gamma(y, mu, k):
    return k * math.log(k / mu) + (k - 1) * math.log(y) - k * y / mu - math.lgamma(k)


def negative_binomial(y, eta, size):
    """Of the linear predictor."""
    whole = math.log(math.exp(eta) + size)
    constant = math.lgamma(y + size) - math.lgamma(size) - math.lgamma(y + 1)
    return constant + size * (math.log(size) - whole) + y * (eta - whole)


def truncated(y, mu):
    """Poisson counts of which zeros are not seen."""
    return poisson_(y, mu) - math.log1p(-math.exp(-mu))


poisson_ = numba.njit(poisson)  # compiled functions of the user's may be called


def student(y, mu, scale):
    """t with four degrees of freedom: not concave in the mean."""
    z = (y - mu) / scale
    constant = math.lgamma(2.5) - math.lgamma(2.0) - 0.5 * math.log(4 * math.pi)
    return constant - math.log(scale) - 2.5 * math.log1p(z * z / 4)


def draw_student(rng, mu, scale):
    return mu + scale * rng.standard_t(4, len(mu))


POISSON = mm.Family("own-poisson", logpdf=poisson, link="log", counts=True, discrete=True)
BERNOULLI = mm.Family("own-bernoulli", logpdf=bernoulli, link="logit")
BINOMIAL = mm.Family("own-binomial", logpdf=binomial, link="logit", weights="trials")
GAMMA = mm.Family("own-gamma", logpdf=gamma, link="log", supports=lambda y: y > 0)
NEGATIVE_BINOMIAL = mm.Family("own-nb", logpdf=negative_binomial, link="log")
TRUNCATED = mm.Family(
    "truncated",
    logpdf=truncated,
    link="log",
    support="counts of at least 1",
    supports=lambda y: y >= 1,
    discrete=True,
)
STUDENT = mm.Family("heavy", logpdf=student, draw=draw_student)


def irregular(seed=3, groups=14, n=160):
    """Groups of very different sizes, one of a single row; an empty cell of f; odd names."""
    rng = np.random.default_rng(seed)
    g = np.concatenate(
        [np.arange(groups), np.minimum(rng.geometric(0.2, n - groups) - 1, groups - 2)]
    )
    x, f = rng.normal(size=n), np.where(g % 3 == 0, "b 1", np.where(rng.random(n) < 0.5, "a", "c"))
    offset = rng.uniform(-0.5, 0.5, n)
    eta = 0.2 + 0.5 * x + 0.6 * rng.normal(size=groups)[g] + 0.3 * (f == "c") + offset
    mu = np.exp(eta)
    p, trials = 1 / (1 + np.exp(-eta)), rng.integers(1, 9, n) * 1.0
    data = pd.DataFrame({"the group": [f"g{k}" for k in g], "x": x, "f": f, "offset": offset})
    data["count"], data["size"] = rng.poisson(mu * rng.gamma(2, 0.5, n)), rng.gamma(2.5, mu / 2.5)
    data["hit"] = (rng.random(n) < p) * 1.0
    data["share"], data["trials"] = rng.binomial(trials.astype(int), p) / trials, trials
    data["far"], data["w"] = eta + rng.standard_t(4, n), rng.integers(1, 4, n) * 1.0
    data["seen"] = stats.poisson(mu).ppf(rng.uniform(np.exp(-mu), 1)).clip(1)
    return data.sample(frac=1, random_state=seed).reset_index(drop=True)


DATA = irregular()
FORMULA = "~ x + f + (1 | `the group`)"


def both(response, own, ours, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            mm.glmm(f"{response} {FORMULA}", DATA, family, offset="offset", **options)
            for family in (own, ours)
        ]


@pytest.mark.parametrize(
    ("response", "own", "ours", "options"),
    [
        ("count", POISSON, "poisson", {}),
        ("count", POISSON, "poisson", {"weights": "w"}),
        ("count", POISSON, "poisson", {"link": "sqrt", "information": "observed"}),
        ("count", POISSON, "poisson", {"nagq": 5}),
        ("count", POISSON, "poisson", {"fast": True}),
        ("hit", BERNOULLI, "bernoulli", {}),
        ("hit", BERNOULLI, "bernoulli", {"link": "probit", "information": "observed"}),
        ("share", BINOMIAL, "binomial", {"weights": "trials"}),
        (
            "share",
            BINOMIAL,
            "binomial",
            {"weights": "trials", "nagq": 7, "link": "cauchit", "information": "observed"},
        ),
        ("count", NEGATIVE_BINOMIAL, "negativebinomial", {"information": "observed"}),
    ],
)
def test_as_ours(response, own, ours, options):
    """Estimates to 1e-6 of a standard error and likelihoods to 1e-8, where the same is fitted."""
    mine, known = both(response, own, ours, **options)
    assert mine.objective == pytest.approx(known.objective, abs=1e-8)
    assert_allclose(mine.theta, known.theta, rtol=1e-5, atol=1e-6)
    assert (np.abs(mine.beta - known.beta) < 1e-4 * known.bse).all()
    assert_allclose(mine.bse, known.bse, rtol=1e-3 if options.get("link") == "probit" else 1e-4)
    x = known.optsum.final + 0.01
    assert mine.objective_at(x) == pytest.approx(known.objective_at(x), abs=1e-8)
    if options.get("nagq", 1) == 1:
        value, slopes = mine.objective_gradient(x)
        _, known_slopes = known.objective_gradient(x)
        assert_allclose(slopes, known_slopes, rtol=1e-8, atol=1e-7)
        assert value == pytest.approx(mine.objective_at(x))


def test_gamma_with_its_shape():
    """Ours has effects of variance φΛΛ' with φ = 1/k; the likelihood is the same."""
    mine, known = both("size", GAMMA, "gamma", link="log")
    assert mine.objective == pytest.approx(known.objective, abs=1e-8)
    assert 1 / mine.shape == pytest.approx(known.dispersion, rel=1e-5)
    assert_allclose(mine.theta, known.theta * known.sigma, rtol=1e-4)
    assert_allclose(mine.bse, known.bse, rtol=1e-4)
    assert mine.n_parameters == known.n_parameters
    held = mm.glmm(f"size {FORMULA}", DATA, GAMMA, offset="offset", shape=mine.shape)
    assert held.objective == pytest.approx(mine.objective, abs=1e-6)
    assert held.n_parameters == mine.n_parameters - 1


# ---- brute force -------------------------------------------------------------------------------


def log_joint(model, log_f, j, u):
    """log f(y_j | u) + log φ(u) of one group with a scalar effect, apart from numbamm."""
    rows = model.reterms[0].refs == j
    eta = model.exog[rows] @ model.beta + model.frame.offset[rows]
    w = 1.0 if model.frame.weights is None else model.frame.weights[rows]
    at = np.add.outer(np.atleast_1d(u) * model.theta[0], eta)
    return (w * log_f(model, model.frame.y[rows], at)).sum(axis=1) + stats.norm.logpdf(u)


def integrated(model, log_f) -> float:
    """-2 log-likelihood by adaptive integration, group by group."""

    def of_group(j):
        def log_at(u):
            return log_joint(model, log_f, j, u)[0]

        peak = optimize.minimize_scalar(lambda u: -log_at(u)).x
        top, ends = log_at(peak), (peak - 12, peak + 12)
        value, _ = integrate.quad(
            lambda u: np.exp(log_at(u) - top), *ends, points=[peak], epsabs=1e-12, limit=200
        )
        return -2 * (np.log(value) + top)

    return sum(map(of_group, range(model.reterms[0].nlevels)))


def laplace(model, log_f) -> float:
    """-2 log-likelihood by Laplace's approximation, by differences."""

    def of_group(j):
        found = optimize.minimize_scalar(
            lambda u: -log_joint(model, log_f, j, u)[0], options={"xtol": 1e-12}
        )
        h = np.array([-2e-3, -1e-3, 0.0, 1e-3, 2e-3])
        second = log_joint(model, log_f, j, found.x + h) @ [-1, 16, -30, 16, -1] / 12e-6
        return 2 * found.fun + np.log(-second) - np.log(2 * np.pi)

    return sum(map(of_group, range(model.reterms[0].nlevels)))


def student_density(model, y, eta):
    return stats.t.logpdf(y, 4, loc=eta, scale=model.shape)


def truncated_density(model, y, eta):
    mu = np.exp(eta)
    return stats.poisson.logpmf(y, mu) - np.log1p(-np.exp(-mu))


@pytest.fixture(scope="module", params=["heavy", "truncated"])
def own(request):
    """A fit of each, by Laplace's approximation, and its density by scipy."""
    if request.param == "heavy":
        family, response, density, weights = STUDENT, "far", student_density, "w"
    else:
        family, response, density, weights = TRUNCATED, "seen", truncated_density, None
    formula = f"{response} {FORMULA}"
    model = mm.GeneralizedLinearMixedModel(formula, DATA, family, offset="offset", weights=weights)
    return model.fit(), density


def test_laplace_by_brute_force(own):
    model, density = own
    assert model.objective == pytest.approx(laplace(model, density), abs=1e-5)


def test_quadrature_by_brute_force(own):
    model, density = own
    finer = model.refit(nagq=25)
    assert finer.objective == pytest.approx(integrated(finer, density), abs=1e-5)
    step = 0.1 * finer.bse.to_numpy()
    for k in range(len(step)):  # a minimum of the integral, too
        for sign in (-1, 1):
            x = finer.optsum.final.copy()
            x[k] += sign * step[k]
            assert finer.objective_at(x) > finer.objective
    model.refit(nagq=1)


def test_gradient_is_that_of_differences(own):
    model, _ = own
    x = model.optsum.final + 0.03
    slopes = model.objective_gradient(x)[1]
    for k, h in enumerate(np.full(len(x), 1e-5)):
        step = h * np.eye(len(x))[k]
        there = [model.objective_at(x + sign * step) for sign in (1, -1)]
        assert slopes[k] == pytest.approx((there[0] - there[1]) / (2 * h), rel=1e-5, abs=1e-5)


def test_what_a_fit_can_do(own):
    model, _ = own
    assert model.family in repr(model) and model.family in str(model.summary())
    smaller = mm.glmm(
        model.formula.replace("x + ", ""),
        DATA,
        model.family_record,
        offset="offset",
        weights=model.frame.weights_name,
    )
    assert 0 <= mm.lrtest(smaller, model).frame["pvalue"].iloc[-1] < 1e-3
    assert_allclose(model.predict(DATA), model.fittedvalues)
    assert np.isfinite(model.predict(DATA.head(), se=True, interval="confidence")).all().all()
    assert_allclose(model.residuals("response"), model.frame.y - model.fittedvalues)
    assert model.leverage().between(0, 1).all()
    assert np.isfinite(mm.shrinkage(model)["the group"]).all().all()
    assert np.isfinite(model.condvar()["the group"].to_numpy()).all()
    for type in ("deviance", "pearson"):
        with pytest.raises(mm.OptionError, match=f"family {model.family} (has no|does not say)"):
            model.residuals(type)


def test_draws():
    model = mm.glmm(f"far {FORMULA}", DATA, STUDENT, offset="offset")
    drawn = np.array([model.simulate(seed=k, re_form="all") for k in range(60)])
    assert_allclose(
        np.quantile((drawn - model.fittedvalues.to_numpy()) / model.shape, [0.05, 0.5, 0.95]),
        stats.t(4).ppf([0.05, 0.5, 0.95]),
        atol=0.05,
    )
    assert len(model.bootstrap(2, seed=1, progress=False).frame) == 2
    known = mm.Family("heavy", logpdf=student, variance=lambda mu, scale: 2 * scale**2 + 0 * mu)
    known = mm.glmm(f"far {FORMULA}", DATA, known, offset="offset")
    assert_allclose(known.residuals("pearson"), known.resid / (np.sqrt(2) * known.shape))
    assert mm.influence(known)["cooks"].between(0, np.inf).all()
    limits = model.predict(DATA.head(), interval="prediction", draws=200, seed=1)
    assert (limits["lower"] < limits["upper"]).all()
    seen = mm.glmm(f"seen {FORMULA}", DATA, TRUNCATED)
    with pytest.raises(mm.OptionError, match="truncated does not say what its draw is"):
        seen.simulate(seed=1)


@pytest.mark.parametrize("scale", [1e-5, 1e7])
def test_any_units(scale):
    at = mm.glmm(f"far {FORMULA}", DATA, STUDENT, offset="offset")
    data = DATA.assign(far=scale * DATA["far"], offset=scale * DATA["offset"])
    far = mm.glmm(f"far {FORMULA}", data, STUDENT, offset="offset")
    assert far.objective - 2 * len(data) * np.log(scale) == pytest.approx(at.objective, abs=1e-6)
    assert_allclose(
        [*far.beta, *far.theta, far.shape], scale * np.r_[at.beta, at.theta, at.shape], 1e-4
    )


def test_order_of_rows_and_two_factors():
    data = DATA.assign(h=np.arange(len(DATA)) % 5)
    formula = f"seen {FORMULA} + (1 | h)"
    one = mm.glmm(formula, data, TRUNCATED)
    other = mm.glmm(formula, data.sample(frac=1, random_state=1), TRUNCATED)
    assert one.objective == pytest.approx(other.objective, abs=1e-7)
    with pytest.raises(mm.OptionError, match="nagq=5 needs a model with one random-effects term"):
        one.refit(nagq=5)


def test_own_link():
    """Our complementary log-log link, written down."""
    link = mm.Link(
        "own-cloglog",
        forward=lambda mu: np.log(-np.log1p(-mu)),
        inverse=lambda eta: -math.expm1(-math.exp(eta)),
        onto_unit=True,
        whole_line=True,
        unitless=True,
    )
    mine, known = (mm.glmm(f"hit {FORMULA}", DATA, "bernoulli", name) for name in (link, "cloglog"))
    assert mine.objective == pytest.approx(known.objective, abs=1e-8)
    assert_allclose(mine.beta, known.beta, atol=1e-6)
    assert mine.link == "own-cloglog"
    own = mm.glmm(f"hit {FORMULA}", DATA, BERNOULLI, link)
    observed = mm.glmm(f"hit {FORMULA}", DATA, "bernoulli", "cloglog", information="observed")
    assert own.objective == pytest.approx(observed.objective, abs=1e-8)


def test_pickles_go_to_other_processes(tmp_path):
    """With the functions, also those that only this process can import, and what they enclose."""
    power = 1.0

    def softplus(eta):
        return math.log1p(math.exp(eta))

    def sizes(y, mu, k):
        return k * math.log(k * y / mu) - power * math.log(y) - k * y / mu - math.lgamma(k)

    link = mm.Link("softplus", forward=lambda m: np.log(np.expm1(m)), inverse=softplus)
    family = mm.Family("sizes", logpdf=sizes)
    model = mm.glmm("size ~ x + (1 | `the group`)", DATA, family, link)
    assert pickle.loads(pickle.dumps(family)) is pickle.loads(pickle.dumps(family))
    path = tmp_path / "model"
    path.write_bytes(pickle.dumps(model))
    code = f"""
import pickle
from pathlib import Path
m = pickle.loads(Path({str(path)!r}).read_bytes())
print(m.objective_at(m.optsum.final), m.predict().sum(), m.refit().objective)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    expected = model.objective, model.fittedvalues.sum(), model.objective
    assert_allclose(np.array(done.stdout.split(), dtype=float), expected, rtol=1e-7)


# ---- mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"logpdf": None}, "needs a log-density: logpdf="),
        ({"logpdf": 3}, "logpdf of the family x must be a function"),
        ({"logpdf": lambda y: y}, r"a function of y and mu, or of y and eta, and not of \(y\)"),
        ({"logpdf": lambda y, mu, eta: y}, "not of \\(y, mu, eta\\)"),
        ({"logpdf": lambda y, *mu: y}, "is a function of y and mu"),
        ({"logpdf": poisson, "dispersed": True}, "dispersed is not for the family x"),
        ({"logpdf": poisson, "entropy": poisson}, "entropy is not for the family x"),
    ],
)
def test_no_family(given, said):
    with pytest.raises(mm.OptionError, match=said):
        mm.Family("x", **given)


def test_names_that_are_taken():
    with pytest.raises(mm.OptionError, match="there is a family Poisson already"):
        mm.Family("Poisson", logpdf=poisson)
    with pytest.raises(mm.OptionError, match="there is a link logit already"):
        mm.Link("logit", forward=np.log, inverse=math.exp)
    with pytest.raises(mm.OptionError, match="a link has a name, forward= and inverse="):
        mm.Link("x", forward=np.log)


def unknown(y, mu):
    return np.linalg.norm(mu) + y


def constant(y, mu):
    return 0.0 if y > 1 else mu


def no_number(y, mu):
    return math.log(-mu * mu) + y


@pytest.mark.parametrize(
    ("family", "link", "said"),
    [
        (mm.Family("strange", logpdf=unknown), None, "logpdf of the family strange cannot be comp"),
        (mm.Family("constant", logpdf=constant), None, "in each branch the value that it ret"),
        (mm.Family("bad", logpdf=no_number), None, "log-density of the family bad is not finite"),
        (
            TRUNCATED,
            None,
            "truncated family needs counts of at least 1; the response 'count' has other",
        ),
        (TRUNCATED, "logti", "unknown link 'logti'; did you mean 'logit'"),
    ],
)
def test_mistakes_are_explained(family, link, said):
    with pytest.raises(mm.NumbammError, match=said):
        mm.glmm(f"count {FORMULA}", DATA, family, link)


def test_functions_of_a_family():
    """Defaults are no parameters, two levels are proportions, functions name arguments."""

    def of_degrees(y, mu, degrees=4.0, *, scale=1.0):
        return y * mu

    with pytest.raises(mm.OptionError, match="is a function of y and mu"):
        mm.Family("keywords", logpdf=of_degrees)

    def with_defaults(y, mu, scale, degrees=4.0):
        z = (y - mu) / scale
        whole = 0.5 * (degrees + 1)
        return -math.log(scale) - whole * math.log1p(z * z / degrees)

    known = mm.glmm(f"far {FORMULA}", DATA, STUDENT, offset="offset")
    mine = mm.glmm(f"far {FORMULA}", DATA, mm.Family("tee", logpdf=with_defaults), offset="offset")
    assert_allclose(mine.beta, known.beta, rtol=1e-5)
    labels = mm.Family("labels", logpdf=bernoulli, link="logit", proportions=True)
    data = DATA.assign(hit=np.where(DATA["hit"] > 0, "yes", "no"))
    mine, known = (mm.glmm(f"hit {FORMULA}", data, family) for family in (labels, "bernoulli"))
    assert mine.objective == pytest.approx(known.objective, abs=1e-8)
    strange = mm.Family("tee", logpdf=with_defaults, draw=lambda mu, sd: mu)
    with pytest.raises(mm.OptionError, match="takes 'sd', which is none of rng, mu, w, phi, shape"):
        mm.glmm(f"far {FORMULA}", DATA, strange).simulate(seed=1)


def test_options_that_a_density_does_not_have():
    with pytest.raises(mm.OptionError, match="expected information of the family own-poisson is n"):
        mm.glmm(f"count {FORMULA}", DATA, POISSON, information="expected")
    with pytest.raises(mm.OptionError, match="shape belongs to .* not to own-poisson"):
        mm.glmm(f"count {FORMULA}", DATA, POISSON, shape=2.0)
    with pytest.raises(mm.DataError, match="single level"):
        mm.glmm("count ~ x + (1 | one)", DATA.assign(one="a"), POISSON)


def test_the_loops_are_compiled_once():
    """Whatever family comes: PIRLS, the gradient and quadrature have one signature."""
    from numbamm.glm import gradient, pirls, quadrature

    for kernel in (pirls.pirls, gradient.laplace_gradient, quadrature.quadrature):
        assert len(kernel.signatures) <= 1
    assert Path(pirls.__file__).is_file()

"""Random cases: a frame with odd columns, a formula over them, options, and calls after the fit.

A case follows from its seed alone, so that whatever a run finds can be had again. Most parts of a
case are ordinary, so that many are fitted; some are not, and must be refused in words.
"""

from __future__ import annotations

import decimal
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa

SIZES = (0, 1, 2, 6, *[12] * 4, *[30] * 8, *[60] * 16, *[120] * 10)
#: Shares of cases that take something odd, each for itself.
ODD = 0.05


@dataclass
class Case:
    """One model to fit, and what is asked of it.

    Attributes
    ----------
    seed : int
    formula : str
    data : frame or dict
    options : dict
        Keyword arguments of `lmm`, or of `glmm` where ``"family"`` is among them.
    calls : list of (name, arguments, keyword arguments)
        Methods of the fitted model.
    """

    seed: int
    formula: str
    data: object
    options: dict
    calls: list = field(default_factory=list)

    @property
    def generalized(self) -> bool:
        """Whether `glmm` fits it."""
        return "family" in self.options


def case(seed: int) -> Case:
    """The case of a seed."""
    rng = np.random.default_rng(seed)
    n = int(rng.choice(SIZES))
    generalized = rng.random() < 0.4
    family = str(rng.choice(list(FAMILIES))) if generalized else "gaussian"
    columns = _columns(rng, n, family)
    formula = _formula(rng, columns, family)
    options = _options(rng, n, family, generalized)
    return Case(seed, formula, _frame(rng, columns, n), options, _calls(rng))


# ---- columns ------------------------------------------------------------------------------


def _labels(rng, n, k):
    return np.array([f"g{i}" for i in range(k)], dtype=object)[rng.integers(0, k, n)]


def _with_missing(values, rng):
    values = np.array(values, dtype=object if values.dtype == object else float)
    values[rng.random(len(values)) < 0.1] = None if values.dtype == object else np.nan
    return values


def _response(rng, n, family, effect):
    eta = 0.3 * effect + rng.normal(size=n) * 0.3
    mu = np.exp(np.clip(eta, -3, 3))
    return {
        "gaussian": lambda: effect + rng.normal(size=n),
        "bernoulli": lambda: (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int),
        "binomial": lambda: rng.integers(0, 6, n),
        "poisson": lambda: rng.poisson(mu),
        "negativebinomial": lambda: rng.poisson(mu * rng.gamma(2, 0.5, n)),
        "gamma": lambda: rng.gamma(2, mu / 2) + 1e-12,
        "inversegaussian": lambda: rng.wald(mu, 3) + 1e-12,
    }[family]()


FAMILIES = ("bernoulli", "binomial", "poisson", "negativebinomial", "gamma", "inversegaussian")
LINKS = ("identity", "log", "logit", "probit", "cloglog", "cauchit", "inverse", "sqrt", "nolink")

#: Odd columns, by what is odd.
ODDITIES = {
    "constant": lambda rng, n: np.ones(n),
    "zero": lambda rng, n: np.zeros(n),
    "huge": lambda rng, n: rng.normal(size=n) * 1e200,
    "tiny": lambda rng, n: rng.normal(size=n) * 1e-200,
    "far": lambda rng, n: rng.normal(size=n) + 1e9,
    "infinite": lambda rng, n: np.where(rng.random(n) < 0.1, np.inf, rng.normal(size=n)),
    "all_missing": lambda rng, n: np.full(n, np.nan),
    "some_missing": lambda rng, n: _with_missing(rng.normal(size=n), rng),
    "missing_labels": lambda rng, n: _with_missing(_labels(rng, n, 4), rng),
    "bools": lambda rng, n: rng.random(n) < 0.5,
    "int8": lambda rng, n: rng.integers(-100, 100, n).astype(np.int8),
    "uint64": lambda rng, n: rng.integers(0, 2**63, n).astype(np.uint64) * 2,
    "big_ints": lambda rng, n: [2**70 + int(i) for i in rng.integers(0, 3, n)],
    "complex": lambda rng, n: rng.normal(size=n) + 1j,
    "dates": lambda rng, n: (
        pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 50, n), unit="D")
    ),
    "durations": lambda rng, n: pd.to_timedelta(rng.integers(0, 50, n), unit="D"),
    "decimals": lambda rng, n: [decimal.Decimal(int(i)) for i in rng.integers(0, 9, n)],
    "mixed": lambda rng, n: [1 if i else "a" for i in rng.integers(0, 2, n)],
    "nullable": lambda rng, n: pd.array(rng.integers(0, 4, n), dtype="Int64"),
    "strings": lambda rng, n: pd.array(_labels(rng, n, 3), dtype="string"),
    "ordered": lambda rng, n: pd.Categorical(_labels(rng, n, 3), ["g0", "g1", "g2"], ordered=True),
    "unused_levels": lambda rng, n: pd.Categorical(_labels(rng, n, 2), ["g9", "g1", "g0", "g5"]),
    "one_level": lambda rng, n: np.array(["only"] * n, dtype=object),
    "each_row": lambda rng, n: np.array([f"r{i}" for i in range(n)], dtype=object),
    "arrow_decimals": lambda rng, n: pd.array(
        [decimal.Decimal(2**60 + int(i)) for i in rng.integers(0, 4, n)],
        pd.ArrowDtype(pa.decimal128(30)),
    ),
    "periods": lambda rng, n: pd.period_range("2020", periods=4, freq="M")[rng.integers(0, 4, n)],
    "intervals": lambda rng, n: pd.arrays.IntervalArray.from_breaks(range(5))[
        rng.integers(0, 4, n)
    ],
    "beyond_floats": lambda rng, n: [10**400 + int(i) for i in rng.integers(0, 3, n)],
    "lists": lambda rng, n: [[1, 2]] * n,
    "dicts": lambda rng, n: [{}] * n,
    "float32": lambda rng, n: rng.normal(size=n).astype(np.float32),
    "text_numbers": lambda rng, n: np.array([str(i) for i in rng.integers(0, 20, n)], dtype=object),
    "copy_of_x": None,
    "nested_in_g": None,
}
NAMES = (
    "__x__",
    "_column0",
    "x as it is",
    "f[T.g1]",
    "e\u0301",
    "\ud800",
    "{0}",
    "a b",
    "µ",
    "class",
    "1st",
    "x.y",
    "`",
    "ünï",
    "",
    "np",
    "log",
    "C",
    "(x)",
    "y~x",
    "\n",
)


def _columns(rng, n, family):
    g = _labels(rng, n, int(rng.choice([1, 2, 3, *[6] * 8, *[9] * 8])))
    effect = rng.normal(size=9)[[int(label[1:]) for label in g]] if n else np.zeros(0)
    columns = {
        "y": _response(rng, n, family, effect),
        "x": rng.normal(size=n),
        "z": rng.normal(5, 2, size=n),
        "f": _labels(rng, n, 3),
        "h": _labels(rng, n, 2),
        "g": g,
        "k": _labels(rng, n, int(rng.choice([3, 6, 12]))),
    }
    if rng.random() < 0.15:  # an empty cell
        columns["h"] = np.where(columns["f"] == "g2", "g0", columns["h"])
    odd = [str(name) for name in rng.choice(list(ODDITIES), 2, replace=False)]
    for name in odd:
        make = ODDITIES[name]
        if name == "copy_of_x":
            columns[name] = columns["x"] * 2 + 1
        elif name == "nested_in_g":
            columns[name] = np.array(
                [f"{a}{b}" for a, b in zip(g, columns["h"], strict=True)], dtype=object
            )
        else:
            columns[name] = make(rng, n)
    if rng.random() < ODD:
        columns[str(rng.choice(NAMES))] = rng.normal(size=n)
    return columns


def _frame(rng, columns, n):
    kind = rng.choice(["pandas", "pandas", "pandas", "dict", "polars", "arrow"])
    if kind == "dict":
        return columns
    try:
        frame = pd.DataFrame(columns)
    except Exception:  # what pandas does not take; a dict is tried
        return columns
    if kind in ("polars", "arrow"):
        try:
            if kind == "polars":
                import polars

                return polars.from_pandas(frame)
            import pyarrow

            return pyarrow.Table.from_pandas(frame)
        except Exception:  # nor these
            return frame
    if rng.random() < 0.3:
        frame = frame.sample(frac=1, random_state=int(rng.integers(1000)))
    if rng.random() < 0.1 and n:
        frame.index = rng.integers(0, 3, n)
    return frame


# ---- formulas -----------------------------------------------------------------------------


def _quoted(name):
    return name if name.isidentifier() and name != "class" else f"`{name}`"


def _formula(rng, columns, family):
    names = [_quoted(name) for name in columns if name != "y"]

    def column():
        usual = rng.random() > ODD * 2
        return str(rng.choice(["x", "z", "f", "h"] if usual else names))

    def effect(depth=0):
        kind = rng.random()
        if kind < 0.55 or depth > 1:
            return column()
        if kind < 0.7:
            return f"{effect(depth + 1)}{rng.choice([':', '*', ' * ', '/', ' + '])}{column()}"
        if kind < 0.95:
            number = str(rng.choice(["x", "z"])) if rng.random() > ODD else column()
            calls = CALLS if rng.random() > ODD / 2 else GREEDY
            return str(rng.choice(calls)).replace("{}", "{0}").format(number)
        return f"({effect(depth + 1)} + {column()})**2"

    fixed = " + ".join([str(rng.choice(["1", "1", "0", "-1"]))] * (rng.random() < 0.3) or ["1"])
    for _ in range(int(rng.integers(0, 3))):
        fixed += f" + {effect()}"
    random, groups = [], ["g", "k", "g:k", "g/h", "f", "g & k"]
    usual = rng.choice(groups, 3, replace=False, p=[0.5, 0.3, 0.05, 0.05, 0.05, 0.05])
    for group in usual[: int(rng.choice([1, 1, 1, 2, 2, 3]))]:
        left = str(rng.choice(["1", "1", "1", "1 + x", "x", "0 + x", "0 + f", "1 + x + z", "h"]))
        left = column() if rng.random() < ODD else left
        group = column() if rng.random() < ODD else str(rng.choice([group] * 19 + groups))
        bar = str(rng.choice(["|", "|", "|", "||"]))
        term = f"({left} {bar} {group})"
        random.append(f"zerocorr({left} | {group})" if rng.random() < 0.05 else term)
    response = "y"
    if family == "binomial":
        response = str(rng.choice(["cbind(y, 5 - y)", "cbind(y, 5 - y)", "y"]))
    elif rng.random() < ODD / 2:
        response = str(rng.choice(["log(y)", "I(y * 2)", "np.sqrt(y)", column()]))
    text = f"{response} ~ {fixed} + {' + '.join(random)}"
    if rng.random() < ODD / 2:
        text += str(rng.choice([" + offset(x)", " + offset(log(z))", " + offset(f)"]))
    return _garbled(rng, text) if rng.random() < ODD else text


CALLS = ("I({}**2)", "log({})", "np.log(np.abs({}) + 1)", "C({})", "poly({}, 2)", "center({})")
CALLS += ("scale({})", "bs({}, df=4)", "I({} > 0)", "np.where({} > 0, 1, 0)")
CALLS += ("I({0} - np.mean({0}))", "I(-({0} > 0) + {0})", "np.digitize({}, [0, 1])", "({} > 0)")
CALLS += ("I({} % 2)", "C({} // 1)", "np.exp({} > 0)", "I(np.sign({})**3)", "hashed({}, 3)")
#: What asks for too much, or for what is none of a formula's.
GREEDY = ("I({} * 9**9**8)", "I((TRUE + 8)**(9**9))", "I(I('a') * 10**10)", "{}.values", "{}[0]")
GREEDY += ("np.ones_like({}, shape=10**10)", "bs({}, df=10**9)", "np.array({}, dtype='O')")
GREEDY += ("I(__import__('os'))", "I((lambda: {})())", "np.median({}, overwrite_input=True)")
GREEDY += ("I('%99999999d' % {})", "poly({}, np.max({}) * 10**6)", "I(f'{}')", "eval({})")
TOKENS = (
    "(",
    ")",
    "|",
    "~",
    "+",
    "**",
    ":",
    "`",
    "'",
    "1",
    "0",
    "x",
    " ",
    "^",
    "%in%",
    "\\",
    "\x00",
)


def _garbled(rng, text):
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(0, len(text) + 1))
        how = rng.random()
        if how < 0.4:
            text = text[:at] + str(rng.choice(TOKENS)) + text[at:]
        elif how < 0.8:
            text = text[:at] + text[at + 1 :]
        else:
            text = text[:at] + text[int(rng.integers(0, len(text) + 1)) :]
    return text


# ---- options and calls --------------------------------------------------------------------


def _options(rng, n, family, generalized):
    options = {}
    if generalized:
        options["family"] = family
        if rng.random() < 0.4:
            options["link"] = str(rng.choice(LINKS))
        if rng.random() < 0.3:
            options["fast"] = True
        if rng.random() < 0.15:
            options["nagq"] = _pick(rng, [2, 5, 9, 0, -1, 2.5, "many", 400])
        if rng.random() < 0.2:
            options["optimizer"] = str(rng.choice(["newton", "nlopt:LN_BOBYQA"]))
    else:
        if rng.random() < 0.5:
            options["reml"] = True
        if rng.random() < 0.3:
            names = ["newton", "nlopt:LN_BOBYQA", "scipy:L-BFGS-B", "nlopt:LN_NELDERMEAD"]
            options["optimizer"] = str(rng.choice(names * 5 + ["none"]))
        if rng.random() < 0.06:
            options["sigma"] = _pick(rng, [1.0, 1e-8, 0, -1, np.nan, "s", True])
    if rng.random() < 0.15:
        options["weights"] = rng.uniform(0.5, 2, n)
    if rng.random() < ODD:
        weights = [rng.uniform(0.5, 2, n), np.zeros(n), np.full(n, 1e-30), np.full(n, np.nan)]
        weights += [
            pd.Series(rng.uniform(0.5, 2, n), index=rng.permutation(n)),
            rng.random(n) < 0.5,
            -np.ones(n),
            np.ones(n + 1),
            "x",
            "nowhere",
            np.full(n, 1j),
        ]
        options["weights"] = _pick(rng, [*weights, np.full(n, 1e300), "abc", 3])
    if rng.random() < 0.08:
        options["offset"] = _pick(rng, [np.ones(n), np.full(n, 1e9), "x", "f", np.ones(n + 2), 1j])
    if rng.random() < 0.06:
        odd = [{"f": "none"}, {"x": "sum"}, "sum", {1: 2}]
        options["contrasts"] = _pick(rng, [{"f": "sum"}] * 8 + odd)
    return options


def _pick(rng, values):
    return values[int(rng.integers(len(values)))]


#: Calls that are answered, or refused in words, and values that no call can mean.
PLAIN = (
    *("summary", "ranef", "condvar", "coef", "fixef", "predict", "simulate", "leverage"),
    *("anova", "drop1", "ranova", "tidy", "glance", "vif", "r2", "icc", "pca", "rePCA"),
    *("coef_table", "check_convergence", "check_collinearity", "check_overdispersion"),
    *("check_zeroinflation", "is_singular", "residuals", "conf_int", "cov_params", "influence"),
    *("shrinkage", "block_description", "refit", "hessian", "_repr_html_", "__str__"),
    *("to_markdown", "to_latex", "to_html", "to_frame", "modeltable", "information_criteria"),
    *("plot.residuals", "plot.qq", "plot.scale_location", "plot.ranef", "plot.shrinkage"),
    *("plot.fit", "plot.correlations", "plot.coefficients", "plot.influence", "plot.path"),
)
STRANGE = (None, "x", "nowhere", "", 3, -1, 0, 2.5, np.nan, [], {}, ["f", "f"], {"x": "a"}, "f * h")
STRANGE += ("x | f", object(), True, b"x", "(Intercept)", np.inf, np.zeros((2, 2)), {"f": []})
WITH_ARGUMENT = {
    **{name: ("",) for name in ("emmeans", "contrast", "objective_at", "predict", "simulate")},
    "anova": ("type", "ddf"),
    "emmeans": ("", "at", "by", "ddf", "type", "weights", "alpha"),
    "contrast": ("", "rhs", "ddf", "alpha"),
    "coef_table": ("ddf", "alpha", "exponentiate"),
    "tidy": ("", "ddf", "exponentiate"),
    "residuals": ("",),
    "conf_int": ("alpha", "ddf", "which", "method", "exponentiate"),
    "profile": ("",),
    "bootstrap": ("",),
    "refit": ("", "optimizer"),
    "predict": ("", "re_form", "type", "random", "se", "interval"),
    "simulate": ("", "newdata", "re_form", "n"),
    "ranef": ("", "condvar"),
    "pca": ("corr",),
    "summary": ("ddf", "correlation"),
    "update": ("", "data"),
    "modeltable": ("", "names", "exponentiate", "ddf", "stars"),
    "to_latex": ("caption", "label"),
    "plot.effects": ("", "at", "points", "ax"),
    "plot.means": ("", "axes"),
    "plot.ranef": ("", "group", "ax"),
    "plot.fit": ("", "levels"),
    "save": ("",),
    "restore": ("",),
    "lrtest": ("",),
    "delete_levels": ("",),
    "power": ("", "n"),
}


REQUIRED = {
    "emmeans": ("f",),
    "contrast": ({"x": 1},),
    "plot.effects": ("x",),
    "plot.means": ("f",),
}


def _calls(rng):
    calls = [(str(name), (), {}) for name in rng.choice(PLAIN, 4, replace=False)]
    for name in map(str, rng.choice(list(WITH_ARGUMENT), 2, replace=False)):
        key, value = str(_pick(rng, WITH_ARGUMENT[name])), _pick(rng, STRANGE)
        arguments = REQUIRED.get(name, ()) if key else (value,)
        calls.append((name, arguments, {key: value} if key else {}))
    if rng.random() < 0.3:
        calls.append(("emmeans", (str(rng.choice(["f", "h", "x", "f * h"])),), {}))
    if rng.random() < 0.1:
        calls.append(("bootstrap", (3,), {"seed": 1, "progress": False}))
    if rng.random() < 0.05:
        calls.append(("profile", (), {}))
    return calls

"""The row kernel of a family of several parameters, from its log-density.

The density is compiled for jets in η, and for mixed jets in η and one further predictor ν, which
give every derivative that PIRLS and the exact gradient need. Its other arguments are parameters,
each the inverse link of a line of ν, which stand in the link's table after its own lines.

Two linear predictors with random effects, η₁ and the ζ of the zeros, take three rows each: of η₁,
of η₂ and of η₁ + η₂. With the information V = -∂²l about both, these have the weights V₁₁ - V₁₂,
V₂₂ - V₁₂ and V₁₂: their cross-products are J'VJ, and every kernel for single rows serves pairs.
"""

from __future__ import annotations

import math
from inspect import signature
from types import FunctionType

from numbamm.blocks.jit import jit
from numbamm.glm.jets import Jet, Mixed, uniquely_named
from numbamm.glm.parts.mixture import PLAIN, mixed, mixed_slopes
from numbamm.glm.row_kernels import (
    BEND,
    D2,
    D3,
    DEVIANCE,
    EXPECTED_SHAPE,
    FIRST,
    INFORMATION,
    LOG_MU,
    LOG_REST,
    MU,
    SCORE,
    SECOND,
    THIRD,
    TO_MU,
    TO_REST,
    TWIST,
    WEIGHT,
    WORKING,
    D,
)

#: Lines of the link's table before those of ν; the quantity ``SLOPES + k`` is of the k-th ν.
NU, SLOPES = 6, EXPECTED_SHAPE + 1
#: A working weight is at least this share of the squared score, and of the largest weight.
SHARE, LEAST = 1e-3, 1e-15
#: Links of parameters: the parameter is ν, exp(ν), or 1 + 1 / (1 + exp(-ν)).
IDENTITY, LOG, BETWEEN_1_AND_2 = range(3)
#: The number that row kernels get as shape: the kind of mixture, plus this for three rows each.
JOINT = 10

#: Logarithms of parameters stay between these, so that no power of them overflows.
LARGEST = 100.0
#: A power is so near to 1 or 2 at most, as its logit: the series loses its digits beyond.
NEAR_1, NEAR_2 = 7.0, 12.0


@jit
def parameter(link, nu):
    """A parameter and its derivative in ν."""
    if link == LOG:
        value = math.exp(min(max(nu, -LARGEST), LARGEST))
        return value, value
    if link == BETWEEN_1_AND_2:
        e = math.exp(-abs(min(max(nu, -NEAR_1), NEAR_2)))
        small, large = e / (1.0 + e), 1.0 / (1.0 + e)
        return 1.0 + (large if nu > 0.0 else small), small * large
    return nu, 1.0


@jit
def _mean_jets(unit, link, i):
    """Jets of μ and 1 - μ; `unit`: the table has the lines of means in (0, 1)."""
    if unit:
        mu, rest = math.exp(link[LOG_MU, i]), math.exp(link[LOG_REST, i])
        d = mu * link[TO_MU, i] if mu < 0.5 else rest * link[TO_REST, i]
        d2, d3 = d * link[BEND, i], d * link[TWIST, i]
    else:
        mu, d, d2, d3 = link[MU, i], link[D, i], link[D2, i], link[D3, i]
        rest = 1.0 - mu
    return Jet(mu, d, d2, d3), Jet(rest, -d, -d2, -d3)


@jit
def _constant(value):
    return Jet(value, 0.0, 0.0, 0.0)


@jit
def _widened(x):
    """A jet in η as a mixed one."""
    return Mixed(x.v, x.a, x.b, x.c, 0.0, 0.0, 0.0)


def density_rows(density, links, *, unit: bool, kept: bool):
    """The row kernel of a log-density; see `row_kernels.FAMILY`.

    Parameters
    ----------
    density : function
        Of ``y``, of some of ``mu``, ``rest`` (1 - μ), ``eta`` and ``w``, and of as many others as
        there are `links`: the family's parameters.
    links : tuple of int
        `IDENTITY`, `LOG` or `BETWEEN_1_AND_2` of each parameter.
    unit : bool
        Whether means are in (0, 1), so that the link's table has logarithms and ratios.
    kept : bool
        Whether the kernel is cached on disk.
    """
    python = getattr(density, "py_func", density)
    names = list(signature(python).parameters)
    own = f"{python.__module__}.{python.__qualname__}"

    def inner(function, name):
        """A function that the kernel calls."""
        return jit(uniquely_named(function, own, name), entry=False, cache=False)

    compiled = density if hasattr(density, "py_func") else jit(density, entry=False, cache=False)
    ours = {"y": "y", "mu": "mu", "rest": "rest", "eta": "eta", "w": "w"}
    others = [name for name in names if name not in ours]
    weighted, count = "w" not in names, len(links)
    values = [f"p{k}" for k in range(count)]
    passed = [f"{n}={ours[n]}" for n in names if n in ours]
    passed += [f"{n}={value}" for n, value in zip(others, values, strict=False)]
    arguments = ", ".join(["y", "mu", "rest", "eta", "w", *values])
    call = inner(eval(f"lambda {arguments}: f({', '.join(passed)})", {"f": compiled}), "call")
    along, across = (inner(f, f.__name__) for f in _row_of(call, links))

    def at(kind, y, w, eta, link, i, i2):
        """l and its derivatives in both predictors, times the weight."""
        is_zero, zeta = y[i] == 0.0, 0.0
        if kind != PLAIN:
            zeta = eta[i2] if i2 != i else link[NU + count, i]
        if not w[i] > 0.0:
            return 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        if kind == 2 and is_zero:
            f = _constant(0.0)
        else:
            mu, rest = _mean_jets(unit, link, i)
            f = along(y[i], mu, rest, Jet(eta[i], 1.0, 0.0, 0.0), w[i], link, i)
        l = mixed(kind, is_zero, zeta, f.v, f.a, f.b, f.c)
        m = w[i] if weighted else 1.0
        return (
            m * l[0], m * l[1], m * l[2], m * l[3], m * l[4],
            m * l[5], m * l[6], m * l[7], m * l[8], m * l[9],
        )  # fmt: skip

    def slopes(kind, k, y, w, eta, link, i, i2):
        """Derivatives of l and of its own in the k-th ν, times the weight."""
        is_zero, zeta = y[i] == 0.0, 0.0
        if kind != PLAIN:
            zeta = eta[i2] if i2 != i else link[NU + count, i]
        if not w[i] > 0.0 or (kind == 2 and is_zero):
            return 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        mu, rest = _mean_jets(unit, link, i)
        f = across(k, y[i], mu, rest, Jet(eta[i], 1.0, 0.0, 0.0), w[i], link, i)
        l = mixed_slopes(kind, is_zero, zeta, f.v, f.a, f.b, f.s, f.sa, f.sb)
        m = w[i] if weighted else 1.0
        return m * l[0], m * l[1], m * l[2], m * l[3], m * l[4], m * l[5]

    at, slopes = inner(at, "at"), inner(slopes, "slopes")

    def rows(what, y, w, entropy, shape, least, eta, link, out):
        joint, kind = shape >= JOINT, int(shape) % JOINT
        n = len(y) // 3 if joint else len(y)
        total, most = 0.0, 0.0
        for i in range(n):
            i2, i3 = (n + i, 2 * n + i) if joint else (i, i)
            if SLOPES <= what < SLOPES + count:
                s, s1, s2, s11, s12, s22 = slopes(kind, what - SLOPES, y, w, eta, link, i, i2)
                out[FIRST, i], out[SECOND, i], out[THIRD, i] = -2.0 * s, s1, -s11
                if joint:
                    out[FIRST, i2] = out[FIRST, i3] = out[SECOND, i3] = 0.0
                    out[SECOND, i2] = s2
                    out[THIRD, i], out[THIRD, i2], out[THIRD, i3] = s12 - s11, s12 - s22, -s12
                continue
            l, l1, l11, l111, l2, l12, l22, l112, l122, l222 = at(kind, y, w, eta, link, i, i2)
            total -= 2.0 * l
            if what == DEVIANCE:
                out[FIRST, i] = -2.0 * l
                if joint:
                    out[FIRST, i2] = out[FIRST, i3] = 0.0
            elif what == WORKING or what == INFORMATION:
                square = SHARE / w[i] if w[i] > 0.0 else 0.0
                first, second, third = max(abs(l11), square * l1 * l1), 0.0, 0.0
                if joint:
                    if l11 < l12 and l22 < l12 and l12 <= 0.0:  # weights that are all positive
                        first, second, third = l12 - l11, l12 - l22, -l12
                    else:
                        first = max(abs(l11) + abs(l12), square * l1 * l1)
                        second = max(abs(l22) + abs(l12), square * l2 * l2)
                most = max(most, max(first, second) / w[i] if w[i] > 0.0 else 0.0)
                out[FIRST, i], out[SECOND, i] = first, -l11
                if joint:
                    out[FIRST, i2], out[FIRST, i3] = second, third
                    out[SECOND, i], out[SECOND, i2] = l12 - l11, l12 - l22
                    out[SECOND, i3] = -l12
                if what == WORKING:  # the informations, too: see `working.INFORMED`
                    out[WEIGHT, i], out[SCORE, i] = first, l1
                    if joint:
                        out[WEIGHT, i2], out[SCORE, i2] = second, l2
                        out[WEIGHT, i3], out[SCORE, i3] = third, 0.0
            elif what < SLOPES:
                out[FIRST, i] = -l111
                if joint:  # Σ of the three rows' forms, times the derivatives of their weights
                    h, h2, h3 = out[THIRD, i], out[THIRD, i2], out[THIRD, i3]
                    out[FIRST, i] = h * (l112 - l111) + h2 * (l112 - l122) - h3 * l112
                    out[FIRST, i2] = h * (l122 - l112) + h2 * (l122 - l222) - h3 * l122
                    out[FIRST, i3] = 0.0
            else:  # the zeros' predictor, without random effects
                out[FIRST, i], out[SECOND, i], out[THIRD, i] = -2.0 * l2, l12, -l112
        if what == WORKING:  # not by `least`, whose units may not be those of this density
            for i in range(n):
                out[WEIGHT, i] = max(out[WEIGHT, i], LEAST * most * w[i])
                if joint:
                    out[WEIGHT, n + i] = max(out[WEIGHT, n + i], LEAST * most * w[i])
        return total

    return _kept_as(python, rows) if kept else jit(rows, cache=False)


def _kept_as(density, rows):
    """Compile, and cache under the name and the code of the density."""
    rows.__module__ = density.__module__
    rows.__qualname__ = f"{density.__qualname__}.{rows.__name__}"
    name = FunctionType(density.__code__, density.__globals__, rows.__name__)
    name.__module__, name.__qualname__ = rows.__module__, rows.__qualname__
    return jit(rows, cache=name)


def _row_of(call, links):
    """The density of a row as a jet in η, and as a mixed jet in η and one ν."""
    count = len(links)
    given = ", ".join(["y", "mu", "rest", "eta", "w"])
    plain = [f"    p{k} = parameter({link}, link[{NU + k}, i])[0]" for k, link in enumerate(links)]
    wide = [
        line
        for k, link in enumerate(links)
        for line in (
            f"    v{k}, d{k} = parameter({link}, link[{NU + k}, i])",
            f"    p{k} = Mixed(v{k}, 0.0, 0.0, 0.0, d{k} if k == {k} else 0.0, 0.0, 0.0)",
        )
    ]
    values = "".join(f", p{k}" for k in range(count))
    source = "\n".join(
        [
            "def along(y, mu, rest, eta, w, link, i):",
            *plain,
            f"    return call({given}{values}) * 1.0",
            "def across(k, y, mu, rest, eta, w, link, i):",
            "    mu, rest, eta = widened(mu), widened(rest), widened(eta)",
            *wide,
            f"    return call({given}{values}) * 1.0",
        ]
    )
    scope = {"parameter": parameter, "call": call, "Mixed": Mixed, "widened": _widened}
    exec(source, scope)
    return scope["along"], scope["across"]

"""Row kernels of families given by a log-density, and derivatives of links given by an inverse.

The density is compiled for numbers and for jets in η; the latter give score, information and their
derivatives. Derivatives across η and the shape come from jets along sums and differences of both:
with f along the direction (a, b) of η and the logarithm s of the shape

    ∂²f/∂η∂s  = [f''(a, 1) - f''(a, -1)] / 4a
    ∂³f/∂η²∂s = [f'''(a, 1) - f'''(a, -1) - 2 f'''(0, 1)] / 6a²

for any a. It is chosen such that f changes about equally along η and along s, so that no digits are
lost where the typical η is very large or very small.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from inspect import Parameter, signature

from numbamm.blocks.jit import jit
from numbamm.errors import OptionError
from numbamm.glm.jets import Jet
from numbamm.glm.row_kernels import (
    D2,
    D3,
    DEVIANCE,
    EXPECTED_SHAPE,
    FIRST,
    INFORMATION,
    MU,
    SCORE,
    SECOND,
    THIRD,
    WEIGHT,
    WORKING,
    D,
)

#: The expected information is not known. The observed information is used in its place; where the
#: density is not concave, the squared score, which has the same expectation (Berndt et al. 1974,
#: Ann. Econ. Soc. Meas. 3, 653). What is used is at least this share of the squared score.
SHARE = 1e-3
#: Working weights per prior weight are at least this share of the largest one.
LEAST = 1e-15

#: Names of the arguments of a log-density; one more may be the shape.
RESPONSE, MEAN, PREDICTOR, PRIOR = "y", "mu", "eta", "w"


def parameter_names(name: str, logpdf: Callable) -> list[str]:
    """The names of the arguments of a log-density that are parameters of the family.

    Raises
    ------
    OptionError
        Its arguments are not ``y``, one of ``mu`` and ``eta``, perhaps ``w``, and others.
    """
    try:
        given = list(signature(getattr(logpdf, "py_func", logpdf)).parameters.values())
    except (TypeError, ValueError):
        raise OptionError(f"logpdf of the family {name} must be a function") from None
    names = [parameter.name for parameter in given if parameter.default is Parameter.empty]
    others = [n for n in names if n not in (RESPONSE, MEAN, PREDICTOR, PRIOR)]
    plain = all(p.kind is Parameter.POSITIONAL_OR_KEYWORD for p in given)
    if not plain or RESPONSE not in names or (MEAN in names) == (PREDICTOR in names):
        raise OptionError(
            f"logpdf of the family {name} is a function of y and mu, or of y and eta, and not of "
            f"({', '.join(names)})"
        )
    return others


def density_rows(name: str, logpdf: Callable):
    """The row kernel of a family; see `row_kernels.FAMILY`. It is not cached on disk."""
    names = parameter_names(name, logpdf)
    shape = names[0] if names else None
    compiled = logpdf if hasattr(logpdf, "py_func") else jit(logpdf, entry=False, cache=False)
    given = signature(getattr(logpdf, "py_func", logpdf)).parameters
    by_mean, weighted, shaped = MEAN in given, PRIOR not in given, shape is not None
    ours = {RESPONSE: "y", MEAN: "at", PREDICTOR: "at", PRIOR: "w", shape: "shape"}
    passed = ", ".join(f"{name}={ours[name]}" for name in given if name in ours)
    source = f"lambda y, at, w, shape: f({passed})"
    density = jit(eval(source, {"f": compiled}), entry=False, cache=False)

    @jit(entry=False, cache=False)
    def jet(y, w, shape, eta, link, i, along):
        """The log-density of a row as η changes at the speed `along`."""
        a = along
        if by_mean:
            at = Jet(link[MU, i], a * link[D, i], a * a * link[D2, i], a * a * a * link[D3, i])
        else:
            at = Jet(eta[i], a, 0.0, 0.0)
        if not w[i] > 0.0:
            return Jet(0.0, 0.0, 0.0, 0.0)
        f = density(y[i], at, w[i], shape)
        return f * w[i] if weighted else f * 1.0

    @jit(entry=False, cache=False)
    def shaped_jet(y, w, shape, eta, link, i, along, across):
        """The same as the logarithm of the shape changes, too, at the speed `across`."""
        c = across
        s = Jet(shape, c * shape, c * c * shape, c * c * c * shape)
        return jet(y, w, s, eta, link, i, along)

    def rows(what, y, w, entropy, shape, least, eta, link, out):
        total = 0.0
        if what == DEVIANCE:
            for i in range(len(y)):
                f = density(y[i], link[MU, i] if by_mean else eta[i], w[i], shape)
                out[FIRST, i] = -2.0 * (f * w[i] if weighted else f * 1.0) if w[i] > 0.0 else 0.0
        elif what == WORKING or what == INFORMATION:
            most = 0.0
            for i in range(len(y)):
                f = jet(y, w, shape, eta, link, i, 1.0)
                positive = -f.b
                if w[i] > 0.0:
                    square = f.a * f.a / w[i]
                    positive = max(positive, SHARE * square) if positive > 0.0 else square
                    most = max(most, positive / w[i])
                total -= 2.0 * f.v
                out[FIRST, i], out[SECOND, i] = positive, -f.b
                if what == WORKING:
                    out[WEIGHT, i], out[SCORE, i] = positive, f.a
            if what == WORKING:  # not by `least`, whose units may not be those of this density
                for i in range(len(y)):
                    out[WEIGHT, i] = max(out[WEIGHT, i], LEAST * most * w[i])
        elif what < EXPECTED_SHAPE:
            for i in range(len(y)):
                out[FIRST, i] = -jet(y, w, shape, eta, link, i, 1.0).c
        elif shaped:
            for i in range(len(y)):
                f = jet(y, w, shape, eta, link, i, 1.0)
                size = math.sqrt(max(abs(f.b), f.a * f.a))
                a = 1.0 / size if size > 0.0 else 1.0
                one = shaped_jet(y, w, shape, eta, link, i, a, 1.0)
                other = shaped_jet(y, w, shape, eta, link, i, a, -1.0)
                alone = shaped_jet(y, w, shape, eta, link, i, 0.0, 1.0)
                out[FIRST, i] = -2.0 * alone.a
                out[SECOND, i] = (one.b - other.b) / (4.0 * a)
                out[THIRD, i] = -(one.c - other.c - 2.0 * alone.c) / (6.0 * a * a)
        return total

    return jit(rows, cache=False)


def derivatives_of(inverse: Callable):
    """The kernel of μ(η) and its first three derivatives, from the inverse of a link."""
    compiled = inverse if hasattr(inverse, "py_func") else jit(inverse, entry=False, cache=False)

    @jit(entry=False, cache=False)
    def derivatives(eta):
        mu = compiled(Jet(eta, 1.0, 0.0, 0.0))
        return mu.v, mu.a, mu.b, mu.c

    return derivatives

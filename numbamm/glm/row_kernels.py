"""Row kernels: the functions of a link or a family for all rows at once, called by address.

The compiled loops (PIRLS, the gradient, quadrature) are the same for every link and family. They
get the addresses of two kernels: the link's fills a table with the means and their derivatives at
η, and the family's computes deviances, scores and informations from it. So the loops are compiled
once, and as one call serves all rows, it costs next to nothing. Addresses are arguments and never
part of cached code, since they differ between processes.
"""

from __future__ import annotations

from types import FunctionType

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.errors import NumbaError
from numba.extending import intrinsic

from numbamm.blocks.jit import jit
from numbamm.blocks.kinds import INTEGER, MATRIX, NUMBER, REALS
from numbamm.errors import OptionError

# The quantity asked of a family's kernel, and the lines of its last argument that it fills.
DEVIANCE = 0  # FIRST: w d
WORKING = 1  # WEIGHT and SCORE: the working weight and the score; returns Σ w d
INFORMATION = 2  # FIRST and SECOND: expected and observed information
EXPECTED_SLOPE, OBSERVED_SLOPE = 3, 4  # FIRST: derivative of an information in η
# FIRST to THIRD: derivatives of w d, score and an information in the logarithm of the shape
EXPECTED_SHAPE, OBSERVED_SHAPE = 5, 6

#: Positions of these lines, and the number of all; the first two lines hold η, see `working`.
WEIGHT, SCORE, FIRST, SECOND, THIRD, LINES = range(2, 8)

# Lines of a link's table: μ and its derivatives in η.
MU, D, D2, D3 = range(4)
# The same for means in (0, 1), exact where μ or 1 - μ rounds to 0: log μ, log(1 - μ), and with
# dμ/dη = d the ratios d/μ, d/(1 - μ), d²μ/dη² / d and d³μ/dη³ / d.
LOG_MU, LOG_REST, TO_MU, TO_REST, BEND, TWIST = range(6)

# Which η are excluded although the link's formula gives a mean there: none; negative η that mirror
# positive ones, unless the response is 0; all negative η, which lie beyond an infinite mean.
NO_BARRIER, MIRRORED, BEYOND_INFINITY = range(3)

_NUMBER, _CODE = types.float64, types.int64
_ROW, _TABLE = types.Array(_NUMBER, 1, "C"), types.Array(_NUMBER, 2, "C")

#: A link's kernel: the quantity asked for, η of shape (n,), and the table that it fills.
LINK = types.void(_CODE, _ROW, _TABLE)
#: A family's kernel: the quantity asked for, y, prior weights, `logistic.entropies` of y, shape,
#: the least working weight of a unit, η, the link's table, and `out`, whose lines it fills.
FAMILY = _NUMBER(_CODE, _ROW, _ROW, _ROW, _NUMBER, _NUMBER, _ROW, _TABLE, _TABLE)


def _caller(signature):
    """The signature and code generator of a call by address, for kernels of this signature."""

    def lower(context, builder, _, values):
        address, *values = values
        kind = context.call_conv.get_function_type(signature.return_type, signature.args)
        kernel = builder.inttoptr(address, kind.as_pointer())
        status, result = context.call_conv.call_function(
            builder, kernel, signature.return_type, signature.args, values
        )
        with builder.if_then(status.is_error, likely=False):
            context.call_conv.return_status_propagate(builder, status)
        return ir.Constant(ir.IntType(8).as_pointer(), None) if result is None else result

    return signature.return_type(_CODE, *signature.args), lower


@intrinsic
def call_link(_context, address, what, eta, table):
    """Call the link's kernel at an address."""
    return _caller(LINK)


@intrinsic
def call_family(_context, address, what, y, w, entropy, shape, least, eta, table, out):
    """Call the family's kernel at an address."""
    return _caller(FAMILY)


if numba.config.DISABLE_JIT:  # kernels are Python functions, and their addresses positions here
    _functions: list = [None]

    def call_link(address, *arguments):
        return _functions[address](*arguments)

    call_family = call_link


def address_of(kernel, signature, what: str = "") -> int:
    """The address of a kernel, which is compiled or read from the cache first if necessary.

    Raises
    ------
    OptionError
        If it cannot be compiled and is made from a function of the user's, described by `what`.
    """
    if numba.config.DISABLE_JIT:
        if kernel not in _functions:
            _functions.append(kernel)
        return _functions.index(kernel)
    try:
        kernel.compile(signature)
    except NumbaError as error:
        if not what:
            raise
        raise OptionError(_refusal(what, error)) from error
    code = kernel.overloads[signature.args]
    return code.library.get_pointer_to_function(code.fndesc.llvm_func_name)


@jit(takes=(*3 * (INTEGER,), *3 * (REALS,), NUMBER, NUMBER, REALS, MATRIX, INTEGER, MATRIX))
def evaluate_rows(what, link, family, y, w, entropy, shape, least, eta, table, barrier, out):
    """Evaluate the link's and the family's kernels at η; see `FAMILY` for the arguments.

    Parameters
    ----------
    link, family : int64
        Addresses of both kernels; 0 for a link that is built into the family's kernel.
    barrier : int64

    Returns
    -------
    float64
        Σ w d if `what` is `WORKING`; NaN where some η has no mean.
    """
    if link != 0:
        call_link(link, what, eta, table)
    total = call_family(family, what, y, w, entropy, shape, least, eta, table, out)
    if barrier != NO_BARRIER and what <= WORKING:
        for i in range(len(eta)):
            if not eta[i] > 0.0 and (barrier == BEYOND_INFINITY or y[i] > 0.0):
                total = np.nan
                if what == DEVIANCE:
                    out[FIRST, i] = np.nan
    return total


def _refusal(what: str, error: NumbaError) -> str:
    """The message for a function of the user's that cannot be compiled."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    informative = (
        "unify",
        "No implementation",
        "not defined",
        "Unknown attribute",
        "Untyped global",
    )
    reason = next((line for line in lines if any(t in line for t in informative)), lines[0])
    return (
        f"{what} cannot be compiled: {reason} It may use numbers, + - * / **, comparisons, if, and "
        "from math exp, log, log1p, expm1, sqrt, lgamma, erf, erfc, sin, cos, tanh, atan, fabs; "
        "in each branch the value that it returns must depend on the mean"
    )


# ---- the loops over rows, around what one row needs -------------------------------------------


def link_rows(derivatives, kept=True):
    """A link's kernel.

    Parameters
    ----------
    derivatives : kernel
        μ and its first three derivatives at one η.
    kept : bool
        Whether it is cached on disk, under the name of `derivatives`.
    """

    def rows(what, eta, table):
        if what == DEVIANCE:
            for i in range(len(eta)):
                table[MU, i] = derivatives(eta[i])[0]
        else:
            for i in range(len(eta)):
                table[MU, i], table[D, i], table[D2, i], table[D3, i] = derivatives(eta[i])

    return around(derivatives, rows, kept=kept)


def unit_rows(logarithms, named=None, kept=True):
    """A link's kernel for means in (0, 1): `logarithms` gives the six lines of the table.

    It is kept under the name of that kernel, or of the one that is `named`.
    """

    def unit_rows(what, eta, table):
        if what == DEVIANCE:
            for i in range(len(eta)):
                table[LOG_MU, i], table[LOG_REST, i] = logarithms(eta[i])[:2]
        else:
            for i in range(len(eta)):
                log_mu, log_rest, to_mu, to_rest, bend, twist = logarithms(eta[i])
                table[LOG_MU, i], table[LOG_REST, i] = log_mu, log_rest
                table[TO_MU, i], table[TO_REST, i] = to_mu, to_rest
                table[BEND, i], table[TWIST, i] = bend, twist

    return around(named or logarithms, unit_rows, kept=kept)


def around(named, loop, *, kept=True, **options):
    """Compile a loop around a kernel; the kernel gives the loop its name in the cache on disk.

    Loops made by one function need different names: otherwise one loop could be read from the
    cache in place of another that a different process has written.
    """
    function = getattr(named, "py_func", named)
    loop.__module__ = function.__module__
    loop.__qualname__ = f"{function.__qualname__}.{loop.__name__}"
    if not kept:
        return jit(loop, cache=False, **options)
    # A function of that name whose code, by which numba tells versions, is that of the kernel.
    name = FunctionType(function.__code__, function.__globals__, loop.__name__)
    name.__module__, name.__qualname__ = loop.__module__, loop.__qualname__
    return jit(loop, cache=name, **options)

"""BLAS and LAPACK in nopython code, through the addresses that scipy exports.

Each routine is an intrinsic that puts its scalars on the stack, takes the data pointers of
1-D float64 arrays (slice first, nothing is copied) and calls an external symbol. The symbols
are registered whenever this module is imported, so a kernel from the cache finds the address
of the *running* process. Matrices are column-major with a leading dimension.
"""

from __future__ import annotations

import ctypes

import llvmlite.binding
import numba
import numpy as np
import scipy.linalg.cython_blas as cython_blas
import scipy.linalg.cython_lapack as cython_lapack
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import get_cython_function_address, intrinsic

LOWER, NO = ord("L"), ord("N")

# kind of each argument: c character, i integer, d double, a array, o the integer `info`
_SIGNATURES = {
    "dpotrf": (cython_lapack, "ciaio"),  # uplo n A lda info
    "dsyrk": (cython_blas, "cciidaidai"),  # uplo trans n k alpha A lda beta C ldc
}
_C_TYPES = {"c": "char *", "i": "int *", "o": "int *", "d": "_d *", "a": "_d *"}


def _register(name: str) -> None:
    """Give the address of a routine to the linker, once its C signature is what we expect."""
    module, kinds = _SIGNATURES[name]
    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    found = get_name(module.__pyx_capi__[name]).decode()
    arguments = found[found.index("(") + 1 : -1].split(", ")
    expected = [_C_TYPES[k] for k in kinds]
    if [a if a in ("char *", "int *") else a[-4:] for a in arguments] != expected:
        raise ImportError(f"scipy's {name} has the signature {found}, not the one expected")
    llvmlite.binding.add_symbol(
        f"numbamm_{name}", get_cython_function_address(module.__name__, name)
    )


for _name in _SIGNATURES:
    _register(_name)


def _call(name: str):
    """Code generator of a routine: scalars to the stack, arrays by pointer, `info` returned."""
    kinds = _SIGNATURES[name][1]
    llvm_of = {"c": ir.IntType(8), "i": ir.IntType(32), "o": ir.IntType(32), "d": ir.DoubleType()}

    def codegen(context, builder, signature, args):
        pointers, position, info = [], 0, None
        for kind in kinds:
            if kind == "o":
                info = cgutils.alloca_once(builder, llvm_of["o"])
                pointers.append(info)
                continue
            value, given = args[position], signature.args[position]
            position += 1
            if kind == "a":
                pointers.append(context.make_array(given)(context, builder, value).data)
                continue
            if kind == "d":
                value = context.cast(builder, value, given, types.float64)
            else:
                value = context.cast(builder, value, given, types.int64)
                value = builder.trunc(value, llvm_of[kind])
            slot = cgutils.alloca_once(builder, value.type)
            builder.store(value, slot)
            pointers.append(slot)
        function_type = ir.FunctionType(ir.VoidType(), [p.type for p in pointers])
        function = cgutils.get_or_insert_function(builder.module, function_type, f"numbamm_{name}")
        builder.call(function, pointers)
        if info is None:
            return context.get_constant(types.int64, 0)
        return builder.sext(builder.load(info), ir.IntType(64))

    return codegen


@intrinsic
def dpotrf(typingctx, uplo, n, a, lda):
    """Cholesky factor of A in place; returns LAPACK's info (0: done)."""
    return types.int64(uplo, n, a, lda), _call("dpotrf")


@intrinsic
def dsyrk(typingctx, uplo, trans, n, k, alpha, a, lda, beta, c, ldc):
    """C = alpha A A' + beta C, one triangle."""
    args = (uplo, trans, n, k, alpha, a, lda, beta, c, ldc)
    return types.int64(*args), _call("dsyrk")


if numba.config.DISABLE_JIT:  # intrinsics exist only in compiled code: stand-ins for coverage

    def _matrix(a, nrow, ncol, ld):
        stride = a.itemsize
        return np.lib.stride_tricks.as_strided(a, (nrow, ncol), (stride, ld * stride))

    def dpotrf(uplo, n, a, lda):
        lower = np.tril(_matrix(a, n, n, lda))
        try:
            factor = np.linalg.cholesky(lower + np.tril(lower, -1).T)
        except np.linalg.LinAlgError:
            return 1
        _matrix(a, n, n, lda)[np.tril_indices(n)] = factor[np.tril_indices(n)]
        return 0

    def dsyrk(uplo, trans, n, k, alpha, a, lda, beta, c, ldc):
        left = _matrix(a, n, k, lda)
        full = alpha * left @ left.T
        if beta != 0:  # as BLAS: what a zero meets is not read
            full += beta * _matrix(c, n, n, ldc)
        _matrix(c, n, n, ldc)[np.tril_indices(n)] = full[np.tril_indices(n)]
        return 0

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

LOWER, UPPER, LEFT, RIGHT, NO, TRANSPOSED, VECTORS = (ord(c) for c in "LULRNTV")

# kind of each argument: c character, i integer, d double, a array, o the integer `info`
_SIGNATURES = {
    "dpotrf": (cython_lapack, "ciaio"),  # uplo n A lda info
    "dtrtri": (cython_lapack, "cciaio"),  # uplo diag n A lda info
    "dlauum": (cython_lapack, "ciaio"),  # uplo n A lda info
    "dsyev": (cython_lapack, "cciaiaaio"),  # jobz uplo n A lda w work lwork info
    "dsyrk": (cython_blas, "cciidaidai"),  # uplo trans n k alpha A lda beta C ldc
    "dsymm": (cython_blas, "cciidaiaidai"),  # side uplo m n alpha A lda B ldb beta C ldc
    "dtrmm": (cython_blas, "cccciidaiai"),  # side uplo transa diag m n alpha A lda B ldb
    "dtrsm": (cython_blas, "cccciidaiai"),  # the same
    "dgemm": (cython_blas, "cciiidaiaidai"),  # transa transb m n k alpha A lda B ldb beta C ldc
}
_C_TYPES = {"c": "char *", "i": "int *", "o": "int *", "d": "_d *", "a": "_d *"}


def _register(name: str) -> None:
    """Register the address of a routine with the linker, after a check of its C signature."""
    module, kinds = _SIGNATURES[name]
    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    declared = get_name(module.__pyx_capi__[name]).decode()
    arguments = declared[declared.index("(") + 1 : -1].split(", ")
    expected = [_C_TYPES[k] for k in kinds]
    if [a if a in ("char *", "int *") else a[-4:] for a in arguments] != expected:
        raise ImportError(f"scipy's {name} has the signature {declared}, not the one expected")
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


@intrinsic
def dtrtri(typingctx, uplo, diag, n, a, lda):
    """Inverse of a triangular matrix in place; returns LAPACK's info."""
    return types.int64(uplo, diag, n, a, lda), _call("dtrtri")


@intrinsic
def dlauum(typingctx, uplo, n, a, lda):
    """L'L in place, one triangle; returns LAPACK's info."""
    return types.int64(uplo, n, a, lda), _call("dlauum")


@intrinsic
def dsyev(typingctx, jobz, uplo, n, a, lda, w, work, lwork):
    """Eigenvalues w, ascending, and eigenvectors in place of A; returns LAPACK's info."""
    return types.int64(jobz, uplo, n, a, lda, w, work, lwork), _call("dsyev")


@intrinsic
def dsymm(typingctx, side, uplo, m, n, alpha, a, lda, b, ldb, beta, c, ldc):
    """C = alpha A B + beta C with A symmetric, on the left."""
    args = (side, uplo, m, n, alpha, a, lda, b, ldb, beta, c, ldc)
    return types.int64(*args), _call("dsymm")


@intrinsic
def dtrmm(typingctx, side, uplo, transa, diag, m, n, alpha, a, lda, b, ldb):
    """B = alpha A B with A triangular, on the left, or alpha B A, on the right."""
    args = (side, uplo, transa, diag, m, n, alpha, a, lda, b, ldb)
    return types.int64(*args), _call("dtrmm")


@intrinsic
def dtrsm(typingctx, side, uplo, transa, diag, m, n, alpha, a, lda, b, ldb):
    """B = alpha A⁻¹ B with A triangular, on the left, or alpha B A⁻¹, on the right."""
    args = (side, uplo, transa, diag, m, n, alpha, a, lda, b, ldb)
    return types.int64(*args), _call("dtrsm")


@intrinsic
def dgemm(typingctx, transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):
    """C = alpha A B + beta C, either factor may be transposed."""
    args = (transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
    return types.int64(*args), _call("dgemm")


if numba.config.DISABLE_JIT:  # Python versions of the intrinsics, to measure coverage

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
        if beta != 0:  # as in BLAS: C is not read if beta is zero
            full += beta * _matrix(c, n, n, ldc)
        _matrix(c, n, n, ldc)[np.tril_indices(n)] = full[np.tril_indices(n)]
        return 0

    def dtrtri(uplo, diag, n, a, lda):
        lower = _matrix(a, n, n, lda)
        if not np.diag(lower).all():
            return 1
        lower[np.tril_indices(n)] = np.linalg.inv(np.tril(lower))[np.tril_indices(n)]
        return 0

    def dlauum(uplo, n, a, lda):
        lower = np.tril(_matrix(a, n, n, lda))
        _matrix(a, n, n, lda)[np.tril_indices(n)] = (lower.T @ lower)[np.tril_indices(n)]
        return 0

    def dsyev(jobz, uplo, n, a, lda, w, work, lwork):
        w[:n], _matrix(a, n, n, lda)[:] = np.linalg.eigh(_matrix(a, n, n, lda), "L")
        return 0

    def _put(target, product, beta):
        target[:] = product + (beta * target if beta != 0 else 0.0)
        return 0

    def dsymm(side, uplo, m, n, alpha, a, lda, b, ldb, beta, c, ldc):
        lower = np.tril(_matrix(a, m, m, lda))
        product = alpha * (lower + np.tril(lower, -1).T) @ _matrix(b, m, n, ldb)
        return _put(_matrix(c, m, n, ldc), product, beta)

    def dtrmm(side, uplo, transa, diag, m, n, alpha, a, lda, b, ldb):
        order, target = (m if side == LEFT else n), _matrix(b, m, n, ldb)
        factor = (np.tril if uplo == LOWER else np.triu)(_matrix(a, order, order, lda))
        factor = factor.T if transa == TRANSPOSED else factor
        target[:] = alpha * (factor @ target if side == LEFT else target @ factor)
        return 0

    def dtrsm(side, uplo, transa, diag, m, n, alpha, a, lda, b, ldb):
        order, target = (m if side == LEFT else n), _matrix(b, m, n, ldb)
        factor = (np.tril if uplo == LOWER else np.triu)(_matrix(a, order, order, lda))
        factor = factor.T if transa == TRANSPOSED else factor
        solved = (
            np.linalg.solve(factor, target)
            if side == LEFT
            else (np.linalg.solve(factor.T, target.T).T)
        )
        target[:] = alpha * solved
        return 0

    def dgemm(transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):
        left = _matrix(a, k, m, lda).T if transa == TRANSPOSED else _matrix(a, m, k, lda)
        right = _matrix(b, n, k, ldb).T if transb == TRANSPOSED else _matrix(b, k, n, ldb)
        return _put(_matrix(c, m, n, ldc), alpha * left @ right, beta)

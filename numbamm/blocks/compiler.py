"""numba's compiler, adapted: no garbage collection, and inner kernels compile with their callers.

numba makes millions of objects that live until the end of a compilation. Python's garbage collector
would search them repeatedly, which takes a tenth of the time.

numba optimises every function together with all functions that it calls, and generates machine
code for all of them, again at each level of calls. Here a kernel that only other kernels call is
not optimised by itself, but as part of the entry points that call it.
"""

from __future__ import annotations

import ctypes
import gc

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.compiler_machinery import PassManager
from numba.core.typed_passes import InlineOverloads, NativeLowering, NopythonRewrites
from numba.core.untyped_passes import InlineClosureLikes

from numbamm.blocks.indexing import KernelLowering

#: The function that Python would run: it calls numba's closure, which raises a TypeError.
_REFUSAL = ctypes.cast(ctypes.pythonapi.PyObject_Call, ctypes.c_void_p).value


class _NoEnvironment:
    """An environment that is not stored, since kernels use no Python objects."""

    @staticmethod
    def set_env(_name, _environment) -> None:
        """Nothing."""


class InnerLibrary(JITCodeLibrary):
    """Code that is linked into other libraries; Python cannot call it."""

    codegen = _NoEnvironment

    def _optimize_functions(self, module) -> None:
        module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """The address of a function that raises a TypeError."""
        self._ensure_finalized()
        return _REFUSAL


#: Compiler passes for features that kernels do not use: closures, comprehensions, and fused loops
#: for array expressions.
NEEDLESS = {InlineClosureLikes, InlineOverloads, NopythonRewrites}


class KernelCompiler(Compiler):
    """numba's compiler, with only the passes that kernels need."""

    def define_pipelines(self) -> list:
        """numba's passes without `NEEDLESS`, and with the indices of `indexing`."""
        (manager,) = super().define_pipelines()
        needed = PassManager(manager.pipeline_name)
        ours = {NativeLowering: KernelLowering}
        needed.passes = [
            (ours.get(step, step), words) for step, words in manager.passes if step not in NEEDLESS
        ]
        needed.finalize()
        return [needed]


class EntryCompiler(KernelCompiler):
    """The compiler, without garbage collection."""

    def compile_extra(self, func):
        """Compile; numba holds a lock, so that no other thread is here."""
        enabled = gc.isenabled()
        gc.disable()
        try:
            return super().compile_extra(func)
        finally:
            if enabled:
                gc.enable()


class InnerCompiler(KernelCompiler):
    """The compiler, into an `InnerLibrary`."""

    def __init__(self, typingctx, targetctx, library, *others) -> None:
        library = InnerLibrary(targetctx.codegen(), "inner")
        super().__init__(typingctx, targetctx, library, *others)

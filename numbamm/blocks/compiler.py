"""How numba compiles kernels: without garbage collection, and inner ones with their callers.

numba makes millions of objects that live until the end, and which Python would look through again
and again for garbage: a tenth of the time.

It optimises every function together with all that it calls, and makes machine code of the whole:
each layer of calls does so once more. A kernel that other kernels alone call is left here as it is
lowered, and is optimised as part of the entry points that reach it.
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

#: What Python would run: a call of numba's closure, which is no function. That is a TypeError.
_REFUSAL = ctypes.cast(ctypes.pythonapi.PyObject_Call, ctypes.c_void_p).value


class _NoEnvironment:
    """Kernels hold no Python objects, so that their environment need not be known."""

    @staticmethod
    def set_env(_name, _environment) -> None:
        """Nothing."""


class InnerLibrary(JITCodeLibrary):
    """Code to be linked into other libraries; it cannot be called from Python."""

    codegen = _NoEnvironment

    def _optimize_functions(self, module) -> None:
        module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """The address of a function that refuses."""
        self._ensure_finalized()
        return _REFUSAL


#: Passes of numba's compiler over what no kernel has: closures and comprehensions, and expressions
#: of arrays to be computed in one loop.
NEEDLESS = {InlineClosureLikes, InlineOverloads, NopythonRewrites}


class KernelCompiler(Compiler):
    """numba's compiler, with the passes that kernels need."""

    def define_pipelines(self) -> list:
        """Numba's passes less the needless ones, and with indices of ours."""
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

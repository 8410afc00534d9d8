"""Linked kernels: compiled separately, and called by other kernels through an address.

numba compiles a kernel again in each entry point that calls it. A linked kernel is compiled once,
cached in its own file, and can be compiled while another process compiles its callers. Their code
reads its address from a cell, which is filled before they run. Calls of a linked kernel are not
inlined, so that only large kernels are linked.
"""

from __future__ import annotations

import ctypes
import dis
import inspect
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import FunctionType, ModuleType

import llvmlite.binding
from numba.core import cgutils
from numba.core.dispatcher import Dispatcher
from numba.core.extending import _Intrinsic


class _Ahead(threading.local):
    """Whether this thread compiles code ahead of its first call."""

    def __init__(self) -> None:
        self._depth = 0

    def is_on(self) -> bool:
        return self._depth > 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1


#: In ``with ahead():`` code is compiled but not called, so that no cell need be filled.
ahead = _Ahead()

#: All linked kernels, by the names of their cells.
_linked: dict[str, Linked] = {}


class Linked(_Intrinsic):
    """A kernel that other kernels call through its address, and Python like any function.

    Parameters
    ----------
    kernel : Dispatcher
        The kernel.
    signature : numba.core.typing.Signature
        Its types, declared before it is compiled.
    entry : bool
        Whether Python may call it.
    """

    def __init__(self, kernel: Dispatcher, signature, entry: bool) -> None:
        self.kernel, self.signature, self._entry = kernel, signature, entry
        self._name = f"{kernel.py_func.__module__}.{kernel.py_func.__name__}"
        self._symbol, self._cell = f"address of {self._name}{signature}", ctypes.c_void_p()
        _linked[self._symbol] = self
        llvmlite.binding.add_symbol(self._symbol, ctypes.addressof(self._cell))

        def define(typingctx, *args):
            if len(args) == len(signature.args) and None not in map(
                typingctx.can_convert, args, signature.args
            ):
                return signature, self._call
            return None  # numba says that the types do not fit

        own = inspect.signature(kernel.py_func).parameters.values()
        context = inspect.Parameter("typingctx", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        define.__signature__ = inspect.Signature([context, *own])
        super().__init__(self._name, define)
        self.__doc__ = kernel.__doc__
        self._register()

    def __call__(self, *args):
        """Call the kernel from Python."""
        if not self._entry:
            raise TypeError(f"{self._name} is called by other kernels alone")
        return self.kernel(*args)

    def __reduce__(self):
        return _of_module, (self.kernel.py_func.__module__, self.kernel.py_func.__name__)

    @property
    def signatures(self) -> list:
        """The types for which it is compiled, as for numba's dispatchers."""
        return self.kernel.signatures

    @property
    def targetoptions(self) -> dict:
        """The options with which it is compiled, as for numba's dispatchers."""
        return self.kernel.targetoptions

    def load(self) -> None:
        """Fill the cell: read the kernel's code, or compile it."""
        if self._cell.value is None:
            types = self.signature.args
            self.kernel.compile(types)
            result = self.kernel.overloads[types]
            name = result.fndesc.llvm_func_name
            self._cell.value = result.library.get_pointer_to_function(name)

    def _call(self, context, builder, signature, args):
        """Generate the code of a call, by numba's calling convention."""
        if not ahead.is_on():
            self.load()  # for callers that are not compiled by `jit`
        convention, (returned, types) = context.call_conv, (signature.return_type, signature.args)
        pointer = convention.get_function_type(returned, types).as_pointer()
        cell = builder.module.globals.get(self._symbol)
        if cell is None:
            cell = cgutils.add_global_variable(builder.module, pointer, self._symbol)
        address = builder.load(cell)
        with cgutils.if_unlikely(builder, cgutils.is_null(builder, address)):
            text = f"{self._name} is not loaded: call it from Python once"
            convention.return_user_exc(builder, RuntimeError, (text,))
        status, result = convention.call_function(builder, address, returned, types, args)
        with cgutils.if_unlikely(builder, status.is_error):
            convention.return_status_propagate(builder, status)
        return result


def _of_module(module: str, name: str):
    return getattr(import_module(module), name)


def dispatcher_of(kernel: Linked | Dispatcher) -> Dispatcher:
    """The numba dispatcher of a kernel."""
    return kernel.kernel if isinstance(kernel, Linked) else kernel


def load_linked(library) -> None:
    """Fill the cells of all linked kernels that a compiled library calls."""
    for symbol in symbols_of(library):
        _linked[symbol].load()


def symbols_of(library) -> list[str]:
    """The names of the cells that a compiled library reads."""
    variables = library._get_module_for_linking().global_variables
    return [variable.name for variable in variables if variable.name in _linked]


def are_known(symbols: Iterable[str]) -> bool:
    """Whether linked kernels with all these names and types still exist."""
    return all(symbol in _linked for symbol in symbols)


def with_linked(kernels: Iterable) -> list:
    """Kernels, and all linked kernels that they call, directly or indirectly; each once."""
    reached, left = {}, list(kernels)
    while left:
        kernel = left.pop()
        if kernel not in reached:
            reached[kernel] = True
            left += compiled_with(dispatcher_of(kernel))[1]
    return list(reached)


def compiled_with(kernel: Dispatcher) -> tuple[list[FunctionType], list[Linked]]:
    """The functions that are compiled as part of a kernel, and the linked kernels they call."""
    functions, linked, left = [], {}, [kernel.py_func]
    while left:
        function = left.pop()
        if function in functions:
            continue
        functions.append(function)
        for value in _named(function):
            if isinstance(value, Linked):
                linked[value] = True
            elif isinstance(value, Dispatcher):
                left.append(value.py_func)
    return functions, list(linked)


def _named(function: FunctionType) -> list:
    """The globals that a function names, and the attributes it takes from global modules."""
    values, value = [], None
    for step in dis.get_instructions(function):
        if step.opname in ("LOAD_ATTR", "LOAD_METHOD") and isinstance(value, ModuleType):
            value = getattr(value, step.argval)
        elif step.opname == "LOAD_GLOBAL":
            value = function.__globals__.get(step.argval)
        else:
            value = None
        values.append(value)
    return values

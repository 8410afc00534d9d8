"""Compilation of kernels ahead of their use, in several processes.

numba compiles in one thread. `prepare` starts other processes of the same Python, which compile one
kernel after the other into the cache, the largest first, while this process builds its model. If
this process needs a kernel that is not compiled yet, it takes part. Kernels that other processes
fail to compile are compiled in this one.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

import numba
from numba.core.compiler_lock import global_compiler_lock

from numbamm.blocks.linking import ahead, dispatcher_of, with_linked

#: The program of the other processes, with this process's path for imports.
PROGRAM = "import sys; sys.path[:] = {path!r}; from numbamm.blocks.crew import work; work()"

_crew: Crew | None = None


def prepare(kernels: Sequence, processes: int) -> int:
    """Begin to compile kernels in other processes.

    Parameters
    ----------
    kernels : sequence
        Kernels with declared types that are not cached, the largest first.
    processes : int
        Number of processes that are to compile, this one included.

    Returns
    -------
    int
        Number of processes that will compile.
    """
    global _crew
    if _crew is not None:
        _crew.wait_for(_crew.kernels.values())
        _crew = None
    others = min(processes, len(kernels)) - 1
    if others > 0 and can_start():
        crew = Crew(kernels, others)
        if crew.processes:
            _crew = crew
            return 1 + len(crew.processes)
    return 1


def can_start() -> bool:
    """Whether this process may start others that run the same Python.

    It may not if the executable is a program that embeds Python, or if it is itself a worker
    process of multiprocessing, joblib or dask, whose other workers use the cores.
    """
    multiprocessing = sys.modules.get("multiprocessing")
    return (
        Path(sys.executable or "").stem.lower().startswith("python")
        and not getattr(sys, "frozen", False)
        and (multiprocessing is None or multiprocessing.parent_process() is None)
    )


def wait_for(kernel) -> None:
    """Take part in the compilation under way until a kernel, and all that it calls, is compiled."""
    if _crew is not None and not ahead.is_on():
        _crew.wait_for(with_linked([kernel]))


def compile_declared(kernel) -> None:
    """Compile a kernel for its declared types, into the cache."""
    kernel = dispatcher_of(kernel)
    with ahead():
        kernel.compile(kernel.takes)


class Crew:
    """Processes that compile, and the kernels that are not compiled yet.

    Parameters
    ----------
    kernels, others
        As for `prepare`.
    """

    def __init__(self, kernels: Sequence, others: int) -> None:
        self.kernels = {_name(kernel): kernel for kernel in kernels}
        self.processes: list[subprocess.Popen] = []
        self._owner = os.getpid()
        self._left, self._done = list(self.kernels), set()
        self._changed = threading.Condition()
        atexit.register(self.stop)
        try:
            for _ in range(others):
                self._start()
        except OSError:  # the system allows no further process
            pass

    def _start(self) -> None:
        environment = dict(os.environ)
        if numba.config.CACHE_DIR:
            environment["NUMBA_CACHE_DIR"] = numba.config.CACHE_DIR
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(path=sys.path)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self.processes.append(process)
        threading.Thread(target=self._hand_out, args=(process,), daemon=True).start()

    def _hand_out(self, process: subprocess.Popen) -> None:
        """Give a process one kernel after the other; it ends when its input does."""
        try:
            with process.stdin, process.stdout:
                while (name := self._take()) and self._is_compiled_by(process, name):
                    pass
        except OSError:  # the process has ended early
            pass
        process.wait()

    def _is_compiled_by(self, process: subprocess.Popen, name: str) -> bool:
        try:
            print(name, file=process.stdin, flush=True)
            return process.stdout.readline() != ""
        finally:
            self._finish(name)

    def _take(self, wanted: Iterable[str] = ()) -> str | None:
        """Take one of the remaining kernels, preferably one of `wanted`."""
        with self._changed:
            if not self._left:
                return None
            name = next((name for name in self._left if name in wanted), self._left[0])
            self._left.remove(name)
            return name

    def _finish(self, name: str) -> None:
        """Mark a kernel as finished."""
        with self._changed:
            self._done.add(name)
            self._changed.notify_all()

    def wait_for(self, kernels: Iterable) -> None:
        """Take part until these kernels are finished; on an interrupt, stop all processes."""
        if self._owner != os.getpid():  # the processes belong to the parent of a forked child
            return
        wanted = {_name(kernel) for kernel in kernels} & set(self.kernels)
        try:
            while not wanted <= self._done:
                if not self._compile_one(wanted):
                    with self._changed:
                        self._changed.wait_for(lambda: wanted <= self._done)
        except BaseException:
            self.stop()
            raise

    def _compile_one(self, wanted: set[str]) -> bool:
        """Compile one of the remaining kernels in this thread; False if there is none."""
        with global_compiler_lock:  # taken first: others may wait for a kernel that is taken
            name = self._take(wanted)
            if name is None:
                return False
            try:
                compile_declared(self.kernels[name])
            finally:
                self._finish(name)
            return True

    def stop(self) -> None:
        """End all processes; kernels that they have not finished are not cached."""
        if self._owner == os.getpid():
            with self._changed:
                self._done.update(self._left)
                self._left.clear()
            for process in self.processes:
                process.kill()


def _name(kernel) -> str:
    kernel = dispatcher_of(kernel)
    return f"{kernel.py_func.__module__}:{kernel.py_func.__name__}"


def work() -> None:
    """Compile the kernels named in the lines of standard input, and answer each with a line."""
    import signal
    from importlib import import_module

    signal.signal(signal.SIGINT, signal.SIG_DFL)  # end without a traceback
    for line in sys.stdin:
        module, name = line.strip().split(":")
        compile_declared(getattr(import_module(module), name))
        print(flush=True)

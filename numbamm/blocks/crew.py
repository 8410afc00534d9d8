"""Kernels compiled before they are called, side by side, where the cache does not have them yet.

numba compiles in one thread. `prepare` starts other processes of this Python, which compile one
kernel after the other into the cache, the heaviest first, while this process builds its model.
Where it needs a kernel that is not there yet, it compiles along. Whatever the others did not manage
is compiled in line: it costs time, and nothing else.
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

#: What another process runs: the folders it imports from are those of this one.
PROGRAM = "import sys; sys.path[:] = {path!r}; from numbamm.blocks.crew import work; work()"

_crew: Crew | None = None


def prepare(kernels: Sequence, processes: int) -> int:
    """Begin to compile kernels in other processes.

    Parameters
    ----------
    kernels : sequence
        Kernels with declared types, none of which is kept, the heaviest first.
    processes : int
        How many processes are to compile, this one included.

    Returns
    -------
    int
        How many will.
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

    Programs that embed Python name themselves as its executable. A process that is one of many
    itself, as those of multiprocessing, joblib and dask, leaves the cores to the others.
    """
    multiprocessing = sys.modules.get("multiprocessing")
    return (
        Path(sys.executable or "").stem.lower().startswith("python")
        and not getattr(sys, "frozen", False)
        and (multiprocessing is None or multiprocessing.parent_process() is None)
    )


def wait_for(kernel) -> None:
    """Compile along until a kernel, and all that it may call, is compiled, if that is under way."""
    if _crew is not None and not ahead.is_on():
        _crew.wait_for(with_linked([kernel]))


def compile_declared(kernel) -> None:
    """Compile a kernel for its declared types, into the cache."""
    kernel = dispatcher_of(kernel)
    with ahead():
        kernel.compile(kernel.takes)


class Crew:
    """Processes that compile, and what is left to be compiled.

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
        except OSError:  # there may be no room for another process
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
        except OSError:  # it has ended before its time
            pass
        process.wait()

    def _is_compiled_by(self, process: subprocess.Popen, name: str) -> bool:
        try:
            print(name, file=process.stdin, flush=True)
            return process.stdout.readline() != ""
        finally:
            self._put_down(name)

    def _take(self, wanted: Iterable[str] = ()) -> str | None:
        """One of the kernels that are left, those that are wanted first."""
        with self._changed:
            if not self._left:
                return None
            name = next((name for name in self._left if name in wanted), self._left[0])
            self._left.remove(name)
            return name

    def _put_down(self, name: str) -> None:
        """Nobody is busy with a kernel any more."""
        with self._changed:
            self._done.add(name)
            self._changed.notify_all()

    def wait_for(self, kernels: Iterable) -> None:
        """Compile along until these kernels are done; if that is interrupted, all stop."""
        if self._owner != os.getpid():  # in a forked child nobody works for us
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
        """Compile one kernel in this thread, if any is left."""
        with global_compiler_lock:  # who waits for this lock has no kernel that others wait for
            name = self._take(wanted)
            if name is None:
                return False
            try:
                compile_declared(self.kernels[name])
            finally:
                self._put_down(name)
            return True

    def stop(self) -> None:
        """End all processes; what they have not finished is not kept."""
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
    """Compile the kernels that are named in the lines of the input, with a line of output each."""
    import signal
    from importlib import import_module

    signal.signal(signal.SIGINT, signal.SIG_DFL)  # end without a word
    for line in sys.stdin:
        module, name = line.strip().split(":")
        compile_declared(getattr(import_module(module), name))
        print(flush=True)

"""Parts on threads: each runs once, errors come out, and a forked child has threads of its own."""

import os
import threading

import pytest

from numbamm.blocks.tail import parts


@pytest.mark.parametrize("n", [1, 2, 7])
def test_each_part_runs_once(n):
    done = []
    parts.run(done.append, n)
    assert sorted(done) == list(range(n))


def test_errors_come_out():
    def fail(part):
        raise ValueError(part)

    with pytest.raises(ValueError, match="0"):
        parts.run(fail, 3)


def test_one_processor_needs_no_threads(monkeypatch):
    monkeypatch.setattr(parts, "_processors", lambda: 1)
    names = []
    parts.run(lambda part: names.append(threading.current_thread()), 3)
    assert set(names) == {threading.current_thread()}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own():
    parts.run(lambda part: None, 2)
    child = os.fork()
    if child == 0:
        done = []
        parts.run(done.append, 2)
        os._exit(0 if sorted(done) == [0, 1] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

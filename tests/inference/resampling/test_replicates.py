"""Running a task for many replicates: progress, interrupts and limits."""

import gc
import os
import signal
import sys
import threading

import pytest

from numbamm.errors import DataError, NumbammWarning, OptionError


def test_the_progress_bar(sleep, capsys, monkeypatch):
    tqdm = pytest.importorskip("tqdm.auto")
    bars = []

    class Bar(tqdm.tqdm):
        def __init__(self, **options):
            super().__init__(**options | {"delay": 0, "mininterval": 0})
            bars.append(self)

    monkeypatch.setattr(tqdm, "tqdm", Bar)
    sleep.bootstrap(300, seed=1, progress=True)
    assert (bars[0].n, bars[0].total, bars[0].disable) == (300, 300, True)  # closed
    assert "300/300" in capsys.readouterr().err
    sleep.bootstrap(300, seed=1, progress=False)
    sleep.bootstrap(300, seed=1)  # no terminal here
    sleep.profile("sigma", progress=True)
    assert [(bar.n, bar.total, bar.unit) for bar in bars[1:]] == [(1, 1, "parameter")]
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    assert sleep.bootstrap(2, seed=1, progress=True).n == 2
    assert len(bars) == 2


def test_an_interrupt_keeps_what_is_done(sleep, replicates, request):
    """A real one, of a process that waits for its threads."""
    # Hypothesis times garbage collection: an interrupt in its callback would be swallowed.
    gc.disable()
    request.addfinalizer(gc.enable)
    timer = threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.warns(NumbammWarning, match="interrupted"):
        part = sleep.bootstrap(100_000, seed=1)
    timer.join()
    assert 1 <= part.n < 100_000
    assert part.index.tolist() == list(range(part.n))
    n = min(part.n, 1000)
    assert part.frame[:n].equals(replicates.frame[:n])
    part = part.extend(30)
    assert part.frame[-30:].equals(sleep.bootstrap(part.n, seed=1).frame[-30:])


def test_an_interrupt_within_a_refit(counts, monkeypatch):
    """As in another process, to which Ctrl-C goes as well: its fit keeps an unfinished point."""
    refit, calls = type(counts).refit, iter(range(10))

    def interrupted(self, *args, **options):
        refit(self, *args, **options)
        if next(calls) == 2:
            self.optsum.returnvalue = "INTERRUPTED"
        return self

    expected = counts.bootstrap(2, seed=1).frame
    monkeypatch.setattr(type(counts), "refit", interrupted)
    with pytest.warns(NumbammWarning, match="interrupted"):
        part = counts.bootstrap(6, seed=1)
    assert part.n == 2
    assert part.frame.equals(expected)


def test_more_replicates_than_can_be_kept(sleep):
    with pytest.raises(DataError, match="100,000,000 replicates: .* of memory"):
        sleep.bootstrap(10**8)
    with pytest.raises(OptionError, match="n must be at most 1,000,000,000"):
        sleep.bootstrap(10**12)

"""Interrupts first fits while their kernels compile: ``python -m fuzz.cold_interrupts SEED TIMES``.

Each trial is a process of its own, and three share a cache folder, which fills as they go. After
the interrupt the process fits again, and so does a last one, without an interrupt: by whatever the
others left in the cache. Prints one line a trial.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time

from fuzz.farm import environment

#: Trials with one cache, and the seconds within which the interrupt comes.
TOGETHER, LONGEST = 3, 6.0

#: What a trial fits, and its objective.
MODELS = {
    "linear": ('mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))', 327.32705988),
    "newton": (
        'mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"), optimizer="newton")',
        327.32705988,
    ),
    "binomial": (
        'mm.glmm("cbind(incidence, size - incidence) ~ period + (1 | herd)", '
        'mm.datasets.load("cbpp"), "binomial")',
        184.052564,
    ),
}
#: An interrupt while pandas is being imported leaves a broken pandas: no matter of ours.
TRIAL = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
import formulaic, numbamm as mm, numbamm.models.generalized, numbamm.models.linear
print("ready", flush=True)
try:
    {fit}
    print("not interrupted", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
model = {fit}
assert abs(model.objective - {objective}) < 1e-4, model.objective
assert abs(model.objective_at(model.optsum.final) - model.objective) < 1e-8 * model.objective
print("right", flush=True)
"""


def main() -> None:
    """Interrupt first fits of all models in turn."""
    rng, times = random.Random(int(sys.argv[1])), int(sys.argv[2])
    for i in range(0, times, TOGETHER):
        with tempfile.TemporaryDirectory() as cache:
            names = [rng.choice(list(MODELS)) for _ in range(TOGETHER)]
            for k, name in enumerate(names):
                print(i + k, name, trial(name, cache, rng.uniform(0, LONGEST)), flush=True)
            for name in dict.fromkeys(names):
                print("then", name, trial(name, cache, None), flush=True)


def trial(name: str, cache: str, after: float | None) -> str:
    """What became of a process whose first fit is interrupted after so many seconds."""
    fit, objective = MODELS[name]
    process = subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-c", TRIAL.format(fit=fit, objective=objective)],
        env=environment() | {"NUMBA_CACHE_DIR": cache},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "ready\n"
    if after is not None:
        time.sleep(after)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: children, too
    out, errors = process.communicate(timeout=300)
    lines = out.splitlines()
    if errors.rstrip().endswith("KeyboardInterrupt"):  # after the first fit
        return "late"
    assert len(lines) == 2 and lines[1] == "right", (process.returncode, out, errors[-2000:])
    # An interrupt of a process that has said its word ends it by the signal.
    ends = {0} if after is None else {0, 1, 130, -signal.SIGINT}
    assert process.returncode in ends, (process.returncode, errors[-2000:])
    return lines[0]


if __name__ == "__main__":
    main()

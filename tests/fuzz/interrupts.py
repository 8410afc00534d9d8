"""Interrupts a process at random moments of fits; run as ``python -m fuzz.interrupts SEED TIMES``.

After each interrupt the model must be what it was or what it was to be: `objective_at` its θ is its
objective. Prints one line an interrupt, so that a process that dies tells how far it came.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
import warnings

import numpy as np

import numbamm as mm


def operations():
    """What is interrupted, by name, and the model to be checked afterwards."""
    sleep, cbpp = mm.datasets.load("sleepstudy"), mm.datasets.load("cbpp")
    formula = "Reaction ~ 1 + Days + (1 + Days | Subject)"
    counts = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    linear = mm.lmm(formula, sleep)
    binomial = mm.glmm(counts, cbpp, "binomial")
    crossed = mm.lmm("diameter ~ 1 + (1 | plate) + (1 | sample)", mm.datasets.load("Penicillin"))
    y = np.asarray(sleep["Reaction"], dtype=float)
    return {
        "fit": (lambda: mm.lmm(formula, sleep), linear),
        "refit": (lambda: linear.refit(y), linear),
        "refit newton": (lambda: linear.refit(y, optimizer="newton"), linear),
        "refit crossed": (lambda: crossed.refit(optimizer="newton"), crossed),
        "profile": (linear.profile, linear),
        "bootstrap": (lambda: linear.bootstrap(200, seed=1, progress=False), linear),
        "hessian": (linear.hessian, linear),
        "residuals": (lambda: [binomial.residuals("deviance") for _ in range(20)], binomial),
        "predict": (lambda: binomial.predict(cbpp, se=True), binomial),
        "glmm": (lambda: mm.glmm(counts, cbpp, "binomial"), binomial),
        "glmm refit": (binomial.refit, binomial),
        "quadrature": (lambda: mm.glmm(counts, cbpp, "binomial", nagq=5), binomial),
    }


def main() -> None:
    """Interrupt all operations in turn."""
    warnings.simplefilter("ignore")
    rng, times = random.Random(int(sys.argv[1])), int(sys.argv[2])
    todo = operations()
    durations = {}
    for name, (operation, _) in todo.items():
        operation()
        start = time.perf_counter()
        operation()
        durations[name] = time.perf_counter() - start
    for i in range(times):
        name = list(todo)[i % len(todo)]
        operation, model = todo[name]
        shot = threading.Timer(
            rng.random() * durations[name], os.kill, (os.getpid(), signal.SIGINT)
        )
        try:
            shot.start()
            operation()
            shot.join()
            time.sleep(0.002)
        except KeyboardInterrupt:
            pass
        shot.join()
        _check(name, model)
        print(i, name, flush=True)


def _check(name, model) -> None:
    x = model.optsum.final
    if x is not None and model.is_fitted:
        here, said = model.objective_at(x), model.objective
        assert abs(here - said) <= 1e-8 * abs(said), f"{name}: {here} is not {said}"


if __name__ == "__main__":
    main()

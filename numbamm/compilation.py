"""All kernels compiled at once, for ``python -m numbamm compile``."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

import numpy as np

import numbamm as mm


def compile_all() -> None:
    """Compile all kernels, in two processes where there are two cores; numba keeps the code."""
    halves = _call_linear_kernels, _call_generalized_kernels
    if _cores() == 1:
        for half in halves:
            half()
        return
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in [pool.submit(half) for half in halves]:
            future.result()


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _call_linear_kernels() -> None:
    """Small fits that between them call every kernel of linear models."""
    from numbamm.blocks import newton

    sleep = mm.datasets.load("sleepstudy")
    linear = mm.lmm("Reaction ~ 1 + Days + (1 + Days | Subject)", sleep, optimizer="newton")
    linear.bootstrap(2, seed=1, progress=False)
    singular = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff2"))
    linear.objective_gradient(linear.theta)
    linear.refit(sleep["Reaction"])
    newton.fit(linear.theta, linear.blocks.newton_model(*linear._criterion()), 1.0, 1.0, many=True)
    singular._certify(singular.theta).aside(0.1)
    for model in (linear, singular):
        model.leverage(), model.condvar(), model.residuals("deviance")


def _call_generalized_kernels() -> None:
    """The same for generalized models."""
    cbpp = mm.datasets.load("cbpp")
    counts = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    laplace = mm.glmm(counts, cbpp, "binomial", optimizer="newton")
    quadrature = mm.glmm(counts, cbpp, "binomial", nagq=3, optimizer="nlopt:LN_BOBYQA")
    laplace.predict(cbpp, se=True)
    laplace._objective(fast=True).certify(np.zeros(1))
    for model in (laplace, quadrature):
        model.leverage(), model.condvar(), model.residuals("deviance")

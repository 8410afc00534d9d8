"""All kernels compiled at once, for ``python -m numbamm compile``, and their cache cleared."""

from __future__ import annotations

import multiprocessing
import os
import pkgutil
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from pathlib import Path

import numpy as np

import numbamm as mm
from numbamm.glm.family import FAMILIES
from numbamm.glm.link import LINKS

#: Packages whose modules hold kernels.
ROOMS = ("numbamm.blocks", "numbamm.glm")


def compile_all() -> None:
    """Compile all kernels, in two processes where there are two cores; numba keeps the code."""
    halves = _call_linear_kernels, _call_generalized_kernels
    if _cores() == 1:
        call_kernels()
        return
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in [pool.submit(half) for half in halves]:
            future.result()


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def clear() -> list[Path]:
    """Remove the files of all kept kernels; numba compiles a kernel anew when it is called.

    Returns
    -------
    list of Path
        The folders in which there were files.
    """
    cleared = []
    for folder in _cache_folders():
        kept = [*folder.glob("*.nbi"), *folder.glob("*.nbc")]
        for path in kept:
            path.unlink(missing_ok=True)  # another process may clear, too
        if kept:
            cleared.append(folder)
    return cleared


def _cache_folders() -> list[Path]:
    """The folders that numba keeps our kernels in; each is for files of one of the rooms alone."""
    from numba.core.dispatcher import Dispatcher

    folders = set()
    for room in ROOMS:
        for module in pkgutil.walk_packages(import_module(room).__path__, f"{room}."):
            kernels = vars(import_module(module.name)).values()
            folders |= {k.stats.cache_path for k in kernels if isinstance(k, Dispatcher)}
    folders |= {link.rows.stats.cache_path for link in LINKS}
    return sorted(Path(folder) for folder in folders if folder)


def call_kernels() -> None:
    """Call all kernels in this process, which compiles those that are not kept."""
    _call_linear_kernels()
    _call_generalized_kernels()


def _call_linear_kernels() -> None:
    """Small fits that between them call every kernel of linear models."""
    from numbamm.blocks.search import newton

    sleep = mm.datasets.load("sleepstudy")
    linear = mm.lmm("Reaction ~ 1 + Days + (1 + Days | Subject)", sleep, optimizer="newton")
    linear.bootstrap(2, seed=1, progress=False)
    singular = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff2"))
    linear.objective_gradient(linear.theta)
    linear.refit(sleep["Reaction"])
    newton.fit(
        linear.theta, linear.blocks.newton_model(*linear.space.criterion), 1.0, 1.0, many=True
    )
    singular.space.certify(singular.theta).escape(0.1)
    for model in (linear, singular):
        model.leverage(), model.condvar(), model.residuals("deviance")


def _call_generalized_kernels() -> None:
    """The same for generalized models."""
    cbpp = mm.datasets.load("cbpp")
    counts = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    laplace = mm.glmm(counts, cbpp, "binomial", optimizer="newton")
    quadrature = mm.glmm(counts, cbpp, "binomial", nagq=3, optimizer="nlopt:LN_BOBYQA")
    laplace.predict(cbpp, se=True)
    laplace.space_of(laplace.parameters(fast=True)).laplace.certify(np.zeros(1))
    for model in (laplace, quadrature):
        model.leverage(), model.condvar(), model.residuals("deviance")
    for family in FAMILIES:  # their row kernels; a link's has one for means in (0, 1), too
        for link in LINKS:
            family.addresses(link)

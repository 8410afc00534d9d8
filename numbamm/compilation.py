"""All kernels compiled at once, for ``python -m numbamm compile``, and their cache cleared."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from pathlib import Path

import numpy as np
from numba.core.dispatcher import Dispatcher

import numbamm as mm
from numbamm.blocks.jit import compile_ahead
from numbamm.blocks.linking import Linked, dispatcher_of
from numbamm.glm.cumulative.cumulative_family import ordinal_family
from numbamm.glm.family import FAMILIES
from numbamm.glm.link import LINKS
from numbamm.glm.parts.extended import extended
from numbamm.glm.parts.family_rows import rows_kernel

#: Packages whose modules hold kernels.
ROOMS = ("numbamm.blocks", "numbamm.glm")


def compile_all() -> None:
    """Compile all kernels, in as many processes as there are cores; numba keeps the code."""
    compile_ahead(*_kernels())
    call_kernels()


def _kernels() -> list:
    """The kernels that Python calls."""
    return [
        kernel for kernel in _all() if getattr(dispatcher_of(kernel), "takes", None) is not None
    ]


def _all() -> list:
    """All kernels of the rooms' modules, each once."""
    found = {}
    for room in ROOMS:
        for module in pkgutil.walk_packages(import_module(room).__path__, f"{room}."):
            for kernel in vars(import_module(module.name)).values():
                if isinstance(kernel, (Dispatcher, Linked)):
                    found[kernel] = True
    return list(found)


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
    kernels = [*_all(), *(link.rows for link in LINKS)]
    kernels += [rows_kernel(extended(family)) for family in FAMILIES]
    folders = {dispatcher_of(kernel).stats.cache_path for kernel in kernels}
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
    mm.lmm("Reaction ~ Days + cs(Days | Subject)", sleep, optimizer="newton")
    intercepts = "Reaction ~ Days + (1 | Subject)"
    mm.lmm(intercepts, sleep, residual="ar1(Days | Subject)", dispersion="~ Days")
    mm.lmm("Reaction ~ Days", sleep, residual="cs(Days | Subject)")
    mm.lmm(intercepts, sleep.assign(late=sleep["Days"] > 4), dispersion="~ late")
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
        if family.density is not None:
            continue  # by jets, each compiled when it is first used
        for link in LINKS:
            family.addresses(link)
    for link in LINKS:
        if link.onto_unit:
            ordinal_family(3).addresses(link)

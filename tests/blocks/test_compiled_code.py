"""The ugly sides of compilation: cache, new signatures, allocation, threads."""

import gc
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest
from blocks.dense import random_theta, rows, structures
from numba.core.runtime import _nrt_python, rtsys

import numbamm as mm
from numbamm.blocks import cholesky, crossprod, gradient, solve
from numbamm.blocks.search import by_differences, evaluation, newton
from numbamm.blocks.tail.dense_tail import DenseTail

ENTRY_POINTS = [
    cholesky.objective,
    by_differences.search,
    gradient.objective_gradient,
    newton.advance,
    newton.advance_many,
    crossprod.crossprod,
    crossprod.crossprod_response,
    solve.solve,
    solve.quadratic_forms,
]
DEGREES = np.array([120, 0])


def use_everything(terms):
    blocks = DenseTail(terms, rows())
    theta = random_theta(terms)
    value = blocks.objective(theta, DEGREES, 0.0, 0.0)
    blocks.objective_gradient(theta, DEGREES, 0.0, 0.0)
    layout = blocks.layout
    arrays = layout.table, layout.index, blocks.A, blocks.work, blocks.adjoint
    model = evaluation.Model(*arrays, DEGREES, 0.0, 0.0)
    for many in (False, True):
        value += newton.fit(theta.copy(), model, 1e-8, 0.0, many=many)[0]
    blocks.factorize(theta)
    blocks.solve()
    blocks.leverage()
    blocks.new_response(rows()[:, -1])
    return value


def use_some(terms):
    """What of it needs kernels that are compiled in seconds."""
    blocks = DenseTail(terms, rows())
    blocks.factorize(random_theta(terms))
    blocks.solve()
    value = blocks.leverage().sum()
    blocks.new_response(rows()[:, -1])
    return value + blocks.objective(random_theta(terms), DEGREES, 0.0, 0.0)


def test_another_model_compiles_nothing():
    models = structures()
    use_everything(models["scalar"])
    before = [len(kernel.signatures) for kernel in ENTRY_POINTS]
    for terms in models.values():
        use_everything(terms)
    assert [len(kernel.signatures) for kernel in ENTRY_POINTS] == before == [1] * len(ENTRY_POINTS)


def test_evaluations_allocate_nothing():
    @numba.njit
    def many(times, theta, table, index, A, work, adjoint, degrees, out):
        total = 0.0
        for _ in range(times):
            total += cholesky.objective(theta, table, index, A, work, degrees, 0.0, 0.0)
            total += gradient.objective_gradient(
                theta, table, index, A, work, adjoint, degrees, 0.0, 0.0, out
            )
        return total

    def allocations(times, terms):
        blocks, theta = DenseTail(terms, rows()), random_theta(terms)
        layout = blocks.layout
        arguments = (layout.table, layout.index, blocks.A, blocks.work, blocks.adjoint, DEGREES)
        before = rtsys.get_allocation_stats().alloc
        many(times, theta, *arguments, theta.copy())
        return rtsys.get_allocation_stats().alloc - before

    _nrt_python.memsys_enable_stats()
    try:
        for terms in structures().values():
            allocations(1, terms)
            assert allocations(1000, terms) == allocations(1, terms)
    finally:
        _nrt_python.memsys_disable_stats()


def test_nothing_leaks():
    """Kernels do not count references, but for those that own arrays."""
    sleepstudy, cbpp = (mm.datasets.load(name) for name in ("sleepstudy", "cbpp"))
    crossed = "diameter ~ 1 + (1 | plate) + (1 | sample)"
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"

    def work():
        for terms in structures().values():
            use_everything(terms)
        singular = sleepstudy.assign(Reaction=np.cos(np.arange(len(sleepstudy)) ** 2))
        for data in (sleepstudy, singular):
            m = mm.lmm("Reaction ~ Days + (1 + Days | Subject)", data, optimizer="newton")
            m.bootstrap(20, seed=1)
        mm.lmm(crossed, mm.datasets.load("Penicillin"), optimizer="newton").condvar()
        for link in ("logit", "probit"):
            mm.glmm(formula, cbpp, "binomial", link, optimizer="newton").simulate(1)
        mm.glmm(formula, cbpp, "binomial", nagq=5)

    work()
    gc.collect()
    _nrt_python.memsys_enable_stats()
    try:
        before = rtsys.get_allocation_stats()
        work()
        gc.collect()
        after = rtsys.get_allocation_stats()
    finally:
        _nrt_python.memsys_disable_stats()
    made, freed = after.alloc - before.alloc, after.free - before.free
    assert made == freed > 0


def test_threads_share_a_model():
    terms = structures()["partly crossed, mixed widths"]
    blocks = DenseTail(terms, rows())
    thetas = [random_theta(terms, seed) for seed in range(40)]

    def evaluate(theta):
        return blocks.objective(theta, DEGREES, 0.0, 0.0)

    expected = [evaluate(theta) for theta in thetas]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(evaluate, thetas)) == expected


def test_gil_is_released():
    """So that a second thread can evaluate, or run Python, meanwhile."""
    assert all(kernel.targetoptions["nogil"] for kernel in ENTRY_POINTS)


SCRIPT = """
import sys
sys.path.insert(0, "tests")
from blocks.test_compiled_code import {use}
from blocks.dense import structures
print(repr([{use}(terms) for terms in structures().values()]))
"""


@pytest.fixture(scope="module", params=["some", pytest.param("everything", marks=pytest.mark.slow)])
def cold_start(request, first_use, tmp_path_factory):
    """Two processes that compile at once into one cache: a function, and what each printed of it.

    The cache is empty, or has what the session's first process compiled anew.
    """
    some = request.param == "some"
    cache = first_use.folder if some else tmp_path_factory.mktemp("cache")
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
    use = use_some if some else use_everything
    script = [sys.executable, "-c", SCRIPT.format(use=use.__name__)]
    processes = [
        subprocess.Popen(script, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    return use, outputs


def test_cache_agrees_with_a_fresh_compilation(cold_start):
    """numba does not notice a change in a callee in another file: see CONTRIBUTING."""
    use, outputs = cold_start
    assert outputs[0].strip() == repr([use(terms) for terms in structures().values()])


def test_processes_may_compile_at_once(cold_start):
    _, (first, second) = cold_start
    assert first == second

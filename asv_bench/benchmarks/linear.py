"""Linear mixed models: construction, one evaluation, whole fits, memory, threads."""

import time
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np

from numbamm.blocks.gradient import objective_gradient
from numbamm.blocks.information import curvature
from numbamm.blocks.search.evaluation import FEVAL
from numbamm.blocks.search.newton import advance, fit, start
from numbamm.blocks.threads import blas_threads

from .common import FORMULAS, evaluation_arguments, evaluations, frame, model, search_model

SMALL = ("sleepstudy", "Penicillin", "Pastes")
LARGE = ("InstEval", "InstEval dept:service")


class Construction:
    """From a formula and a frame to a model that can be fitted."""

    params = tuple(FORMULAS)
    param_names = ("model",)

    def setup(self, name):
        self.frame = frame(name)
        model(name)

    def time_model(self, name):
        import numbamm as mm

        mm.LinearMixedModel(FORMULAS[name], self.frame)

    def peakmem_model(self, name):
        model(name)


class Evaluation:
    """One evaluation of the objective on one BLAS thread; a microsecond of it is Python's call."""

    params = tuple(FORMULAS)
    param_names = ("model",)

    def setup(self, name):
        self.arguments = evaluation_arguments(model(name))
        self.limit = blas_threads(1)
        self.limit.__enter__()
        evaluations(1, *self.arguments)

    def teardown(self, name):
        self.limit.__exit__(None, None, None)

    def time_objective(self, name):
        evaluations(1, *self.arguments)


@numba.njit(nogil=True)
def ten_curvatures(table, index, A, work, adjoint, degrees, sigma, entries, H):
    """The curvature ten times over, without Python between."""
    for _ in range(10):
        curvature(table, index, A, work, adjoint, degrees, sigma, entries, H)


class Gradient:
    """Objective with gradient, and ten times the curvature for a Newton step after it."""

    params = tuple(FORMULAS)
    param_names = ("model",)

    def setup(self, name):
        self.model = search_model(model(name))
        self.theta = model(name).theta
        self.out = self.theta.copy()
        search, state = start(self.theta, self.model, 1.0, 1.0)
        advance(state, search, self.model, 0)
        self.theta_index = search.theta_index
        self.H = np.empty((len(self.theta), len(self.theta)))
        self.limit = blas_threads(1)
        self.limit.__enter__()
        self.time_objective_gradient(name)
        self.time_ten_curvatures(name)

    def teardown(self, name):
        self.limit.__exit__(None, None, None)

    def time_objective_gradient(self, name):
        objective_gradient(self.theta, *self.model, self.out)

    def time_ten_curvatures(self, name):
        arrays, sigma = self.model[:-2], self.model.sigma
        ten_curvatures(*arrays, sigma, self.theta_index, self.H)


class Newton:
    """The compiled fit alone, from the identity, and its evaluations."""

    params = tuple(FORMULAS)
    param_names = ("model",)

    def setup(self, name):
        self.theta, self.model = model(name).theta, search_model(model(name))
        self.limit = blas_threads(1)
        self.limit.__enter__()
        self.time_fit(name)

    def teardown(self, name):
        self.limit.__exit__(None, None, None)

    def time_fit(self, name):
        return fit(self.theta.copy(), self.model, 1e-8, 1e-12)

    def track_evaluations(self, name):
        return int(self.time_fit(name)[1].counts[FEVAL])


class Fit:
    """The optimisation alone, by the default optimiser, and its evaluations."""

    params = (*SMALL, *LARGE, "crossed 20")
    param_names = ("model",)
    timeout = 300

    def setup(self, name):
        self.model = model(name).fit()

    def time_refit(self, name):
        self.model.refit()

    def track_evaluations(self, name):
        return self.model.optsum.feval


class Threads:
    """How many times the work of one thread two of them do in the same time."""

    params = ("Penicillin", "crossed 20", "InstEval")
    param_names = ("model",)
    times = {"Penicillin": 100_000, "crossed 20": 1000, "InstEval": 20}

    def setup(self, name):
        built = model(name)
        self.arguments = [evaluation_arguments(built) for _ in range(2)]
        evaluations(1, *self.arguments[0])

    def track_speedup_of_two(self, name):
        times = self.times[name]
        with blas_threads(1), ThreadPoolExecutor(2) as pool:
            begin = time.perf_counter()
            evaluations(times, *self.arguments[0])
            one = time.perf_counter() - begin
            begin = time.perf_counter()
            list(pool.map(lambda arguments: evaluations(times, *arguments), self.arguments))
            return 2 * one / (time.perf_counter() - begin)

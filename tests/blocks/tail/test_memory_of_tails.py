"""What a tail takes is known before it is allocated, and what does not fit is refused."""

import subprocess
import sys
import textwrap

import pytest

pytest.importorskip("sksparse")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and ulimit -v")

DESIGN = """
import ctypes
import resource
import numpy as np
import numbamm as mm
from numbamm.blocks.layout import build_layout
from numbamm.blocks.tail.registry import tail_of

def ring(n):
    "Two crossed factors of n levels, each of two rows: all are connected, and nearly none meet."
    rng = np.random.default_rng(3)
    g, h = np.arange(n), rng.permutation(n)
    frame = {"g": np.tile(g, 2), "h": np.concatenate([h, np.roll(h, 1)])}
    frame["y"] = rng.normal(size=n)[frame["g"]] + rng.normal(size=2 * n)
    return frame

def movers(workers, firms, years, moves):
    rng = np.random.default_rng(2)
    popular = rng.pareto(1.2, firms) + 1
    p = popular / popular.sum()
    firm, rows = rng.choice(firms, workers, p=p), []
    for _ in range(years):
        moved = rng.random(workers) < moves
        firm = np.where(moved, rng.choice(firms, workers, p=p), firm)
        rows.append(firm)
    h, g = np.concatenate(rows), np.tile(np.arange(workers), years)
    return {"g": g, "h": h, "y": rng.normal(size=len(g)), "z": rng.random(len(g)) < 0.5}

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(1024 * float(l.split()[1]) for l in lines if l.startswith("VmHWM"))

FORMULA = "y ~ 1 + (1 | g) + (1 | h)"
FEW = {k: v[:400] for k, v in movers(200, 40, 3, 0.5).items()}
"""


def run(script, limit=None):
    """The last line that a process prints, with at most `limit` bytes of address space."""
    before = f"import resource\nresource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))\n"
    program = (before if limit else "") + DESIGN + textwrap.dedent(script)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.slow
def test_a_tail_that_fits_is_taken_where_another_would_not():
    found = run(
        """
        m = mm.lmm(FORMULA, ring(20_000))
        print(m.blocks.name, m.optsum.returnvalue)
        """,
        limit=4_000_000_000,
    )
    assert found == "sparse CONVERGED"


LINEAR = "mm.LinearMixedModel(FORMULA, frame, "
GENERALIZED = "mm.GeneralizedLinearMixedModel(FORMULA.replace('y', 'z'), frame, 'bernoulli', "


@pytest.mark.parametrize(
    ("models", "design"),
    [
        (
            [LINEAR + "tail='dense'", LINEAR + "tail='sparse'", GENERALIZED + "tail='sparse'"],
            "movers(40_000, 12_000, 6, 1.0)",
        ),
        pytest.param([LINEAR + "tail='iterative'"], "ring(800_000)", marks=pytest.mark.slow),
        pytest.param(
            [GENERALIZED + "tail='dense'"],
            "movers(40_000, 12_000, 6, 1.0)",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_memory_runs_out(models, design):
    attempts = "".join(
        f"""
        try:
            {model})
        except mm.DataError as error:
            print(error, end=";")
        """
        for model in models
    )
    found = run(f"        frame = {design}\n{attempts}", limit=2_500_000_000)
    assert found.count("more than half of the") == found.count("GB of memory") == len(models)


#: Loads the kernels of a tail.
SMALL = "mm.LinearMixedModel(FORMULA, ring(200), tail={tail}).objective_gradient([1.0, 1.0])"


#: The same for generalized models.
SMALL_GENERALIZED = f"frame = FEW; {GENERALIZED}tail={{tail}}).objective_gradient([1.0, 1.0])"


@pytest.fixture(scope="module")
def kernels_are_kept():
    """A process that compiles takes more memory."""
    tails = "for tail in ('dense', 'sparse', 'iterative'):"
    linear, generalized = SMALL.format(tail="tail"), SMALL_GENERALIZED.format(tail="'sparse'")
    run(f"{tails} {linear}\n{generalized}\nprint(0)")


@pytest.mark.parametrize(
    ("tail", "design"),
    [
        ("dense", "ring(1_800)"),
        ("sparse", "movers(20_000, 5_000, 5, 0.5)"),
        pytest.param("iterative", "movers(200_000, 120_000, 6, 0.5)", marks=pytest.mark.slow),
    ],
)
def test_the_prediction_is_what_is_taken(kernels_are_kept, tail, design):
    predicted, taken = map(
        float,
        run(
            f"""
            frame, tail = {design}, {tail!r}
            {SMALL.format(tail=repr(tail))}
            model = mm.LinearMixedModel(FORMULA, frame, tail=tail)
            model.blocks._drop_buffers()
            open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
            held = peak() - model.blocks.A.nbytes
            model.objective_gradient([1.0, 1.0])
            predicted = tail_of(tail).predict(model.layout, model.reterms, asked=True).bytes
            print(predicted, peak() - held)
            """
        ).split(),
    )
    assert taken == pytest.approx(predicted, rel=0.2)
    assert predicted > 5e7


@pytest.mark.parametrize(
    ("tail", "design"),
    [
        pytest.param("dense", "ring(2_600)", marks=pytest.mark.slow),
        ("sparse", "movers(15_000, 4_000, 5, 0.5)"),
    ],
)
def test_the_prediction_is_what_a_generalized_model_takes(kernels_are_kept, tail, design):
    """Both factors, that with β varying and that with β held, and their working rows."""
    predicted, taken = map(
        float,
        run(
            f"""
            from numbamm.models.fitting.generalized_tail import predict
            {SMALL_GENERALIZED.format(tail=repr(tail))}
            frame, tail = {design}, {tail!r}
            frame["z"] = frame["y"] > 0
            model = {GENERALIZED}tail=tail)
            model._modes.varied._drop_buffers()
            model._modes.held._drop_buffers()
            ctypes.CDLL(None).malloc_trim(0)
            open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
            held = peak()
            model.objective_gradient([1.0, 1.0])
            model.objective_gradient([0.1, 1.0, 1.0])
            print(predict(tail, model.layout, model.reterms, True, True).bytes, peak() - held)
            """
        ).split(),
    )
    assert taken == pytest.approx(predicted, rel=0.2)
    assert predicted > 1e8

"""What a fresh process waits for."""

import os
import subprocess
import sys
import tempfile

FIT = (
    "import numbamm as mm;"
    "mm.lmm('Reaction ~ 1 + Days + (1 + Days | Subject)', mm.datasets.load('sleepstudy'))"
)
NEWTON = FIT.replace("'))", "'), optimizer='newton')")
GENERALIZED = (
    "import numbamm as mm;"
    "mm.glmm('cbind(incidence, size - incidence) ~ period + (1 | herd)',"
    " mm.datasets.load('cbpp'), 'binomial')"
)


def run(code, **environment):
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | environment)


class Startup:
    """Import, and the first fitted model with a full cache of kernels and with an empty one."""

    timeout = 300
    number, repeat, rounds, warmup_time = 1, 5, 1, 0

    def setup(self):
        run(FIT)

    def time_import(self):
        run("import numbamm")

    def time_import_of_what_we_stand_on(self):
        run("import numba, numpy, pandas, scipy.linalg, formulaic, nlopt")

    def time_first_fit_sleepstudy(self):
        run(FIT)


class ColdStart:
    """The first fitted model when every kernel has to be compiled."""

    timeout = 600
    number, repeat, rounds, warmup_time = 1, 2, 1, 0

    params = [FIT, NEWTON, GENERALIZED], ["1", "2"]
    param_names = ["fit", "processes"]

    def time_first_fit(self, fit, processes):
        with tempfile.TemporaryDirectory() as folder:
            run(fit, NUMBA_CACHE_DIR=folder, NUMBAMM_COMPILE_PROCESSES=processes)

"""Fit the same models by numbamm and its rivals, in one run; fill in speed.md.

Run as ``python docs/speed.py --rivals PATH/python --rscript Rscript``; what is absent is skipped.
A process fits one model by one program, so that its peak of memory is its own.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import geometric_mean

import numpy as np

PAGE = Path(__file__).with_suffix(".md")
BEGIN, END = "<!-- table: python docs/speed.py -->", "<!-- end of table -->"
BUDGET, MOST_FITS = 0.4, 500  # repeated fits; seconds are those of the CPU, on one thread
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
INTERACTIONS = "1 + S + P + C + SP + SC + PC + SPC"
VERBAGG = "r2 ~ Anger + Gender + btype + situ + (1 | id) + (1 | item)"

#: Name: (data, formula in R's notation, family, weights, fast).
MODELS = {
    "Dyestuff": ("Dyestuff", "Yield ~ 1 + (1 | Batch)", "", "", False),
    "sleepstudy, 3 θ": ("sleepstudy", "Reaction ~ Days + (1 + Days | Subject)", "", "", False),
    "Penicillin": ("Penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)", "", "", False),
    "Pastes": ("Pastes", "strength ~ 1 + (1 | sample) + (1 | batch)", "", "", False),
    "InstEval": ("InstEval", "y ~ service + (1 | s) + (1 | d)", "", "", False),
    "VerbAgg, fast": ("VerbAgg", VERBAGG, "binomial", "", True),
    "VerbAgg, full": ("VerbAgg", VERBAGG, "binomial", "", False),
    "cbpp": ("cbpp", "proportion ~ period + (1 | herd)", "binomial", "size", False),
    "Contraception": (
        "Contraception",
        "use ~ age + age2 + urban + livch + (1 + urban | district)",
        "binomial",
        "",
        False,
    ),
    "grouseticks": (
        "grouseticks",
        "TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION)",
        "poisson",
        "",
        False,
    ),
    "kb07, 20 θ": (
        "kb07",
        "RTtrunc ~ S * P * C + (1 + S + P + C | subj) + (1 + S + P + C | item)",
        "",
        "",
        False,
    ),
    "kb07, 72 θ": (
        "kb07",
        f"RTtrunc ~ {INTERACTIONS} + ({INTERACTIONS} | subj) + ({INTERACTIONS} | item)",
        "",
        "",
        False,
    ),
}
OURS = ("newton", "nlopt:LN_BOBYQA")
PYTHON_RIVALS = ("glmm", "mixedlm", "gpboost", "statsmodels")
R_RIVALS = ("lme4", "glmmTMB")


def prepare(name: str, folder: Path) -> dict:
    """Write the data of a model for all programs, and say what they are to fit."""
    from pandas.api.types import is_numeric_dtype

    sys.path.insert(0, str(PAGE.parents[1] / "tests"))
    from oracles import dataset

    data, formula, family, weights, fast = MODELS[name]
    frame = dataset(data).copy()
    if data == "cbpp":
        frame["proportion"] = frame["incidence"] / frame["size"]
    if data == "Contraception":
        frame["age2"] = frame["age"] ** 2
    response = formula.split(" ~ ")[0]
    if not is_numeric_dtype(frame[response]):  # the second level is a success
        frame[response] = frame[response].astype("category").cat.codes.astype(float)
    factors = [column for column in frame if not is_numeric_dtype(frame[column])]
    levels = {f: [str(v) for v in frame[f].astype("category").cat.categories] for f in factors}
    path = folder / f"{data}.csv"
    frame.to_csv(path, index=False)
    return {"csv": str(path), "levels": levels, "formula": formula, "family": family,
            "weights": weights, "fast": fast}  # fmt: skip


def fits(program: str, task: dict) -> dict:
    """Worker: fit the model of `task` by a program of Python, first to warm, then to measure."""
    import pandas as pd

    frame = pd.read_csv(task["csv"], dtype={name: str for name in task["levels"]})
    for name, levels in task["levels"].items():
        frame[name] = pd.Categorical(frame[name], levels)
    fit = FITTERS.get(program, ours(program))
    result, count, begin = fit(frame, task), 0, time.process_time()
    while (spent := time.process_time() - begin) < BUDGET and count < MOST_FITS:
        result, count = fit(frame, task), count + 1
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    peak = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024
    return {**result, "seconds": spent / count, "peak": peak}


def ours(optimizer):
    def fit(frame, task):
        import numbamm as mm

        formula = task["formula"].replace("^", "**")
        options = {"optimizer": optimizer, "weights": task["weights"] or None}
        if task["family"]:
            family = task["family"]
            m = mm.glmm(formula, frame, family, fast=task["fast"], **options)
        else:
            m = mm.lmm(formula, frame, **options)
        return {"objective": float(m.objective), "evaluations": int(m.optsum.feval)}

    return fit


def glmm(frame, task):
    import glmm

    formula = task["formula"].replace("^", "**")
    options = {"weights": frame[task["weights"]].to_numpy(float)} if task["weights"] else {}
    if not task["family"]:
        options["reml"] = False
    m = glmm.fit(frame, formula, task["family"] or "gaussian", **options)
    value = next(getattr(m, n) for n in ("loglik", "log_likelihood", "llf", "logLik")
                 if hasattr(m, n))  # fmt: skip
    return {"objective": -2 * float(value() if callable(value) else value), "evaluations": None}


def mixedlm(frame, task):
    import mixedlm
    from mixedlm import families

    formula, weights = task["formula"], task["weights"] or None
    if not task["family"]:
        m = mixedlm.lmer(formula, frame, REML=False)
    else:
        family = {"binomial": "Binomial", "poisson": "Poisson"}[task["family"]]
        m = mixedlm.glmer(formula, frame, family=getattr(families, family)(), weights=weights,
                          nAGQ=0 if task["fast"] else 1)  # fmt: skip
    value = m.logLik()
    return {"objective": -2 * float(getattr(value, "value", value)), "evaluations": None}


def gpboost(frame, task):
    import gpboost
    import patsy

    response, right = task["formula"].split(" ~ ")
    groups = re.findall(r"\(1 \| (\w+)\)", right)
    fixed = re.sub(r"\+ \([^)]*\)", "", right)
    likelihood = {"": "gaussian", "binomial": "bernoulli_logit"}.get(task["family"], task["family"])
    m = gpboost.GPModel(group_data=frame[groups].astype(str).to_numpy(), likelihood=likelihood,
                        num_parallel_threads=1)  # fmt: skip
    m.fit(frame[response].to_numpy(float), X=np.asarray(patsy.dmatrix(fixed, frame)))
    return {"objective": 2 * float(m.get_current_neg_log_likelihood()), "evaluations": None}


def statsmodels(frame, task):
    import statsmodels.formula.api as smf

    right = re.search(r"\(([^|]*) \| (\w+)\)", task["formula"])
    fixed = task["formula"].replace(f"+ {right[0]}", "")
    m = smf.mixedlm(fixed, frame, groups=right[2], re_formula=right[1]).fit(reml=False)
    return {"objective": -2 * float(m.llf), "evaluations": None}


FITTERS = {"glmm": glmm, "mixedlm": mixedlm, "gpboost": gpboost, "statsmodels": statsmodels}


def is_for(program: str, task: dict) -> bool:
    """Whether a program has such models, as far as is asked here."""
    several = task["formula"].count("|") > 1
    only_intercepts = task["formula"].count("|") == task["formula"].count("(1 |")
    return {
        "glmm": not task["fast"],
        "glmmTMB": not task["fast"],
        "gpboost": only_intercepts and not task["fast"] and not task["weights"],
        "statsmodels": not several and not task["family"],
    }.get(program, True)


def run(program: str, task: dict, options) -> dict:
    """One program on one model in a process of its own."""
    if not is_for(program, task):
        return {"error": "not tried"}
    if program in R_RIVALS:
        command = [options.rscript, str(PAGE.with_suffix(".R")), program, task["csv"],
                   task["formula"], task["family"], task["weights"], str(int(not task["fast"])),
                   ",".join(task["levels"]), "100"]  # fmt: skip
    else:
        python = options.rivals if program in PYTHON_RIVALS else sys.executable
        command = [python, str(Path(__file__)), "--worker", program, json.dumps(task)]
    limit = int(options.timeout)
    command = ["sh", "-c", f'ulimit -t {limit}; exec "$@"', "sh", *command]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | ONE_THREAD)
    if -done.returncode in (signal.SIGXCPU, signal.SIGKILL):
        return {"error": f"more than {limit} s"}
    if done.returncode:
        said = done.stderr.replace("Execution halted", "").strip().splitlines() or ["crashed"]
        return {"error": said[-1].strip()[:90]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def row(model: str, program: str, result: dict) -> str:
    if "error" in result:
        cells = ["", "", "", "", result["error"].replace("|", "/")]
    else:
        evaluations = result["evaluations"] or ""
        cells = [f"{result['objective']:.4f}", f"{evaluations}", f"{result['seconds']:.2g}",
                 f"{result['peak']:.0f}", ""]  # fmt: skip
    return "| " + " | ".join([model, f"`{program}`", *cells]) + " |"


def summary(results: dict) -> str:
    """Geometric means of the ratios of seconds to those of newton."""
    lines = []
    for program in [*R_RIVALS, *PYTHON_RIVALS, OURS[1]]:
        ratios = [
            by[program]["seconds"] / by["newton"]["seconds"]
            for by in results.values()
            if by.get(program, {}).get("seconds") and by["newton"].get("seconds")
        ]
        if ratios:
            mean, least, most = geometric_mean(ratios), min(ratios), max(ratios)
            lines.append(
                f"* `{program}`: {mean:.2g} times the seconds of `newton` "
                f"({least:.2g} to {most:.2g}; {len(ratios)} models)"
            )
    return "\n".join(lines)


def main() -> None:
    """Put the table between the page's markers, anew after each model."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--worker", nargs=2)
    parser.add_argument("--rivals", help="interpreter that has the rivals of PyPI")
    parser.add_argument("--rscript", help="Rscript that has lme4 and glmmTMB")
    parser.add_argument("--without", nargs="*", default=[], help="programs to leave out")
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds of CPU")
    options = parser.parse_args()
    if options.worker:
        program, task = options.worker
        print(json.dumps(fits(program, json.loads(task))))
        return
    programs = [*OURS, *(R_RIVALS if options.rscript else ()),
                *(PYTHON_RIVALS if options.rivals else ())]  # fmt: skip
    programs = [program for program in programs if program not in options.without]
    results, lines = {}, ["| model | program | objective | evaluations | seconds | MB | |",
                          "| --- | --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for name in MODELS:
            task = prepare(name, Path(folder))
            results[name] = {program: run(program, task, options) for program in programs}
            lines += [row(name, program, r) for program, r in results[name].items()]
            text = "\n".join(lines) + "\n\n" + summary(results)
            page = PAGE.read_text(encoding="utf-8")
            between = re.compile(f"(?<={re.escape(BEGIN)}\n).*(?={re.escape(END)})", re.DOTALL)
            PAGE.write_text(between.sub(lambda _, t=text: f"\n{t}\n\n", page), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Fit families, zeros and ordinal models by numbamm and by R's packages in turn; fill in speed.md.

Run as ``python docs/speed_families.py --rscript Rscript``, with glmmTMB, ordinal and jsonlite. The
models are the oracles of the tests, besides the Owls of glmmTMB. Both programs are warm, and times
are seconds of CPU: one process of R fits each model in turn with this one.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from statistics import geometric_mean, median

PAGE = Path(__file__).with_name("speed.md")
sys.path.insert(0, str(PAGE.parents[1] / "tests"))
BEGIN, END = "<!-- table: python docs/speed_families.py -->", "<!-- end of the families' table -->"
ROUNDS = 2
#: The calls and feeding of owlets: glmmTMB's own data, which R writes for us.
OWLS = {
    "formula": "SiblingNegotiation ~ FoodTreatment * SexParent + ArrivalTime + "
    "offset(log(BroodSize)) + (1 + FoodTreatment | Nest)",
    "family": "nbinom2",
    "link": "log",
    "zi": "~ FoodTreatment",
}


def frame_to_file(frame, folder: Path, name: str) -> dict:
    """Write data for R, and say which columns are factors and how their levels are ordered."""
    from pandas.api.types import is_numeric_dtype

    path = folder / f"{name}.csv"
    frame.to_csv(path, index=False)
    words = [column for column in frame if not is_numeric_dtype(frame[column])]
    levels = {c: [str(v) for v in frame[c].astype("category").cat.categories] for c in words}
    return {"csv": str(path), "levels": levels}


def family_tasks(folder: Path):
    """Each oracle that glmmTMB can fit: its name, what R needs, and our fit."""
    from models.parts.family_oracles import ORACLES, options, prepared

    import numbamm as mm

    for name, oracle in ORACLES.items():
        if oracle["kind"] == "quadrature":
            continue
        frame, given = prepared(oracle), options(oracle)
        kind = {"family": oracle["family"], "link": oracle["link"]}
        task = {"formula": oracle["formula"], **kind, **frame_to_file(frame, folder, name)}
        task |= {
            "zi": oracle.get("ziformula"),
            "dispersion": given.get("dispersion"),
            "df": given.get("shape"),
        }

        def fit(formula=oracle["formula"], frame=frame, kind=kind, given=given):
            return mm.glmm(formula, frame, *kind.values(), information="observed", **given)

        yield name, task, fit


def owl_tasks(folder: Path, rscript: str):
    """Calls of owlets, whose data come with glmmTMB."""
    import pandas as pd

    import numbamm as mm

    path = folder / "owls.csv"
    code = f"write.csv(glmmTMB::Owls, '{path}', row.names = FALSE)"
    subprocess.run([rscript, "-e", code], check=True, capture_output=True)
    frame = pd.read_csv(path)
    task = {**OWLS, **frame_to_file(frame, folder, "owls")}

    def fit():
        kind = OWLS["family"], OWLS["link"]
        return mm.glmm(OWLS["formula"], frame, *kind, zi=OWLS["zi"], information="observed")

    yield "Owls, zero-inflated, with slopes", task, fit


def ordinal_tasks(folder: Path):
    """Each ordinal oracle."""
    import oracles
    import pandas as pd
    from ordinal_models import ORACLES

    import numbamm as mm

    for name, oracle in ORACLES.items():
        response = oracle["formula"].partition("~")[0].strip()
        kind = pd.CategoricalDtype(oracle["categories"], ordered=True)
        data = oracles.dataset(oracle["dataset"])
        frame = data.assign(**{response: data[response].astype(str).astype(kind)})
        options = {key: oracle.get(key) for key in ("threshold", "nominal", "scale")}
        task = {"formula": oracle["formula"], "link": oracle["link"], "response": response}
        task |= {"categories": oracle["categories"], "random": oracle["kind"] == "clmm"}
        task |= {"nagq": oracle.get("nAGQ") or 1, **options, **frame_to_file(frame, folder, name)}

        def fit(oracle=oracle, frame=frame, options=options, nagq=task["nagq"]):
            return mm.clmm(oracle["formula"], frame, oracle["link"], nagq=nagq, **options)

        yield name, task, fit


class Rival:
    """A process of R that fits what it is asked for."""

    def __init__(self, rscript: str) -> None:
        command = [rscript, str(PAGE.with_name("speed_families.R"))]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    def __call__(self, task: dict) -> dict:
        self._process.stdin.write(json.dumps({k: v for k, v in task.items() if v is not None}))
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def in_turn(task: dict, fit, rival: Rival) -> dict:
    """Both programs by turns: the first fit of each only warms."""
    model, theirs = fit(), rival(task)
    ours, others = [], []
    for _ in range(ROUNDS):
        begin = time.process_time()
        model = fit()
        ours.append(time.process_time() - begin)
        if "error" not in theirs:
            theirs = rival(task)
            others.append(theirs.get("seconds"))
    result = {
        "ours": median(ours),
        "objective": float(model.objective),
        "feval": model.optsum.feval,
    }
    if "error" in theirs:
        return {**result, "error": theirs["error"].strip().splitlines()[-1][:70]}
    return {**result, "theirs": median(others), "their objective": theirs["objective"]}


def row(name: str, r: dict) -> str:
    cells = [name, f"{r['objective']:.4f}", f"{r['feval']}", f"{r['ours']:.2g}"]
    if "theirs" not in r:
        return "| " + " | ".join([*cells, "", "", r["error"].replace("|", "/")]) + " |"
    gap = r["their objective"]
    higher = "" if gap is None else f"{gap - r['objective']:.1e}"
    ratio = f"{r['theirs'] / r['ours']:.0f}"
    return "| " + " | ".join([*cells, f"{r['theirs']:.2g}", ratio, higher]) + " |"


def summary(results: dict, rival: str) -> str:
    ratios = [r["theirs"] / r["ours"] for r in results.values() if "theirs" in r]
    return (
        f"* `{rival}`: {geometric_mean(ratios):.2g} times the seconds of numbamm "
        f"({min(ratios):.2g} to {max(ratios):.2g}; {len(ratios)} models)"
    )


def main() -> None:
    """Put the tables between the page's markers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rscript", default="Rscript")
    parser.add_argument("--only", default="", help="a regular expression of models; prints alone")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    rival, text = Rival(options.rscript), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        families = [*family_tasks(folder), *owl_tasks(folder, options.rscript)]
        for program, tasks in (("glmmTMB", families), ("ordinal", list(ordinal_tasks(folder)))):
            results = {}
            for model, task, fit in tasks:
                if re.search(options.only, model):
                    results[model] = in_turn(task, fit, rival)
                    print(row(model, results[model]), flush=True)
            heads = ["model", "objective", "evaluations", "numbamm", program, "ratio", "higher by"]
            table = ["| " + " | ".join(heads) + " |", "| --- " * len(heads) + "|"]
            if results:
                table += [row(model, r) for model, r in results.items()]
                text += [*table, "", summary(results, program), ""]
                print(text[-2])
    rival.close()
    if not options.only:
        page = PAGE.read_text(encoding="utf-8")
        between = re.compile(f"(?<={re.escape(BEGIN)}\n).*(?={re.escape(END)})", re.DOTALL)
        new = "\n" + "\n".join(text) + "\n"
        PAGE.write_text(between.sub(lambda _: new, page), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Sends seeds to worker processes and collects what they find; a process that dies is a finding.

``python -m fuzz.farm FIRST LAST [WORKERS]`` prints the findings, with ``tests`` on PYTHONPATH.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TESTS = Path(__file__).parent.parent
#: Seconds after which a worker that says nothing is ended.
PATIENCE = 120


def run(seeds, workers: int = 1) -> tuple[list[dict], Counter]:
    """Findings of the cases of some seeds, and how many cases ended in which way."""
    parts = [list(seeds)[i::workers] for i in range(workers)]
    with ThreadPoolExecutor(workers) as pool:
        lines = [line for part in pool.map(_run_part, parts) for line in part]
    findings = [line for line in lines if "kind" in line]
    return findings, Counter(line["end"] for line in lines if "end" in line)


def _run_part(seeds: list[int]) -> list[dict]:
    """One worker after another, each from where the last one died."""
    lines = []
    while seeds:
        part, died = _run_worker(seeds)
        lines += part
        ended = {line["seed"] for line in part if "end" in line}
        seeds = [seed for seed in seeds if seed not in ended]
        if died and seeds:
            begun = [line["seed"] for line in part if "begin" in line]
            culprit = begun[-1] if begun else seeds[0]
            lines.append({"seed": culprit, "kind": "crash", "where": "process", "what": died})
            seeds.remove(culprit)
    return lines


def environment() -> dict[str, str]:
    """The environment of processes that import from here."""
    paths = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    return os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": paths, "MPLBACKEND": "Agg"}


def _run_worker(seeds: list[int]) -> tuple[list[dict], str]:
    process = subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-m", "fuzz.worker"],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        text = "\n".join(map(str, seeds)) + "\n"
        out, errors = process.communicate(text, timeout=PATIENCE + 5 * len(seeds))
        died = "" if process.returncode == 0 else f"code {process.returncode}: {errors[-800:]}"
    except subprocess.TimeoutExpired:
        process.kill()
        out, _ = process.communicate()
        died = "no end"
    lines = []
    for line in out.splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue  # what a fit printed
    return [line for line in lines if isinstance(line, dict)], died


def main() -> None:
    """Print what the cases of a range of seeds find."""
    first, last, *workers = map(int, sys.argv[1:])
    findings, ends = run(range(first, last), *workers)
    for finding in findings:
        print(json.dumps(finding))
    print(dict(ends), dict(Counter(finding["kind"] for finding in findings)))


if __name__ == "__main__":
    main()

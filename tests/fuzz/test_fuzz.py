"""Random models and misused calls end in results or in our own errors; `pytest -m fuzz` for many.

`python -m fuzz.farm FIRST LAST` prints the findings of any range of seeds.
"""

import json
import os

import pytest

from fuzz import farm

#: Seeds of the normal run; those of `pytest -m fuzz` follow. FUZZ_CASES says how many.
FEW, MANY = 25, int(os.environ.get("FUZZ_CASES", "10000"))


def check(seeds, workers):
    findings, ends = farm.run(seeds, workers)
    assert ends.total() + sum(f["kind"] == "crash" for f in findings) == len(seeds)
    assert ends["fitted"] > 0.3 * len(seeds) < 3 * ends.total()
    assert not findings, "\n".join(json.dumps(finding) for finding in findings[:20])


def test_a_few_cases():
    check(range(FEW), workers=1)


@pytest.mark.fuzz
def test_many_cases():
    check(range(FEW, FEW + MANY), workers=2)

"""What type checkers see: `typed_use.py` and `typed_script.py`, which mypy reads in any case."""

import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest

HERE = Path(__file__).parent


def test_the_script_runs(capsys):
    with matplotlib.rc_context({"backend": "agg"}):
        runpy.run_path(str(HERE / "typed_script.py"))
    assert "('wald', 'config.context')" in capsys.readouterr().out


@pytest.mark.slow
def test_pyright_finds_no_error():
    pyright = shutil.which("pyright", path=str(Path(sys.executable).parent))
    if pyright is None:
        pytest.skip("pyright is not installed")
    files = [str(HERE / name) for name in ("typed_script.py", "typed_use.py")]
    done = subprocess.run(
        [pyright, "--pythonpath", sys.executable, "--outputjson", *files],
        capture_output=True,
        text=True,
        cwd=HERE.parent,
    )
    found = json.loads(done.stdout)
    assert found["summary"]["filesAnalyzed"] == len(files)
    assert found["generalDiagnostics"] == []

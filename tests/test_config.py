"""Configuration: the order of its layers, its errors, and how far each layer reaches."""

import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

import numbamm as mm
from numbamm import config

NELDER_MEAD, COBYLA, POWELL = "nlopt:LN_NELDERMEAD", "nlopt:LN_COBYLA", "scipy:Powell"
DYESTUFF = "Yield ~ 1 + (1 | Batch)"


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    """An empty working directory, no variables, nothing set."""
    monkeypatch.chdir(tmp_path)
    for variable in [v for v in os.environ if v.startswith("NUMBAMM_")]:
        monkeypatch.delenv(variable)
    config.reload()
    yield
    config.set(**dict.fromkeys(config.OPTIONS))
    config.reload()


def write(path, text):
    path.write_text(text, encoding="utf8")
    config.reload()


# ---- layers -------------------------------------------------------------------------------


def test_each_layer_wins_over_those_before(tmp_path, monkeypatch):
    data = mm.datasets.load("Dyestuff")

    def used(**options):
        return mm.lmm(DYESTUFF, data, **options).optsum.optimizer

    assert used() == "auto"
    write(tmp_path / "numbamm.toml", f'optimizer = "{NELDER_MEAD}"')
    assert used() == NELDER_MEAD
    monkeypatch.setenv("NUMBAMM_OPTIMIZER", COBYLA)
    assert used() == COBYLA
    config.set(optimizer=POWELL)
    assert used() == POWELL
    with config.context(optimizer="scipy:COBYQA"):
        assert used() == "scipy:COBYQA"
        assert used(optimizer="nlopt:LN_SBPLX") == "nlopt:LN_SBPLX"
        with config.context(maxfeval=500):
            assert used() == "scipy:COBYQA"
    assert used() == POWELL
    config.set(optimizer=None)
    assert used() == COBYLA


def test_what_is_assigned_to_optsum_wins():
    model = mm.LinearMixedModel(DYESTUFF, mm.datasets.load("Dyestuff"))
    model.optsum.ftol_abs = 1e-3
    with config.context(ftol_abs=1e-6, maxfeval=100):
        model.fit()
    assert (model.optsum.ftol_abs, model.optsum.maxfeval) == (1e-3, 100)
    model.optsum.ftol_abs = None
    assert model.optsum.ftol_abs == 1e-8


def test_configuration_holds_as_it_is_when_the_fit_begins():
    model = mm.LinearMixedModel(DYESTUFF, mm.datasets.load("Dyestuff"))
    with config.context(optimizer=NELDER_MEAD):
        assert model.fit().optsum.optimizer == NELDER_MEAD
    assert model.refit().optsum.optimizer == "auto"


def test_nearest_file_counts(tmp_path, monkeypatch):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    write(tmp_path / "pyproject.toml", "[tool.numbamm]\nmaxfeval = 1\n")
    monkeypatch.chdir(inner)
    assert config.get("maxfeval") == 1
    write(tmp_path / "a" / "pyproject.toml", "[tool.other]\nmaxfeval = 2\n")
    assert config.get("maxfeval") == 1  # a pyproject.toml without our table is passed over
    write(tmp_path / "a" / "pyproject.toml", "[tool.numbamm]\nmaxtime = 3\n")
    assert config.get("maxtime") == 3
    assert config.get("maxfeval") == 100_000  # files are not merged
    write(tmp_path / "a" / "numbamm.toml", "maxtime = 4.5")
    assert config.get("maxtime") == 4.5


def test_every_option_can_be_configured_everywhere(tmp_path, monkeypatch):
    values = {
        "optimizer": NELDER_MEAD,
        "ftol_rel": 1e-6,
        "ftol_abs": 1e-5,
        "xtol_rel": 1e-4,
        "xtol_abs": 1e-3,
        "maxfeval": 7,
        "maxtime": 8.5,
        "max_restarts": 2,
        "compile_processes": 3,
        "xtol_zero_abs": 1e-2,
        "ftol_zero_abs": 1e-1,
        "threads": 2,
        "progress": False,
        "ddf": "satterthwaite",
        "tail": "dense",
        "probes": 6,
    }
    assert {*values, "formula_code"} == {*config.OPTIONS}
    texts = {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in values.items()}
    lines = [
        f'{k} = "{v}"' if isinstance(values[k], str) else f"{k} = {v}" for k, v in texts.items()
    ]
    write(tmp_path / "numbamm.toml", "\n".join(lines))
    in_files = {**values, "formula_code": "columns"}
    assert {k: v for k, (v, _) in config.resolved().items()} == in_files
    write(tmp_path / "numbamm.toml", "")
    for key, text in {**texts, "formula_code": "full"}.items():
        monkeypatch.setenv(f"NUMBAMM_{key.upper()}", text)
    everywhere = {**values, "formula_code": "full"}
    assert {k: v for k, (v, _) in config.resolved().items()} == everywhere


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("numbamm.toml", 'formula_code = "full"'),
        ("pyproject.toml", '[tool.numbamm]\nformula_code = "columns"'),
    ],
)
def test_files_found_by_search_do_not_say_what_formulas_may_run(tmp_path, monkeypatch, file, text):
    write(tmp_path / file, text)
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    with pytest.raises(mm.OptionError, match="formula_code cannot be set by a file"):
        config.get("optimizer")
    with pytest.raises(mm.OptionError, match="formula_code must be 'columns'.* not True"):
        config.set(formula_code=True)


def test_show_says_where_each_value_comes_from(tmp_path, monkeypatch, capsys):
    write(tmp_path / "numbamm.toml", "ftol_abs = 1e-7")
    monkeypatch.setenv("NUMBAMM_MAXFEVAL", "99")
    config.set(progress=True)
    with config.context(threads=2):
        config.show()
    lines = {
        line.split()[0]: line.split(maxsplit=2)[1:] for line in capsys.readouterr().out.splitlines()
    }
    assert lines["ftol_abs"] == ["1e-07", str(tmp_path / "numbamm.toml")]
    assert lines["maxfeval"] == ["99", "environment NUMBAMM_MAXFEVAL"]
    assert lines["progress"] == ["True", "config.set"]
    assert lines["threads"] == ["2", "config.context"]
    assert lines["optimizer"] == ["auto", "default"]


# ---- errors -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('optimiser = "x"', r"numbamm.toml: unknown key 'optimiser'; did you mean 'optimizer'"),
        ("maxfeval = 2.5", "numbamm.toml: maxfeval must be a positive integer.*not 2.5"),
        ("ftol_abs = true", "numbamm.toml: ftol_abs must be a finite number.*not True"),
        ('progress = "yes"', "numbamm.toml: progress must be true or false"),
        ("optimizer = 3", "numbamm.toml: optimizer must be 'auto', or the name"),
        ("optimizer = ", "numbamm.toml is not valid TOML"),
    ],
)
def test_mistake_in_a_file(tmp_path, text, message):
    write(tmp_path / "numbamm.toml", text)
    with pytest.raises(mm.OptionError, match=message):
        mm.LinearMixedModel(DYESTUFF, mm.datasets.load("Dyestuff"))


def test_files_that_are_not_utf8(tmp_path):
    """A pyproject.toml is its own tools' business; a numbamm.toml is ours."""
    (tmp_path / "pyproject.toml").write_bytes(b'[project]\nname = "caf\xe9"\n')
    config.reload()
    assert config.get("maxfeval") == 100_000
    (tmp_path / "numbamm.toml").write_bytes("maxfeval = 1  # \xe9".encode("latin1"))
    config.reload()
    with pytest.raises(mm.OptionError, match=r"numbamm.toml is not valid TOML in UTF-8"):
        config.get("maxfeval")


def test_a_working_directory_that_is_gone(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert config.get("maxfeval") == 100_000
    monkeypatch.chdir(tmp_path)  # for whoever asks where to return to


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("NUMBAMM_OPTIMISER", "x", "NUMBAMM_OPTIMISER.*did you mean 'NUMBAMM_OPTIMIZER'"),
        ("NUMBAMM_MAXFEVAL", "many", "NUMBAMM_MAXFEVAL: maxfeval must be.*not 'many'"),
        ("NUMBAMM_PROGRESS", "perhaps", "NUMBAMM_PROGRESS: progress must be true or false"),
        ("NUMBAMM_FTOL_REL", "-1", "NUMBAMM_FTOL_REL: ftol_rel must be"),
    ],
)
def test_mistake_in_the_environment(monkeypatch, variable, text, message):
    monkeypatch.setenv(variable, text)
    for use in (config.resolved, lambda: mm.lmm(DYESTUFF, mm.datasets.load("Dyestuff"))):
        with pytest.raises(mm.OptionError, match=message):
            use()


def test_mistake_in_a_call():
    with pytest.raises(mm.OptionError, match=r"config.set: unknown key 'maxfevals'.*'maxfeval'"):
        config.set(maxfevals=3, maxtime=2.0)
    assert config.get("maxtime") == -1
    with pytest.raises(mm.OptionError, match="config.context: threads must be"):
        with config.context(threads=0):
            pass
    with pytest.raises(mm.OptionError, match=r"config.get: unknown key 'thread'.*'threads'"):
        config.get("thread")


def test_unknown_optimiser_from_a_file_is_named_at_the_fit(tmp_path):
    write(tmp_path / "numbamm.toml", 'optimizer = "nlopt:LN_BOBIQA"')
    model = mm.LinearMixedModel(DYESTUFF, mm.datasets.load("Dyestuff"))
    with pytest.raises(mm.OptionError, match="LN_BOBYQA"):
        model.fit()


# ---- reach --------------------------------------------------------------------------------

SCRIPT = (
    "import numbamm as mm;"
    "m = mm.lmm('Yield ~ 1 + (1 | Batch)', mm.datasets.load('Dyestuff'));"
    "print(m.optsum.optimizer, round(m.objective, 4))"
)


def fresh(script, folder):
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_same_code_other_optimiser_in_a_fresh_process(tmp_path):
    write(tmp_path / "numbamm.toml", f'optimizer = "{NELDER_MEAD}"')
    assert fresh(SCRIPT, tmp_path) == [NELDER_MEAD, "327.3271"]
    model = mm.LinearMixedModel(DYESTUFF, mm.datasets.load("Dyestuff"))
    with config.context(optimizer="nlopt:LN_BOBYQA"):  # entered after the model was made
        model.fit()
    assert model.optsum.optimizer == "nlopt:LN_BOBYQA"
    assert model.objective == pytest.approx(327.3271, abs=1e-4)


def test_threads_fit_with_different_optimisers_at_once():
    data = mm.datasets.load("sleepstudy")
    both_inside = threading.Barrier(2)
    used = {}

    def fit(optimizer):
        with config.context(optimizer=optimizer):
            both_inside.wait()
            model = mm.lmm("Reaction ~ Days + (Days | Subject)", data)
            both_inside.wait()
            used[optimizer] = model.optsum.optimizer, model.objective

    threads = [threading.Thread(target=fit, args=(name,)) for name in (NELDER_MEAD, POWELL)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in (NELDER_MEAD, POWELL):
        assert used[name] == (name, pytest.approx(1751.939344, abs=1e-5))
    assert config.get("optimizer") == "auto"


def the_optimizer(_):
    return config.get("optimizer")


def test_carry_takes_the_configuration_to_threads_and_processes():
    with config.context(optimizer=NELDER_MEAD):
        carried = config.carry(the_optimizer)
        with ThreadPoolExecutor(1) as pool:
            assert list(pool.map(the_optimizer, [0])) == ["auto"]
            assert list(pool.map(carried, [0])) == [NELDER_MEAD]
    assert pickle.loads(pickle.dumps(carried))(0) == NELDER_MEAD
    with ProcessPoolExecutor(1) as pool:
        assert list(pool.map(carried, [0])) == [NELDER_MEAD]


def test_command_line_shows_the_configuration(capsys):
    from numbamm.__main__ import main

    assert main(["config"]) == 0
    assert capsys.readouterr().out.split()[:3] == ["optimizer", "auto", "default"]

"""Plug-ins: registered, found through entry points, and what happens to broken ones."""

from importlib.metadata import EntryPoint
from typing import ClassVar

import pytest
from optimize.objectives import quadratic

from numbamm.errors import NumbammWarning, OptionError
from numbamm.optimize import Algorithm, OptSummary, available, minimize, register, registry, resolve


class Walk:
    """Steps to where the first step points, then says that it is done."""

    library = "Walk 1"
    algorithms: ClassVar = {"ONE_STEP": Algorithm(options=frozenset({"initial_step"}))}

    def minimize(self, problem, algorithm):
        problem.objective(problem.x0)
        problem.objective(problem.x0 + problem.initial_step)
        return "DONE"


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    """Nothing is registered before a test, whatever other tests have left."""
    monkeypatch.setattr(registry, "_backends", {})


@pytest.fixture
def broken_plugin(monkeypatch):
    installed = registry._installed() | {
        "broken": EntryPoint("broken", "no_such_module_anywhere:Backend", registry.GROUP)
    }
    monkeypatch.setattr(registry, "_installed", lambda: installed)


def test_ours_are_installed_as_entry_points():
    assert {"nlopt", "scipy"} <= registry._installed().keys()
    names = available()
    assert {"nlopt:LN_BOBYQA", "nlopt:LD_LBFGS", "scipy:Nelder-Mead", "scipy:trust-constr"} <= set(
        names
    )
    assert len(set(names)) == len(names)


@pytest.fixture
def entry(monkeypatch):
    """Let these be the entry points."""

    def set_entries(**values):
        found = [EntryPoint(name, value, registry.GROUP) for name, value in values.items()]
        monkeypatch.setattr(registry, "entry_points", lambda group: found)
        monkeypatch.setattr(registry, "_installed", registry._installed.__wrapped__)

    return set_entries


def test_a_package_has_a_backend_in_each_file_of_that_name(entry):
    entry(any_name="numbamm_optimizers")
    assert registry._installed().keys() == {"newton", "nlopt", "scipy"}
    assert resolve("newton").name == "newton"
    assert resolve("nlopt:LN_BOBYQA").backend_name == "nlopt"


WALK = """
from typing import ClassVar
from numbamm.optimize import Algorithm

class Walk:
    library = "Walk 1"
    algorithms: ClassVar = {"ONE_STEP": Algorithm()}

    def minimize(self, problem, algorithm):
        problem.objective(problem.x0 + problem.initial_step)
        return "DONE"

BACKEND = Walk
"""


def test_a_new_file_of_a_package_is_found_by_being_there(entry, tmp_path, monkeypatch):
    """And one that cannot be imported harms no other."""
    package = tmp_path / "somebodys_optimizers"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "walk_backend.py").write_text(WALK)
    (package / "broken_backend.py").write_text("1 / 0")
    (package / "helpers.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    entry(somebodys="somebodys_optimizers", nlopt="numbamm_optimizers.nlopt_backend:BACKEND")
    assert registry._installed().keys() == {"walk", "broken", "nlopt"}
    optsum = minimize(quadratic, OptSummary([1.0], [0.0], optimizer="walk:ONE_STEP"))
    assert optsum.returnvalue == "DONE"
    with pytest.warns(NumbammWarning, match=r"'broken' \(somebodys.*division by zero"):
        names = available()
    assert "walk:ONE_STEP" in names and "nlopt:LN_BOBYQA" in names


def test_a_package_that_is_not_there_is_told(entry):
    entry(lost="no_such_package_anywhere")
    with pytest.warns(NumbammWarning, match="'lost' .* cannot be loaded: No module"):
        assert available() == []


@pytest.mark.parametrize("backend", [Walk, Walk()])
def test_registered_backend_is_used(backend):
    register("walk", backend)
    assert "walk:ONE_STEP" in available()
    optsum = minimize(quadratic, OptSummary([1.0], [0.0], optimizer="walk:ONE_STEP"))
    assert optsum.returnvalue == "DONE"
    assert optsum.final.tolist() == [1.75]
    assert optsum.feval == 2


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("nlopt:LN_BOBYQA", "nlopt:LN_BOBYQA"),
        ("NLopt:ln_bobyqa", "nlopt:LN_BOBYQA"),
        ("LN_BOBYQA", "nlopt:LN_BOBYQA"),
        ("nelder-mead", "scipy:Nelder-Mead"),
        ("COBYLA", "scipy:COBYLA"),
    ],
)
def test_names_may_be_short(name, full):
    assert resolve(name).name == full


def test_short_name_of_two_backends_is_refused():
    register("one", Walk)
    register("two", Walk)
    with pytest.raises(OptionError, match="'one:ONE_STEP' or 'two:ONE_STEP'"):
        resolve("one_step")


@pytest.mark.parametrize("name", ["nlopt:LN_BOBYKA", "LN_BOBYKA", "nlop:LN_BOBYQA", "nlopt:"])
def test_unknown_name_lists_the_others_nearest_first(name):
    with pytest.raises(OptionError, match=r"did you mean 'nlopt:\w+'\?.*scipy:Powell") as caught:
        resolve(name)
    assert "'nlopt:LN_BOBYQA'" in str(caught.value) or name == "nlopt:"


@pytest.mark.parametrize("name", [None, 3, Walk])
def test_name_must_be_text(name):
    with pytest.raises(OptionError, match="must be a name"):
        resolve(name)


def test_broken_plugin_does_not_break_the_others(broken_plugin):
    with pytest.warns(NumbammWarning, match=r"'broken' \(no_such_module_anywhere:Backend\)"):
        assert "scipy:Powell" in available()
    with pytest.raises(OptionError, match=r"'broken'.*cannot be loaded"):
        resolve("broken:ANY")
    assert resolve("scipy:Powell").algorithm == "Powell"


@pytest.mark.parametrize("name", ["", "a:b"])
def test_backend_names_stand_before_a_colon(name):
    with pytest.raises(OptionError, match="before a colon"):
        register(name, Walk)


def test_protocol_is_checked_at_registration():
    class NoSearch:
        library = "?"
        algorithms: ClassVar = {}

    class Bare(Walk):
        algorithms: ClassVar = {"A": True}

    with pytest.raises(OptionError, match="'x' has no minimize"):
        register("x", NoSearch)
    with pytest.raises(OptionError, match="'x' describes A by something else"):
        register("x", Bare)

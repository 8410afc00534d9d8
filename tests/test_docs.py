"""The examples of the documentation print what it says."""

import doctest
import importlib
import inspect
import re
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import nbinom

import numbamm as mm
import numbamm.inference
from numbamm.glm.family import FAMILIES
from numbamm.glm.link import LINKS
from numbamm.inference.profiling.profile import Profile
from numbamm.models.mixedmodel import MixedModel
from numbamm.optimize import registry
from numbamm.report.tabular import Tabular
from numbamm.structures.structure import Structure

PAGES = Path(__file__).parent.parent / "docs"

PACKAGE = Path(numbamm.inference.__file__).parents[1]


class Close(doctest.OutputChecker):
    """Words to the letter; numbers to a few units of the sixth digit, where optimisers differ."""

    def check_output(self, want, got, optionflags):
        if super().check_output(want, got, optionflags):
            return True
        pair = want.split(), got.split()
        return len(pair[0]) == len(pair[1]) and all(map(self._alike, *pair))

    @staticmethod
    def _alike(want: str, got: str) -> bool:
        try:
            return float(got) == pytest.approx(float(want), rel=2e-5)
        except ValueError:
            return want == got


#: Pages whose examples have prompts and outputs; those of all others are executed by Sphinx.
TESTED = ["mathematics.md", "guide/families.md"]


@pytest.mark.parametrize("page", TESTED)
def test_examples(page):
    text = (PAGES / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, page, page, 0)
    assert len(test.examples) > 10
    runner = doctest.DocTestRunner(Close(), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert runner.run(test).failed == 0


def test_every_example_of_the_site_is_executed():
    """By Sphinx, which executes the cells, or here."""
    pages = [p for p in PAGES.rglob("*.md") if "_build" not in p.parts]
    assert len(pages) > 20
    for page in pages:
        text = page.read_text(encoding="utf-8")
        shown = re.findall(r"^```(python|py|pycon|ipython)\b", text, flags=re.MULTILINE)
        assert not shown or page.relative_to(PAGES).as_posix() in TESTED, page
        if "{code-cell}" in text or "{eval}" in text:
            assert text.startswith("---\nfile_format: mystnb\n"), page


#: Modules with examples in docstrings.
WITH_EXAMPLES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_docstrings(module, monkeypatch):
    if module.endswith(".marginaleffects"):
        pytest.importorskip("marginaleffects")
    monkeypatch.setattr(registry, "_backends", registry._backends.copy())  # some register theirs
    tests = doctest.DocTestFinder().find(importlib.import_module(module))
    runner = doctest.DocTestRunner(Close(), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert [test.name for test in tests if runner.run(test).failed] == []


def test_the_page_of_the_mathematics_names_files_that_exist():
    text = (PAGES / "mathematics.md").read_text(encoding="utf-8")
    named = re.findall(r"`(\w+/\w+\.py)`", text)
    assert len(named) > 20
    assert not [name for name in named if not (PACKAGE / name).is_file()]


def test_docstrings_point_to_sections_that_exist():
    text = (PAGES / "mathematics.md").read_text(encoding="utf-8")
    headings = set(re.findall(r"^## (.*)$", text, flags=re.MULTILINE))
    files = [path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")]
    named = [s for f in files for s in re.findall(r'docs/mathematics\.md, "([^"]*)"', f)]
    assert named and set(named) <= headings
    links = re.findall(r"\]\(#([\w-]+)\)", text)
    assert set(links) == {h.lower().replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/about/architecture.md"])
def test_files_that_readers_are_pointed_to_are_there(page):
    text = (PAGES.parent / page).read_text(encoding="utf-8")
    rooms = "blocks|glm|design|formula|models|inference|optimize|structures"
    named = re.findall(rf"`((?:{rooms})/[\w/]+\.pyi?)`", text)
    named += [f"glm/{name}" for name in re.findall(r"`((?:families|links)/\w+\.py)`", text)]
    named += re.findall(r"`numbamm/(\w+/\w+\.py)`", text)
    assert len(named) > 10
    assert not [name for name in named if not (PACKAGE / name).is_file()]


@pytest.mark.parametrize("records", [FAMILIES, LINKS])
def test_records_that_contributors_are_shown(records):
    """The examples of CONTRIBUTING.md say what the records of the same names do."""
    text = (PAGES.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (example,) = re.findall(rf"```python\n# numbamm/glm/{records.folder}/(.*?)```", text, re.DOTALL)
    names: dict = {"__name__": f"numbamm.glm.{records.folder}.example"}
    exec(f"# {example}", names)
    record = names[records.kind.upper()]
    if records is LINKS:
        eta = np.array([0.2, 1.0])
        assert_allclose(record.eta(record.mean(eta)), eta)
        assert_allclose(record.slope(eta), np.exp(eta))
        return
    y, w, mu = np.array([0.0, 1.0, 5.0]), np.ones(3), np.array([0.3, 2.0, 4.0])
    log_f = nbinom.logpmf(y, 1, 1 / (1 + mu)).sum()
    found = record.deviances(LINKS["log"], 0.0, y, np.log(mu)).sum() + record.constant(y, w, 0, 1)
    assert found == pytest.approx(-2 * log_f)
    assert_allclose(record.zeros(mu, w), 1 / (1 + mu))
    assert_allclose(record.quantiles(0.9, mu, w), nbinom.ppf(0.9, 1, 1 / (1 + mu)))


# ---- the reference ------------------------------------------------------------------------------


@cache
def _entries() -> list[str]:
    """What the tables of the reference name."""
    text = "".join(p.read_text(encoding="utf-8") for p in (PAGES / "reference").glob("*.rst"))
    return re.findall(r"^   ~([\w.]+)$", text, flags=re.MULTILINE)


def _is_module(name: str) -> bool:
    return inspect.ismodule(getattr(mm, name))


@cache
def _documented(name: str):
    """The object that an entry names."""
    found = importlib.import_module("numbamm")
    for part in name.split("."):
        if not hasattr(found, part):
            found = importlib.import_module(f"{found.__name__}.{part}")
        else:
            found = getattr(found, part)
    return found


def test_the_reference_has_every_public_name():
    entries = _entries()
    assert len(entries) == len(set(entries)) > 100
    wanted = [name for name in mm.__all__ if not _is_module(name)]
    wanted += [f"{room}.{name}" for room in ("datasets", "optimize") for name in _all(room)]
    wanted += [f"config.{name}" for name in _all("config") if callable(getattr(mm.config, name))]
    wanted.remove("optimize.OptSummary")  # the same as numbamm.OptSummary
    assert [name for name in wanted if name not in entries] == []


def _all(room: str) -> list[str]:
    return getattr(mm, room).__all__


@pytest.fixture(scope="module")
def models(fitted, fitted_glmm):
    return [fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff"), fitted_glmm("cbpp_1")]


def _sections(text: str) -> dict[str, str]:
    """The sections of a docstring, by their titles."""
    found = re.findall(
        r"^([A-Z][\w ]+)\n-{3,}\n(.*?)(?=^[A-Z][\w ]+\n-{3,}\n|\Z)", text, re.DOTALL | re.MULTILINE
    )
    return dict(found)


def _names(section: str) -> set[str]:
    """What a section explains: ``a, b : float`` is about a and b."""
    heads = re.findall(r"^([*\w][*\w., ]*?)(?: :.*)?$", section, re.MULTILINE)
    return {name.strip().lstrip("*") for head in heads for name in head.split(",")}


def _explained(kind: type) -> set[str]:
    """Members of a class that its docstring explains, or that of a base."""
    sections = [_sections(inspect.getdoc(k) or "") for k in kind.__mro__ if k.__doc__]
    return {
        name
        for s in sections
        for title in ("Parameters", "Attributes")
        for name in _names(s.get(title, ""))
    }


def test_the_reference_has_every_member_of_a_model(models):
    """Those that completion offers: the others are for other rooms."""
    listed = {name.split(".")[-1] for name in _entries()}
    for model in models:
        members = {name for name in dir(model) if not name.startswith("_")}
        assert sorted(members - listed - _explained(type(model))) == []


#: Classes that others write subclasses of, or call through: a docstring for each member, no more.
PROTOCOLS = {
    mm.optimize.SearchSpace,
    mm.optimize.Function,
    mm.optimize.Backend,
    mm.optimize.Problem,
    Structure,
}


def _classes() -> list[type]:
    return [found for name in _entries() if isinstance(found := _documented(name), type)]


def _subclasses(kind: type) -> set[type]:
    return {kind}.union(*map(_subclasses, kind.__subclasses__()))


def test_the_reference_has_every_kind_of_result():
    for path in PACKAGE.rglob("*.py"):
        if "Tabular" in path.read_text(encoding="utf-8") or "Result" in path.name:
            importlib.import_module(
                ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
            )
    ours = {k for k in _subclasses(Tabular) if k.__module__.startswith("numbamm.")}
    public = {kind for kind in ours if not kind.__name__.startswith("_")} - {MixedModel}
    assert len(public) > 15
    assert sorted(kind.__name__ for kind in public - set(_classes())) == []


def _own_members(kind: type) -> list[str]:
    """Public members that our classes define, and completion offers."""
    hidden = getattr(kind, "_between_rooms", frozenset())
    ours = [vars(k) for k in kind.__mro__ if k.__module__.startswith("numbamm.")]
    return sorted({n for v in ours for n in v if not n.startswith("_")} - hidden)


def _is_entry(kind: type, name: str) -> bool:
    """Whether the reference has a member, of the class or of one whose member it overrides."""
    kinds = [k.__name__ for k in kind.__mro__]
    kinds += ["LinearMixedModel"] * issubclass(kind, MixedModel)  # which explains what all share
    return any(f".{entry}".endswith(f".{k}.{name}") for entry in _entries() for k in kinds)


@pytest.mark.parametrize("kind", _classes(), ids=lambda kind: kind.__name__)
def test_every_member_of_a_class_is_explained(kind):
    """By an entry of the reference, or in the docstring of the class."""
    members = set(_own_members(kind)) - _explained(kind) - set(mm.__all__)
    assert all(inspect.getdoc(getattr(kind, name)) for name in members)
    if kind not in PROTOCOLS:
        assert sorted(name for name in members if not _is_entry(kind, name)) == []


def _is_property(found) -> bool:
    return isinstance(found, property | cached_property)


def _with_docstrings() -> list[str]:
    """Entries with docstrings: functions, classes, and properties, not plain attributes."""
    found = {name: _documented(name) for name in _entries()}
    return [name for name, value in found.items() if callable(value) or _is_property(value)]


@pytest.mark.parametrize("name", _with_docstrings())
def test_a_docstring_has_an_example_and_says_what_is_related(name):
    text = inspect.getdoc(_documented(name))
    assert "\nExamples\n--------\n" in text and ">>> " in text
    [related] = re.findall(r"^See Also\n-+\n(.*?)(?:\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
    names = re.findall(r"^(\w[\w., ]*?)(?: :.*)?$", related, re.MULTILINE)
    parts = [entry.split(".") for entry in _entries()]
    known = {".".join(entry[i:]) for entry in parts for i in range(len(entry))}
    known |= {f"numbamm.{name}" for name in known}
    assert names and {n.strip() for line in names for n in line.split(",")} <= known


@pytest.mark.parametrize("kind", _classes(), ids=lambda kind: kind.__name__)
def test_the_docstring_of_a_class_explains_its_arguments(kind):
    if kind in (Tabular, mm.optimize.Backend) or issubclass(kind, (Exception, dict)):
        return  # they are not made by calls with arguments of their own
    arguments = {p for p in inspect.signature(kind).parameters if not p.startswith("_")}
    made_by_us = {Profile: {"reach", "notes"}}
    assert arguments - made_by_us.get(kind, set()) - _explained(kind) == set()


def _functions() -> list[str]:
    return [n for n in _with_docstrings() if inspect.isroutine(_documented(n))]


#: Functions with arguments that raise nothing of ours, whatever they are given.
RAISE_NOTHING = {
    "Link.eta": "means that the link does not have are NaN",
    "design.remat.ReMat.is_nested_in": "a comparison of two terms of one model",
}


@pytest.mark.parametrize("name", _functions())
def test_the_docstring_of_a_function_explains_arguments_result_and_errors(name):
    """`tests/test_help.py` tries whether the errors are those that are raised."""
    function = _documented(name)
    sections, signature = _sections(inspect.getdoc(function)), inspect.signature(function)
    arguments = [p for p in signature.parameters if p not in ("self", "cls")]
    assert set(arguments) <= _names(sections.get("Parameters", ""))
    assert signature.return_annotation is not signature.empty
    assert ("Returns" in sections) == (signature.return_annotation not in ("None", None))
    if set(arguments) - {"model"} and name not in RAISE_NOTHING:
        assert "Raises" in sections


@pytest.mark.parametrize("name", _with_docstrings())
def test_errors_that_a_docstring_names_are_errors_and_have_a_cause(name):
    section = _sections(inspect.getdoc(_documented(name))).get("Raises", "")
    assert _names(section) <= {*mm.errors.__all__, "Exception"}
    for entry in re.split(r"^(?=\S)", section, flags=re.MULTILINE)[1:]:
        assert re.match(r".*\n    \S", entry), entry

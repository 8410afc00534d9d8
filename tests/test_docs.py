"""The examples of the documentation print what it says."""

import doctest
import importlib
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import nbinom

import numbamm as mm
import numbamm.inference
from numbamm.glm.family import FAMILIES
from numbamm.glm.link import LINKS
from numbamm.optimize import registry

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

#: Names of models for other parts of numbamm, which the reference leaves out.
BETWEEN_ROOMS = set(
    """
    aligned call coefficient_method coefficients_at criterion default_ddf degrees effects_at
    estimate_at estimates family family_record fit_options given_shape has_free_shape
    hold_start in_columns is_linear layout likelihood_holds link link_record
    may_be_overdispersed mean of_frame of_other_frame options parameters parameters_of
    pearson_df pearson_ratio residual_variance row_variances scalings search_coordinates
    set_estimates shape_has_limit space space_of title twin whitened_space without_rows
    working_model
    """.split()
)


def _entries() -> list[str]:
    """What the tables of the reference name."""
    text = "".join(p.read_text(encoding="utf-8") for p in (PAGES / "reference").glob("*.rst"))
    return re.findall(r"^   ~([\w.]+)$", text, flags=re.MULTILINE)


def _is_module(name: str) -> bool:
    return inspect.ismodule(getattr(mm, name))


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
    wanted.remove("optimize.OptSummary")  # the same as numbamm.OptSummary
    assert [name for name in wanted if name not in entries] == []


def _all(room: str) -> list[str]:
    return getattr(mm, room).__all__


@pytest.mark.parametrize("model", [mm.LinearMixedModel, mm.GeneralizedLinearMixedModel])
def test_the_reference_has_every_member_of_a_model(model):
    listed = {name.split(".")[-1] for name in _entries()}
    members = {name for name in dir(model) if not name.startswith("_")}
    assert sorted(members - listed - BETWEEN_ROOMS) == []


def _with_docstrings() -> list[str]:
    """Entries with docstrings that show an example: functions and classes, not attributes."""
    return [name for name in _entries() if callable(_documented(name))]


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

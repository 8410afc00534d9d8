"""Every optimiser that ships, on the models of docs/optimisers.md; and that page itself."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "optimisers.py"
spec = spec_from_file_location("docs_optimisers", SCRIPT)
page = sys.modules["docs_optimisers"] = module_from_spec(spec)
spec.loader.exec_module(page)

#: Optimisers that stop short, by model, and why.
SHORT = {
    # The directions in which it searches become dependent on the way to the bound.
    "singular, 3 θ": {"scipy:Powell"},
}


@pytest.fixture(scope="module")
def rows():
    """The cells of the page's table, by optimiser."""
    text = page.PAGE.read_text(encoding="utf-8")
    table = text.split(page.BEGIN)[1].split(page.END)[0].strip().splitlines()
    header, _, *lines = ([c.strip() for c in line.strip("|").split("|")] for line in table)
    return {line[0].strip("`"): dict(zip(header[1:], line[1:], strict=True)) for line in lines}


@pytest.mark.parametrize("model", page.MODELS)
def test_optimisers_reach_the_best(model):
    table = page.compare(model).table.set_index("optimizer")
    assert set(table.index) == set(page.SHIPPED)
    assert not (table["returnvalue"].isin(["FAILED", "MAXEVAL_REACHED"])).any()
    reaching = table.drop(index=list(SHORT.get(model, ())))
    assert reaching.loc[reaching["excess"] > 1e-4, "excess"].to_dict() == {}


def test_page_has_every_optimiser_and_model(rows):
    assert set(rows) == set(page.SHIPPED)
    assert all(list(cells) == list(page.MODELS) for cells in rows.values())


def test_page_says_which_stop_short(rows):
    bold = {m: {o for o in rows if rows[o][m].startswith("**")} for m in page.MODELS}
    assert {m: names for m, names in bold.items() if names} == SHORT
    text = page.PAGE.read_text(encoding="utf-8")
    assert all(f"`{name}`" in text.split(page.END)[1] for name in set().union(*SHORT.values()))


def test_script_replaces_the_table_alone(tmp_path, monkeypatch):
    copy = tmp_path / "optimisers.md"
    before = page.PAGE.read_text(encoding="utf-8")
    copy.write_text(before, encoding="utf-8")
    monkeypatch.setattr(page, "PAGE", copy)
    monkeypatch.setattr(page, "table", lambda: r"| \1 new |")
    page.main()
    after = copy.read_text(encoding="utf-8")
    assert after.split(page.BEGIN)[0] == before.split(page.BEGIN)[0]
    assert after.split(page.END)[1] == before.split(page.END)[1]
    assert after.split(page.BEGIN)[1].split(page.END)[0].strip() == r"| \1 new |"

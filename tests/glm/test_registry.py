"""`Registry`: records found by name, alias and spelling, or the names that there are."""

from dataclasses import replace

import pytest

from numbamm.errors import OptionError
from numbamm.glm.family import FAMILIES, Family
from numbamm.glm.link import LINKS
from numbamm.glm.registry import bare


def test_unknown_names():
    with pytest.raises(OptionError, match="unknown link 'logti'; did you mean 'logit'.*probit"):
        LINKS["logti"]
    with pytest.raises(OptionError, match="unknown family 'Tobit'.*there are bernoulli,"):
        FAMILIES["Tobit"]


@pytest.mark.parametrize("registry", [FAMILIES, LINKS], ids=["families", "links"])
def test_a_file_has_one_record_of_its_name(registry):
    records = list(registry)
    names = [bare(record.name) for record in records]
    assert sorted(names) == sorted(map(bare, registry._files))
    known = names + [bare(alias) for record in records for alias in record.aliases]
    assert len(set(known)) == len(known)


@pytest.mark.parametrize("name", ["Negative-Binomial", "negative_binomial", "NEGATIVEBINOMIAL"])
def test_case_and_other_signs_do_not_matter(name):
    assert FAMILIES[name] is FAMILIES["negativebinomial"] is FAMILIES.of(FAMILIES[name])


def test_none_where_there_is_none():
    assert LINKS.get("logti") is None and LINKS.get("logit") is LINKS["logit"]


def test_records_print_in_a_line():
    assert repr(FAMILIES["nbinom"]) == "Family('negativebinomial', link='log')"
    assert str(FAMILIES["nbinom"]) == "negative binomial"
    own = Family("logistic", logpdf=lambda y, mu: -((y - mu) ** 2), link=LINKS["log"])
    assert (repr(own), str(own)) == ("Family('logistic', link='log')", "logistic")
    assert repr(LINKS["inverse_power"]) == "Link('inverse')"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_what_tables_call_a_family_finds_it(family):
    """Whoever types the words of a table gets the family."""
    assert FAMILIES[str(family)] is FAMILIES[family.name] is family
    assert str(replace(family, name="renamed", words="")) == "renamed"

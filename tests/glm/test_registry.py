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


#: What families are called by other packages: our name, and theirs.
ELSEWHERE = {
    "glmmTMB": """gaussian binomial poisson gamma:Gamma inversegaussian:inverse.gaussian nbinom1
        nbinom2 nbinom12 compois genpois truncated_poisson truncated_nbinom1 truncated_nbinom2
        student:t_family student:t gamma:ziGamma tweedie beta:beta_family beta betabinomial ordbeta
        lognormal skewnormal""",
    "lme4": """binomial gaussian poisson gamma:Gamma inversegaussian:inverse.gaussian
        negativebinomial:negative.binomial""",
    "statsmodels": """binomial:Binomial gamma:Gamma gaussian:Gaussian poisson:Poisson
        inversegaussian:InverseGaussian negativebinomial:NegativeBinomial tweedie:Tweedie
        negativebinomial:NegativeBinomialP genpois:GeneralizedPoisson beta:BetaModel
        truncated_poisson:TruncatedLFPoisson truncated_nbinom2:TruncatedLFNegativeBinomialP""",
    "MixedModels.jl": """bernoulli:Bernoulli binomial:Binomial gamma:Gamma gaussian:Normal
        inversegaussian:InverseGaussian poisson:Poisson negativebinomial:NegativeBinomial
        beta:Beta betabinomial:BetaBinomial lognormal:LogNormal student:TDist
        skewnormal:SkewNormal""",
}


@pytest.mark.parametrize("package", ELSEWHERE)
def test_the_names_of_other_packages_are_accepted(package):
    for pair in ELSEWHERE[package].split():
        ours, _, theirs = pair.partition(":")
        assert FAMILIES[theirs or ours] is FAMILIES[ours], pair


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_what_tables_call_a_family_finds_it(family):
    """Whoever types the words of a table gets the family."""
    assert FAMILIES[str(family)] is FAMILIES[family.name] is family
    assert str(replace(family, name="renamed", words="")) == "renamed"

"""The tables: snapshots, and every number in them against an attribute."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
MODELS = {
    "sleepstudy": ("Reaction ~ 1 + Days + (1 + Days | Subject)", "sleepstudy", {}),
    "sleepstudy_zerocorr": ("Reaction ~ Days + zerocorr(Days | Subject)", "sleepstudy", {}),
    "machines_reml": ("score ~ Machine + (0 + Machine | Worker)", "Machines", {"reml": True}),
    "dyestuff2_singular": ("Yield ~ 1 + (1 | Batch)", "Dyestuff2", {}),
    "pastes": ("strength ~ 1 + (1 | batch/cask)", "Pastes", {}),
}


@pytest.fixture(params=MODELS)
def named(request, fitted):
    formula, dataset, options = MODELS[request.param]
    return request.param, fitted(formula, dataset, **options)


NUMBER = re.compile(r"(?<![\w.:#])[-+]?\d+(?:\.\d+)?(?:e[-+]\d+)?(?![\w.])")


# To accept a change: delete the file, run the tests twice, and look at the difference.
def snapshot(name, text):
    """Same words, same places; numbers as wide, and as close as other processors' rounding lets."""
    path = HERE / "snapshots" / name
    text += "\n"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf8")
        pytest.fail(f"{name} was new: it has been written, run again")
    expected = path.read_text(encoding="utf8")
    assert mask(text) == mask(expected)
    for ours, theirs in zip(NUMBER.findall(text), NUMBER.findall(expected), strict=True):
        assert float(ours) == pytest.approx(float(theirs), rel=1e-4, abs=1e-6)


def mask(text):
    return NUMBER.sub(lambda number: "#" * len(number.group()), text)


def test_text(named):
    name, model = named
    snapshot(f"{name}.txt", str(model))


def test_html(named):
    name, model = named
    snapshot(f"{name}.html", model._repr_html_())


def attributes(model):
    """Every number that a table may show."""
    numbers = [model.llf, model.objective, model.aic, model.aicc, model.bic, model.nobs]
    numbers += [t.nlevels for t in model.reterms]
    for values in (model.params, model.bse, model.tvalues, model.pvalues):
        numbers += list(values)
    for term in model.varcorr.terms:
        numbers += [*term.variances, *term.sd, *term.corr.ravel()]
    return [*numbers, model.sigma, model.sigma**2]


def shown_numbers(text, formula):
    return NUMBER.findall(text.replace(formula, "").replace("-2 logLik", ""))


@pytest.mark.parametrize("form", ["text", "html"])
def test_every_number_is_an_attribute(named, form):
    _, model = named
    text = str(model)
    if form == "html":
        text = re.sub(r"<[^>]*>", " ", model._repr_html_())
        text = text.replace("&lt;", "<").replace("&gt;", ">")
    shown = shown_numbers(re.sub(r"<1e-\d+", "", text), model.formula)
    assert len(shown) > 8
    for number in shown:
        decimals = len(number.partition(".")[2])
        assert any(f"{a:.{decimals}f}" == number.lstrip("+") for a in attributes(model)), number


def test_small_p_values_lie_below_their_bound(named):
    _, model = named
    for bound in re.findall(r"<1e-(\d+)", str(model)):
        assert any(p < 10.0 ** -int(bound) for p in model.pvalues)


def test_table_has_what_the_original_shows(fitted):
    text = str(fitted(*MODELS["sleepstudy"][:2]))
    for piece in [
        "Linear mixed model fit by maximum likelihood",
        " Reaction ~ 1 + Days + (1 + Days | Subject)",
        "-875.9697  1751.9393  1763.9393",
        "Variance components:",
        "+0.08",
        " Number of obs: 180; levels of grouping factors: 18 (Subject)",
    ]:
        assert piece in text


def test_varcorr_prints(fitted):
    varcorr = fitted(*MODELS["sleepstudy"][:2]).varcorr
    assert repr(varcorr) in str(fitted(*MODELS["sleepstudy"][:2]))
    assert "<table " in varcorr._repr_html_()


def test_block_description(fitted):
    model = fitted("y ~ 1 + service + (1 | s) + (1 | d) + (1 | dept)", "InstEval")
    assert model.block_description().splitlines() == [
        "rows:  s         d               dept            fixed",
        "2972:  Diagonal",
        "1128:  Sparse    Diagonal/Dense",
        "14:    Dense     Dense           Diagonal/Dense",
        "3:     Dense     Dense           Dense           Dense",
    ]

"""The tables: snapshots, and every number in them against an attribute."""

import re
from pathlib import Path

import pytest

import numbamm as mm
from numbamm.report.digits import p_value, plain, uniform
from numbamm.report.text import width

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
        " Number of obs: 180; levels of grouping factors: 18",
    ]:
        assert piece in text


def test_html_escapes_what_data_say():
    data = mm.datasets.load("sleepstudy").rename(columns={"Subject": "a<b"})
    model = mm.lmm("Reaction ~ Days + (1 | `a<b`)", data)
    assert "a&lt;b" in model._repr_html_()
    assert "a<b" not in model._repr_html_()


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


@pytest.mark.parametrize(
    ("values", "sizes", "shown"),
    [
        ([251.405104, 10.467286], 0, ["251.405", "10.467"]),
        ([251.405104, 0.0123456], 0, ["251.4051", "0.0123"]),  # the smallest has three digits
        ([251.405104, 1.0467286e-5], 0, ["2.51405e+02", "1.04673e-05"]),  # too many: exponents
        ([251.405104, 1.0467286e-5], [6.6, 1.5], ["251.405", "0.000"]),  # known to 1.5 only
        ([251.405104, 3e-17], 0, ["251.405", "0.000"]),  # a rounding error
        ([2.5e9, 3e-9, 0.0], [1e8, 1.0, 0.0], ["2.50000e+09", "0", "0"]),
        ([565.510668, 0.0], 0, ["565.511", "0.000"]),
        ([0.0], 0, ["0.0000"]),
        ([-0.0, -1e-9, 1.0], [1, 1, 1], ["0.00000", "0.00000", "1.00000"]),
        ([1.25e-9], 0, ["1.25000e-09"]),
        ([float("nan"), 2.0, float("inf"), -float("inf")], 0, ["–", "2.00000", "∞", "-∞"]),
        ([], 0, []),
    ],
)
def test_numbers_of_a_column_have_equally_many_decimals(values, sizes, shown):
    assert uniform(values, 6, sizes) == shown


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0, 2, 9], ["0", "2", "9"]),
        ([0.5, 2.25, 9], ["0.50", "2.25", "9.00"]),
        ([2019, 2020], ["2019", "2020"]),
        ([0.1 + 0.2], ["0.3"]),
        ([1e-12, 1e12], ["1.0000e-12", "1.0000e+12"]),
        ([1000.5, 0.00012345], ["1.0005e+03", "1.2345e-04"]),
        ([float("nan")], ["–"]),
    ],
)
def test_other_numbers_have_the_decimals_that_they_need(values, shown):
    assert plain(values) == shown


@pytest.mark.parametrize(
    ("p", "shown"),
    [
        (0.5, "0.5000"),
        (1e-4, "0.0001"),
        (9e-5, "<1e-04"),
        (1e-5, "<1e-04"),
        (9e-6, "<1e-05"),
        (0.0, "<1e-99"),
    ],
)
def test_p_values(p, shown):
    assert p_value(p) == shown


def test_wide_characters_keep_columns_straight():
    data = mm.datasets.load("sleepstudy").rename(columns={"Days": "日数"})
    lines = str(mm.lmm("Reaction ~ 日数 + (日数 | Subject)", data)).splitlines()
    rows = [line for line in lines if line.startswith(("(Intercept)", "日数"))]
    assert [width(row) for row in rows] == [width(rows[0])] * 2


def test_loose_tolerances_are_told():
    """They may come from a file that nobody remembers."""
    with mm.config.context(xtol_abs=1.0, ftol_abs=1e-9):
        model = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
    assert "Tolerances looser than the defaults, xtol_abs=1: the last digits" in str(model)
    assert "looser" not in str(mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff")))


@pytest.mark.parametrize("name", ["mean", "df", "se", "lower"])
def test_variables_with_the_names_of_numbers(name):
    """Marginal means of a factor named like a column of their table."""
    data = mm.datasets.load("sleepstudy")
    data[name] = ["late" if day > 4 else "early" for day in data["Days"]]
    means = mm.lmm(f"Reaction ~ {name} + (1 | Subject)", data).emmeans(name)
    first, second = (line.split() for line in str(means).splitlines()[4:6])
    assert [first[0], second[0]] == ["early", "late"]
    assert [first[1], second[1]] == ["271.630", "325.386"]

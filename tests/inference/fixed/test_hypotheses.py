"""Hypotheses of types I to III where columns are aliased: empty cells, nesting, no intercept."""

import itertools

import numpy as np
import oracles
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import numbamm as mm
from numbamm.inference.fixed.hypotheses import hypotheses

FORMULAS = [
    "a * b",
    "a + b + a:b:c",
    "a * b * c",
    "a / b",
    "n + c",
    "a / n",
    "a * n * b",
    "a : b",
    "a + a:b",
    "0 + a + b",
    "0 + b + a",
    "0 + a * b",
    "0 + a:n + b",
    "a * x + b",
    "0 + a:x + b",
    "a * b + x + twice",
    "a * b + x * b",
    "a * poly(x, 2) + b",
]


@st.composite
def designs(draw):
    """Some of the cells of a × b × c, in any numbers; n is nested in a by its labels."""
    r = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    levels = [draw(st.integers(2, k)) for k in (4, 3, 3)]
    cells = np.array(list(itertools.product(*map(range, levels))))
    some = cells[r.random(len(cells)) < draw(st.sampled_from([0.5, 0.75, 1.0]))]
    some = np.vstack([some, [[i % k for k in levels] for i in range(max(levels))]])  # each level
    rows = some[r.integers(0, len(some), 12 * len(some))]
    rows = np.vstack([some, rows])
    a, b, c = (np.char.add(name, rows[:, j].astype(str)) for j, name in enumerate("abc"))
    frame = pd.DataFrame({"a": a, "b": b, "c": c, "n": np.char.add(a, b)})
    return frame.assign(
        x=r.normal(3, 1, len(rows)),
        twice=lambda d: 2 * d["x"],
        g=r.integers(0, 6, len(rows)),
        y=r.normal(size=len(rows)),
    )


def model_of(formula, frame, **options):
    return mm.LinearMixedModel(f"y ~ {formula} + (1 | g)", frame, **options)


def functions(model, type):
    """Each hypothesis as an orthogonal projection in the space of the rows' means."""
    x = model.feterm.x[:, model.feterm.kept]
    size = np.linalg.norm(x, axis=0)
    back = np.linalg.pinv(x / size) / size[:, None]
    found = {}
    for name, L in hypotheses(model, type).items():
        rows = L @ back
        q = np.linalg.qr(rows.T / np.maximum(np.linalg.norm(rows, axis=1), 1e-300))[0]
        found[frozenset(name.split(":"))] = q @ q.T
    return found


def rank(matrix):
    return int(np.linalg.matrix_rank(matrix, tol=1e-8)) if matrix.size else 0


def null(matrix):
    _, s, vh = np.linalg.svd(matrix)
    return vh[int((s > 1e-9 * max(s[:1], default=0)).sum()) :]


def by_definition(frame, terms, intercept):
    """SAS's type III, from an indicator for each level: dense algebra on the distinct rows.

    `terms` are tuples of names; x is a covariate.
    """
    blocks = {(): np.ones((len(frame), 1))} if intercept else {}
    for term in terms:
        factors = [f for f in term if f != "x"]
        label = frame[factors].agg(":".join, axis=1) if factors else pd.Series("", frame.index)
        block = pd.get_dummies(label).to_numpy(float)
        blocks[term] = block * frame[["x"]].to_numpy() if "x" in term else block
    x = np.hstack(list(blocks.values()))
    of = np.repeat(np.arange(len(blocks)), [v.shape[1] for v in blocks.values()])
    numbered = {term: k for k, term in enumerate(blocks)}
    space = np.linalg.svd(x, full_matrices=False)
    space = space[2][space[1] > 1e-9 * space[1][0]]  # estimable: the row space
    found = {}
    for term in terms:
        above = [t for t in terms if set(t) > set(term) and ("x" in t) == ("x" in term)]
        containing = np.isin(of, [numbered[t] for t in above])
        involved = containing | (of == numbered[term])
        own = null(space[:, ~involved].T) @ space
        others = null(space[:, ~containing].T) @ space
        chosen = null(others @ own.T) @ own
        q = np.linalg.qr((chosen @ np.linalg.pinv(x)).T)[0]
        found[frozenset(term)] = q @ q.T
    return found


DEFINED = {
    "a * b": ["a", "b", "ab"],
    "a * b * c": ["a", "b", "c", "ab", "ac", "bc", "abc"],
    "a / b": ["a", "ab"],
    "a : b": ["ab"],
    "n + c": ["n", "c"],
    "a + a:n": ["a", "an"],
    "a + b + a:b:c": ["a", "b", "abc"],
    "a * x + b": ["a", "x", "b", "ax"],
    "a * b + x * b": ["a", "b", "x", "ab", "bx"],
    "0 + a + b": ["a", "b"],
    "0 + b + a": ["b", "a"],
    "0 + a * b": ["a", "b", "ab"],
    "0 + a:n + b": ["an", "b"],
    "0 + a + a:b": ["a", "ab"],
}


@given(designs(), st.sampled_from(sorted(DEFINED)))
def test_type_3_is_as_defined_by_sas(frame, formula):
    terms = [tuple(t) for t in DEFINED[formula]]
    expected = by_definition(frame, terms, not formula.startswith("0"))
    found = functions(model_of(formula, frame), 3)
    assert found.keys() == expected.keys()
    for name in found:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-7)


@given(designs(), st.sampled_from(FORMULAS))
def test_types_agree_on_terms_that_none_contains(frame, formula):
    model = model_of(formula, frame)
    one, two, three = (functions(model, type) for type in (1, 2, 3))
    last = list(one)[-1]
    np.testing.assert_allclose(two[last], one[last], atol=1e-7)
    numeric = {"x", "twice", "poly(x, 2)"}
    written = [
        {frozenset(name.split(":")): L for name, L in hypotheses(model, type).items()}
        for type in (2, 3)
    ]
    for name in one:
        if not any(name < other and name & numeric == other & numeric for other in one):
            np.testing.assert_allclose(three[name], two[name], atol=1e-7)
            # to the letter, since degrees of freedom depend on how the rows are written
            np.testing.assert_allclose(written[0][name], written[1][name], atol=1e-7)


@given(designs(), st.sampled_from(FORMULAS), st.sampled_from([1, 2, 3]))
def test_a_constant_changes_nothing(frame, formula, type):
    """Where there is an intercept, or where several factors share what it would be."""
    if formula == "0 + a:x + b" or (formula.startswith("0") and type == 1):
        return
    model = model_of(formula, frame)
    x = model.feterm.x[:, model.feterm.kept]
    ones = np.linalg.lstsq(x, np.ones(len(x)), rcond=None)[0]
    for L in hypotheses(model, type).values():
        np.testing.assert_allclose(L @ ones, 0, atol=1e-8 * max(1.0, np.abs(L).max(initial=0)))


@given(
    designs(), st.sampled_from(FORMULAS), st.sampled_from(["sum", "helmert", "poly"]), st.booleans()
)
def test_neither_coding_nor_the_order_of_levels_matters(frame, formula, contrasts, reverse):
    """Projections of the rows' means say which hypothesis it is, whatever the coefficients."""
    factors = [f for f in "abcn" if f in formula.replace("poly", "").replace("twice", "")]
    order = {f: sorted(frame[f].unique(), reverse=reverse) for f in factors}
    other = frame.assign(**{f: pd.Categorical(frame[f], order[f]) for f in factors})
    coded = model_of(formula, other, contrasts=dict.fromkeys(factors, contrasts))
    shuffled = np.random.default_rng(len(frame)).permutation(len(frame))
    moved = model_of(formula, frame.iloc[shuffled])
    for type in (2, 3):
        plain = functions(model_of(formula, frame), type)
        for name, found in functions(coded, type).items():
            np.testing.assert_allclose(found, plain[name], atol=1e-7)
        for name, found in functions(moved, type).items():
            np.testing.assert_allclose(found, plain[name][np.ix_(shuffled, shuffled)], atol=1e-7)


ORDERS = [
    ("0 + a + b + c", "0 + c + b + a"),
    ("a : b", "b : a"),
    ("0 + a:b + c", "0 + c + b:a"),
    ("a:x + b:x", "b:x + a:x"),
    ("0 + a:x + b:x + c", "0 + c + b:x + a:x"),
    ("a + a:b", "b:a + a"),
    ("0 + a * b", "0 + b * a"),
    ("a + b:c", "c:b + a"),
    ("0 + a:b + a:c", "0 + a:c + a:b"),
    ("n + a + x + twice", "twice + x + a + n"),
]


@given(designs(), st.sampled_from(ORDERS))
def test_the_order_of_terms_and_factors_does_not_matter(frame, formulas):
    for type in (2, 3):
        one, other = (functions(model_of(formula, frame), type) for formula in formulas)
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_allclose(one[name], other[name], atol=1e-7)


@given(designs(), st.sampled_from(["a * x + b", "a * b + x * b", "a * poly(x, 2) + b"]),
       st.sampled_from([1e-9, 1e9]))  # fmt: skip
def test_units_of_covariates_do_not_matter(frame, formula, unit):
    for type in (1, 2, 3):
        one, other = (
            functions(model_of(formula, f), type)
            for f in (frame, frame.assign(x=unit * frame["x"]))
        )
        for name in one:
            np.testing.assert_allclose(one[name], other[name], atol=1e-7)


@given(designs(), st.sampled_from(FORMULAS))
def test_numbers_of_rows_of_type_1_and_2_are_ranks(frame, formula):
    """Degrees of freedom by comparing ranks of X with and without the term."""
    model = model_of(formula, frame)
    terms = list(hypotheses(model, 1))
    ours = {type: [len(L) for L in hypotheses(model, type).values()] for type in (1, 2, 3)}
    start = [] if formula.startswith("0") else [""]

    def columns(names):
        found = [np.zeros((len(frame), 1))]
        for name in names:
            block = np.ones((len(frame), 1))
            for part in filter(None, name.split(":")):
                if part in frame and frame[part].dtype.kind != "f":
                    own = pd.get_dummies(frame[part]).to_numpy(float)
                elif part in frame:
                    own = frame[[part]].to_numpy()
                else:
                    own = frame[["x"]].to_numpy() ** [[1, 2]]
                block = np.einsum("ij,ik->ijk", block, own).reshape(len(frame), -1)
            size = np.linalg.norm(block, axis=0)
            found.append(block / np.where(size > 0, size, 1))
        return np.hstack(found)

    numeric = {"x", "twice", "poly(x, 2)"}
    for i, term in enumerate(terms):
        parts = set(term.split(":"))
        free = [
            t
            for t in terms
            if t != term
            and not (parts < set(t.split(":")) and parts & numeric == set(t.split(":")) & numeric)
        ]
        for type, before in ((1, terms[:i]), (2, free), (3, free)):
            less = rank(columns([*start, *before]))
            more = rank(columns([*start, *before, term]))
            assert ours[type][i] == more - less


def part_of_cake():
    """198 rows, temperature as an unordered factor."""
    rows = oracles.dataset("cake")
    rows = rows.assign(plain=rows["temperature"].astype(str), recipe=rows["recipe"].astype(str))
    return rows[np.arange(1, len(rows) + 1) * 5 % 11 > 2]


def with_empty_cells():
    """The same without two of the 18 cells, a covariate and a factor besides."""
    rows = part_of_cake()
    rows = rows[~(rows["recipe"] + rows["plain"]).isin(["C225", "B175"])]
    i = np.arange(1, len(rows) + 1)
    return rows.assign(x=i * 7 % 13 / 3, half=np.where(i % 7 < 3, "u", "v"))


def three_cells_less():
    """Six of the nine cells of three temperatures."""
    rows = oracles.dataset("cake")
    rows = rows.assign(plain=rows["temperature"].astype(str), recipe=rows["recipe"].astype(str))
    cells = rows["recipe"] + rows["plain"]
    return rows[rows["plain"].isin(["175", "185", "195"]) & ~cells.isin(["A175", "B185", "C195"])]


ROWS = {"three": three_cells_less, "less": with_empty_cells}
# F and denominator degrees of freedom by lmerTest 3.1-3 and Satterthwaite's method.
LMERTEST = [
    ("three", "recipe * plain", 1, [0.6216977, 5.1997578, 4.0371897], [42, 42, 42]),
    ("three", "recipe * plain", 3, [0.0870677, 5.1997581, 4.0371897], [45.8885, 42, 42]),
    ("less", "recipe * plain", 2, [0.3879663, 10.198665, 1.0620373], [42.8455, 121.7334, 121.8038]),
    (
        "less",
        "recipe * plain",
        3,
        [0.3733182, 9.8493561, 1.0620373],
        [42.8780, 121.7702, 121.8038],
    ),
    (
        "less",
        "recipe * plain + recipe * x",
        3,
        [0.7485795, 9.9310456, 0.2116050, 1.0701741, 0.7240752],
        [73.7304, 118.5163, 120.1911, 118.6053, 120.1645],
    ),
    (
        "less",
        "recipe * plain * half",
        3,
        [0.3093607, 11.524014, 3.1066466, 0.9980330, 1.9671795, 0.8746730, 1.1094565],
        [41.9822, 108.2478, 115.8749, 108.3371, 117.3287, 114.5510, 113.8322],
    ),
]


@pytest.mark.parametrize(("rows", "effects", "type", "F", "dendf"), LMERTEST)
def test_empty_cells_agree_with_lmertest(rows, effects, type, F, dendf):
    model = mm.lmm(f"angle ~ {effects} + (1 | recipe:replicate)", ROWS[rows](), reml=True)
    found = model.anova(type=type).to_frame()
    np.testing.assert_allclose(found["F"], F, rtol=1e-4)
    np.testing.assert_allclose(found["dendf"], dendf, atol=1e-2)


def test_nested_factors_have_equal_means_over_what_exists():
    """Type III of the outer factor is the test of the averages of its cells' means.

    lmerTest 3.1-3 tests its coefficients instead, means of the first cells: SAS does not.
    """
    rows = part_of_cake().assign(
        hot=lambda d: np.select([d["temp"] > 195, d["temp"] > 175], ["hot", "mid"], "cold")
    )
    rows = rows[~((rows["plain"] == "225") & (np.arange(len(rows)) % 3 > 0))]
    model = mm.lmm("angle ~ hot / plain + (1 | recipe:replicate)", rows, reml=True)
    flat = mm.lmm("angle ~ 0 + plain + (1 | recipe:replicate)", rows, reml=True)
    names = ["175", "185", "195", "205", "215", "225"]
    assert flat.params.index.tolist() == [f"plain[{name}]" for name in names]
    means = np.array([[1, 0, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0], [0, 0, 0, 2 / 3, 2 / 3, 2 / 3]])
    expected = flat.contrast(means[1:] / 2 - means[0], joint=True, ddf="kr")
    found = model.anova(type=3, ddf="kr").to_frame()
    expected = expected.to_frame().iloc[0]
    np.testing.assert_allclose(found.loc["hot", expected.index], expected, rtol=1e-4)
    assert found["numdf"].tolist() == [2, 3]


def test_what_has_no_test_says_so():
    """A factor that another one's labels tell has nothing of its own, but for type I."""
    rows = part_of_cake().assign(hot=lambda d: np.where(d["temp"] > 195, "hot", "cold"))
    model = mm.lmm("angle ~ hot + plain + (1 | recipe:replicate)", rows, reml=True)
    for type, numdf in ((1, [1, 4]), (2, [0, 4]), (3, [0, 4])):
        table = model.anova(type=type)
        assert table.to_frame()["numdf"].tolist() == numdf
        assert table.to_frame()["F"].isna().tolist() == [n == 0 for n in numdf]
        assert ("Not estimable: hot." in repr(table)) == (type > 1)


@pytest.mark.parametrize("formula", ["0 + recipe + plain", "0 + plain + recipe"])
def test_without_an_intercept(formula):
    rows = part_of_cake()
    reference = mm.lmm("angle ~ recipe + plain + (1 | recipe:replicate)", rows, reml=True)
    model = mm.lmm(f"angle ~ {formula} + (1 | recipe:replicate)", rows, reml=True)
    for type in (2, 3):
        expected = reference.anova(type=type, ddf="kr").to_frame()
        found = model.anova(type=type, ddf="kr").to_frame().loc[expected.index]
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    first = model.anova(type=1).to_frame()["numdf"].tolist()
    assert first == ([3, 5] if "recipe +" in formula else [6, 2])


def test_covariates_far_from_zero():
    """Types of the interaction agree, and so do the F of the same model of a centred covariate."""
    rows = with_empty_cells()
    effects = "angle ~ plain * recipe + far * recipe + (1 | recipe:replicate)"
    near, far = (
        mm.lmm(effects, rows.assign(far=rows["x"] + shift), reml=True) for shift in (0, 1e5)
    )
    found = [m.anova(type=type).to_frame()["F"] for m in (near, far) for type in (1, 2, 3)]
    for other in found[1:]:
        np.testing.assert_allclose(other.iloc[-1:], found[0].iloc[-1:], rtol=1e-5)
    np.testing.assert_allclose(found[3], found[0], rtol=1e-5)


def test_contrasts_of_fewer_columns_than_levels():
    """They span a model of their own, of which the type III tests are those of its columns."""
    rows = with_empty_cells()
    slope = {"plain": {"lin": np.arange(6) - 2.5}}
    coded = mm.lmm(
        "angle ~ plain * half + (1 | recipe:replicate)", rows, reml=True, contrasts=slope
    )
    rows = rows.assign(lin=(rows["temp"] - 200) / 10)
    direct = mm.lmm("angle ~ lin * half + (1 | recipe:replicate)", rows, reml=True)
    for type in (1, 2, 3):
        one, other = (m.anova(type=type).to_frame() for m in (coded, direct))
        assert one["numdf"].tolist() == [1, 1, 1]
        np.testing.assert_allclose(one.to_numpy()[2], other.to_numpy()[2], rtol=1e-4)
    np.testing.assert_allclose(coded.anova().frame["F"], direct.anova().frame["F"], rtol=1e-4)


def test_full_dummies_and_no_terms():
    rows = part_of_cake()
    plain = mm.LinearMixedModel("angle ~ recipe + plain + (1 | recipe:replicate)", rows)
    full = mm.LinearMixedModel("angle ~ recipe + fulldummy(plain) + (1 | recipe:replicate)", rows)
    for type in (1, 2, 3):
        one, other = functions(plain, type), functions(full, type)
        for mine, theirs in zip(one.values(), other.values(), strict=True):
            np.testing.assert_allclose(mine, theirs, atol=1e-8)
    assert hypotheses(mm.LinearMixedModel("angle ~ 0 + (1 | recipe)", rows), 3) == {}


def separated(family):
    """Two cells of twelve without a success."""
    r = np.random.default_rng(11)
    a, b = np.tile(np.repeat(list("abcdef"), 2), 14), np.tile(list("uv"), 84)
    mean = np.where((a + b == "au") | (a + b == "cv"), 0.0, 0.5)
    y = r.binomial(1, mean) if family == "bernoulli" else r.poisson(4 * mean)
    return pd.DataFrame({"y": y, "a": a, "b": b, "g": np.repeat(np.arange(14), 12)})


@pytest.mark.filterwarnings("ignore::numbamm.errors.NumbammWarning")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("family", "link"),
    [("bernoulli", "logit"), ("bernoulli", "cloglog"), ("poisson", "log"), ("bernoulli", "probit")],
)
@pytest.mark.parametrize("fast", [True, False])
def test_separated_cells(family, link, fast):
    """Degrees of freedom are those of the design, and what has no number says so."""
    model = mm.glmm("y ~ a * b + (1 | g)", separated(family), family, link, fast=fast)
    for type in (1, 2, 3):
        table = model.anova(type=type)
        assert table.to_frame()["df"].tolist() == [5, 1, 5]
        unknown = table.to_frame()["pvalue"].isna()
        assert unknown.any() == ("No test of" in repr(table))


@pytest.mark.slow
@pytest.mark.parametrize("formula", ["a * b", "n / b", "a * b * c"])
def test_size_under_the_null(formula):
    """Tests of type III with empty cells reject as often as they should, far from zero, too."""
    r = np.random.default_rng(2)
    cells = np.array(list(itertools.product(range(3), range(3), range(2))))
    cells = cells[~np.isin(np.arange(18), [1, 6, 7, 17])]
    rows = cells[r.integers(0, len(cells), 160)]
    a, b, c = (np.char.add(name, rows[:, j].astype(str)) for j, name in enumerate("abc"))
    frame = pd.DataFrame({"a": a, "b": b, "c": c, "n": np.where(rows[:, 0] > 0, "S", "N")})
    frame["g"] = r.integers(0, 16, 160)
    rejected, times = 0, 1000
    for _ in range(times):
        frame["y"] = 50 + r.normal(size=16)[frame["g"]] + r.normal(size=160)
        table = mm.lmm(f"y ~ {formula} + (1 | g)", frame, reml=True).anova().to_frame()
        rejected = rejected + (table["pvalue"].dropna() < 0.05)
    assert (np.abs(rejected / times - 0.05) < 4 * np.sqrt(0.05 * 0.95 / times)).all(), rejected

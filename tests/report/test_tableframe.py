"""A frame that leaves as a table."""

import pickle

import pandas as pd


def test_a_frame_with_the_tables_of_results(counts, tmp_path):
    frame = counts.influence()
    assert isinstance(frame, pd.DataFrame) and repr(frame) == repr(frame.to_frame())
    assert type(frame.to_frame()) is type(frame.head()) is type(frame[["cooks"]]) is pd.DataFrame
    again = pickle.loads(pickle.dumps(frame))
    assert again.to_latex() == frame.to_latex()
    assert frame.to_html(index=False) == frame.to_frame().to_html(index=False)  # as pandas has it
    assert frame.to_latex(caption="mine").count("\\caption{mine}") == 1
    cooks = [line.split("|")[-2].strip() for line in frame.to_markdown().splitlines()[4:]]
    assert cooks == [f"{value:.4f}" for value in frame["cooks"]]


def test_limits_have_the_columns_of_statsmodels_and_names_in_tables(linear):
    found = linear.conf_int(0.1, which="all")
    assert list(found) == [0, 1] and type(found.loc[:, [0]]) is pd.DataFrame
    lines = found.to_markdown().splitlines()
    assert lines[0] == "**90 % confidence intervals, Wald**"
    assert [cell.strip() for cell in lines[2].split("|")[2:4]] == ["Lower", "Upper"]
    [note] = found.notes  # one of the two terms is singular
    assert len(lines) == 4 + len(found) + 2 and note.split(":")[0] in found.index
    assert linear.profile("sigma").conf_int().to_latex().count("profile likelihood") == 1
    assert "Satterthwaite" in linear.conf_int(ddf="satterthwaite").to_html()


def test_all_columns_are_printed_unless_pandas_shall_show_fewer(linear):
    frame = linear.tidy()
    assert len(frame.columns) == 10
    for most in (0, 20, None):
        with pd.option_context("display.max_columns", most, "display.width", 80):
            assert all(name in repr(frame) for name in frame.columns)
    with pd.option_context("display.max_columns", 4, "display.width", 80):
        assert "pvalue" not in repr(frame) and repr(frame) == repr(frame.to_frame())


def test_limits_say_how_they_were_found_and_why_some_are_missing(linear):
    found = linear.conf_int(which="all")
    first, *lines, note = repr(found).splitlines()
    assert first == found.title and [note[1:]] == found.notes
    assert lines == repr(found.to_frame()).splitlines()
    assert found.title in found._repr_html_() and "curvature" in found._repr_html_()
    again = pickle.loads(pickle.dumps(found))
    assert repr(again) == repr(found)
    with pd.option_context("display.notebook_repr_html", False):
        assert found._repr_html_() is None
    assert repr(found.round(2)) == repr(found.to_frame().round(2))


def test_rows_without_names_are_not_numbered(linear):
    frame = linear.tidy()
    lines = frame.to_markdown().splitlines()
    assert lines[2].split("|")[1].strip() == "effect" and len(lines) == 4 + len(frame)
    assert frame.to_frame().equals(frame)

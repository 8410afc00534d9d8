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

"""Frames by grouping factor print as tables."""

CROSSED = ("diameter ~ 1 + (1 | plate) + (1 | sample)", "Penicillin")


def test_frames_print_as_tables(fitted):
    model = fitted(*CROSSED)
    for function in (model.ranef, model.coef, model.condvar):
        shown = function()
        for group, frame in shown.items():
            assert f"{group}\n{frame!r}" in repr(shown)
            assert f"<b>{group}</b>" in shown._repr_html_()
            assert frame._repr_html_() in shown._repr_html_()
        assert isinstance(shown, dict)

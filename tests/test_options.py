"""Values of options: taken in their proper type, or refused by the option's name."""

import numpy as np
import pandas as pd
import pytest

from numbamm import options
from numbamm.errors import OptionError


def test_what_is_taken():
    assert options.one_of("method", "wald", iter(["wald", "profile"])) == "wald"
    assert [options.flag("reml", v) for v in (True, 0, np.True_, 1.0)] == [True, False, True, True]
    assert options.numbers("at", [1, 2]).dtype == np.float64
    assert options.name_list("by", "a") == ["a"]
    assert options.name_list("by", (n for n in "ab")) == ["a", "b"]
    assert options.name_list("by", [], least=0) == []
    assert options.mapping("at", {"x": 1}) == {"x": 1}
    assert options.valid_alpha(np.float32(0.25)) == 0.25
    assert options.non_negative("tol", np.float64(0)) == 0


def test_what_an_option_with_a_number_for_each_name_must_be():
    assert options.one_for_each(["g.x"]) == "1 number (g.x)"
    assert options.one_for_each(iter("ab")) == "2 numbers (a, b)"


@pytest.mark.parametrize(
    ("check", "value", "message"),
    [
        (lambda n, v: options.one_of(n, v, ["wald", "profile"]), "Wald", "one of wald, profile"),
        (lambda n, v: options.one_of(n, v, ["wald"]), ["wald"], "one of wald, not \\['wald'\\]"),
        (options.flag, "yes", "True or False, not 'yes'"),
        (options.flag, None, "True or False, not None"),
        (options.flag, 2, "True or False, not 2"),
        (options.flag, np.array([True]), "True or False"),
        (options.numbers, "a", "numbers, not 'a'"),
        (options.numbers, [1, "b"], "numbers"),
        (options.numbers, 1j, "real numbers, not 1j"),
        (options.numbers, pd.Timestamp(0), "numbers"),
        (options.non_negative, -1, "a number of at least 0, not -1"),
        (options.non_negative, float("nan"), "a number of at least 0, not nan"),
        (options.non_negative, True, "a number of at least 0, not True"),
        (options.non_negative, [0.1], "a number of at least 0"),
        (options.name_list, 3, "a name or a list of names, not 3"),
        (options.name_list, [], "a name or a list of names"),
        (options.name_list, ["a", 1], "a name or a list of names"),
        (options.name_list, {"a": 1}, "a name or a list of names"),
        (options.mapping, [("a", 1)], "a dict with names as keys"),
        (options.mapping, {1: "a"}, "a dict with names as keys"),
    ],
)
def test_what_is_refused(check, value, message):
    with pytest.raises(OptionError, match=rf"^what must be {message}|{message}"):
        check("what", value)


@pytest.mark.parametrize("alpha", [0, 1, 1.5, -0.1, float("nan"), "0.05", None, True])
def test_alpha(alpha):
    with pytest.raises(OptionError, match="alpha must be between 0 and 1"):
        options.valid_alpha(alpha)


def test_long_values_are_cut():
    assert options.shown("a\nb") == repr("a\nb")
    assert len(options.shown(list(range(1000)))) == 80
    assert options.shown(pd.DataFrame({"a": [1, 2]})).count("\n") == 0

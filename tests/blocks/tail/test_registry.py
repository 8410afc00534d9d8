"""Tails are found by the names of their files."""

from pathlib import Path

import pytest

from numbamm.blocks import tail
from numbamm.blocks.tail.protocol import Tail
from numbamm.blocks.tail.registry import names, tail_of


def test_every_file_is_found():
    files = [path.stem for path in Path(tail.__file__).parent.glob("*_tail.py")]
    assert sorted(f"{name}_tail" for name in names()) == sorted(files)
    assert "dense" in names()


@pytest.mark.parametrize("name", names())
def test_a_tail_has_its_file_s_name_and_can_say_what_it_is(name):
    cls = tail_of(name)
    assert issubclass(cls, Tail) and cls.name == name
    assert cls.__doc__ and isinstance(cls.is_exact, bool)
    assert cls.predict.__func__ is not Tail.predict.__func__

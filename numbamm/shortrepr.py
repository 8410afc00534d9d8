"""`ShortRepr`: records with large arrays that print in a line."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from numbamm.errors import without_numpy

#: Longest text of one field.
LONGEST = 60


class ShortRepr:
    """A base of dataclasses: fields are shown in full only where they are short."""

    def __repr__(self) -> str:
        assert is_dataclass(self)
        shown = (f"{f.name}={_short(getattr(self, f.name))}" for f in fields(self))
        return f"{type(self).__name__}({', '.join(shown)})"


def _short(value: Any) -> str:
    """A value in a few words: large arrays and frames by their shapes, lists by their lengths."""
    shape = getattr(value, "shape", ())
    if len(shape) > 1 or (shape and shape[0] > 4):
        return f"<{type(value).__name__} {' × '.join(map(str, shape))}>"
    if isinstance(value, list | tuple | dict):
        members = list(value.values() if isinstance(value, dict) else value)
        if any(hasattr(m, "shape") and m.shape for m in members):
            return f"<{len(members)} {type(members[0]).__name__}s>"
    text = " ".join(without_numpy(repr(value)).split())
    if len(text) <= LONGEST:
        return text
    return f"<{len(value)} in a {type(value).__name__}>" if hasattr(value, "__len__") else "..."

"""`ShortRepr`: records with large arrays that print in a line or two."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from numbamm.errors import without_numpy

#: Longest text of one field.
LONGEST = 60


class ShortRepr:
    """A base of dataclasses: fields are in full only where they are short, and not at defaults."""

    def __repr__(self) -> str:
        assert is_dataclass(self)
        values = [(f, getattr(self, f.name)) for f in fields(self)]
        shown = [f"{f.name}={_short(v)}" for f, v in values if not _is_default(f, v)]
        return f"{type(self).__name__}({', '.join(shown)})"


def _is_default(field, value: Any) -> bool:
    """Whether a field has its default value."""
    return type(value) is type(field.default) and value == field.default


def _short(value: Any) -> str:
    """A value in a few words: numbers of seven digits; shapes of large arrays, lengths of lists."""
    if isinstance(value, float):
        return f"{value:.7g}"
    shape = getattr(value, "shape", ())
    if len(shape) > 1 or (shape and shape[0] > 4):
        return f"<{type(value).__name__} {' × '.join(map(str, shape))}>"
    if isinstance(value, list | tuple | dict):
        members = list(value.values() if isinstance(value, dict) else value)
        if any(hasattr(m, "shape") and m.shape for m in members):
            return f"<{len(members)} {type(members[0]).__name__}s>"
    if isinstance(value, np.ndarray):
        return f"[{', '.join(map(_short, value.tolist()))}]" if shape else _short(value.item())
    text = " ".join(without_numpy(repr(value)).split())
    if len(text) <= LONGEST:
        return text
    return f"<{len(value)} in a {type(value).__name__}>" if hasattr(value, "__len__") else "..."

"""`Call`: what a model was built from, by which `update` builds another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(repr=False)
class Call:
    """The data and options of a model, as its user gave them.

    The data are referred to, not copied: copies of a model share them, and a pickled model goes
    without.

    Attributes
    ----------
    data : frame or dict, or None
    options : dict
        Arguments of the model's class besides formula and data.
    """

    data: Any
    options: dict[str, Any]

    def __deepcopy__(self, memo) -> Call:
        return self

    def __getstate__(self) -> dict:
        return {"data": None, "options": self.options}

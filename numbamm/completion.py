"""`ForUsers`: objects whose completion offers what users need, and not what other rooms ask for."""

from __future__ import annotations

from typing import ClassVar


class ForUsers:
    """A base of objects with members that only other rooms, and new methods of inference, call.

    These members have public names, since other rooms should not touch private ones. But they are
    no part of what users learn: `dir`, and with it completion in notebooks, leaves them out.
    """

    #: The names that completion leaves out.
    _between_rooms: ClassVar[frozenset[str]] = frozenset()

    def __dir__(self) -> list[str]:
        return sorted(set(super().__dir__()) - self._between_rooms)

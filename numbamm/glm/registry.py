"""`Registry`: the records of a folder, one file each, found by name."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from dataclasses import fields
from functools import cached_property, lru_cache
from importlib import import_module
from typing import Any

from numbamm.elsewhere import bare, value_hint
from numbamm.errors import OptionError, shown


class Registry:
    """Records that the files of a package hold, each imported when it is asked for.

    Parameters
    ----------
    package : str
        Every file in it has one record, and a new file is found without registration.
    kind : str
        The records' name in messages; in capitals, the attribute of a file that holds its record.
    type : class
        The records' class.
    """

    def __init__(self, package: str, kind: str, type: type) -> None:
        self._package, self.kind, self.type = package, kind, type

    @property
    def folder(self) -> str:
        """Name of the folder of the files."""
        return self._package.rpartition(".")[2]

    @cached_property
    def _files(self) -> list[str]:
        folder = import_module(self._package).__path__
        return [module.name for module in pkgutil.iter_modules(folder)]

    def _record(self, file: str) -> Any:
        return getattr(import_module(f"{self._package}.{file}"), self.kind.upper())

    def __iter__(self) -> Iterator:
        """All records."""
        return map(self._record, self._files)

    def __getitem__(self, name: str):
        """The record of a name or an alias; case and other signs are ignored.

        Raises
        ------
        OptionError
            If there is none; the message lists the names.
        """
        wanted = bare(name)
        files = {bare(file): file for file in self._files}  # a file has its record's name
        if wanted in files:
            return self._record(files[wanted])
        aliases = {bare(alias): record for record in self for alias in record.aliases}
        if wanted in aliases:
            return aliases[wanted]
        return self[spelled(self.kind, name, [record.name for record in self])]

    def of(self, given):
        """The record of a name; a record is returned unchanged.

        Raises
        ------
        OptionError
            There is none, or the object is another package's.
        """
        if isinstance(given, self.type):
            return given
        if not isinstance(given, str):
            name = getattr(given, "__name__", type(given).__name__)
            ours = self.get(name)
            remedy = (
                f'{self.kind}="{ours.name}"'
                if ours
                else f"one of {', '.join(record.name for record in self)}"
            )
            raise OptionError(
                f"a {self.kind} is given by its name, not by {shown(given)}: write {remedy}"
            )
        return self[given]

    def get(self, name: str):
        """The record of a name or an alias, or None."""
        try:
            return self[name]
        except OptionError:
            return None


def packed(record) -> tuple:
    """The pickled form of a user's record, with the functions that it holds."""
    from numba import cloudpickle

    given = {f.name: getattr(record, f.name) for f in fields(record)}
    return _unpacked, (cloudpickle.dumps((type(record), given)),)


@lru_cache
def _unpacked(content: bytes):
    """The record; the same one for the same bytes, so that it is compiled once."""
    from numba import cloudpickle

    kind, given = cloudpickle.loads(content)
    return kind(**given)


def spelled(what: str, name, known) -> str:
    """The known name that agrees with `name` but for case and other signs.

    Raises
    ------
    OptionError
        If there is none; the message lists the known names.
    """
    spelling = bare(name)
    for candidate in known:
        if bare(candidate) == spelling:
            return candidate
    raise OptionError(
        f"unknown {what} {shown(name)}{value_hint(what, spelling, known)}; there are "
        f"{', '.join(known)}"
    )

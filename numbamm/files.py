"""Files that are written as a whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from numbamm.errors import OptionError
from numbamm.options import shown


def as_path(path) -> Path:
    """The path of a file.

    Raises
    ------
    OptionError
        If it is no name of a file.
    """
    try:
        return Path(path)
    except TypeError:
        raise OptionError(f"path must be the name of a file, not {shown(path)}") from None


def write(path, content: bytes) -> None:
    """Write a file: beside its place first, so that a full disk leaves what was there before.

    Raises
    ------
    OptionError
        If it cannot be written.
    """
    place = as_path(path)
    part = place.with_name(f"{place.name}.{os.getpid()}.part") if place.name else place
    try:
        if place.exists() and not place.is_file():  # a pipe, a device: nothing to be kept there
            place.write_bytes(content)
            return
        try:
            part.write_bytes(content)
            part.replace(place.resolve())  # the file behind a link, not the link
        finally:
            part.unlink(missing_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise OptionError(f"{path} cannot be written: {reason}") from error

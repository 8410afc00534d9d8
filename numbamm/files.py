"""Files that are written completely or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from numbamm.errors import OptionError, shown


def as_path(path) -> Path:
    """A path from what the user gave.

    Raises
    ------
    OptionError
        It is neither text nor a path.
    """
    try:
        return Path(path)
    except TypeError:
        raise OptionError(f"path must be the name of a file, not {shown(path)}") from None


def write(path, content: bytes) -> None:
    """Write a file, or leave the old one as it is if the writing fails, as on a full disk.

    The content goes to a temporary file in the same folder, which then replaces the old file.

    Raises
    ------
    OptionError
        The file cannot be written.
    """
    target = as_path(path)
    temporary = target.with_name(f"{target.name}.{os.getpid()}.part") if target.name else target
    try:
        if target.exists() and not target.is_file():  # a pipe or a device holds no old content
            target.write_bytes(content)
            return
        try:
            temporary.write_bytes(content)
            temporary.replace(target.resolve())  # of a symbolic link, the file that it points to
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        reason = getattr(error, "strerror", None) or error
        raise OptionError(f"{path} cannot be written: {reason}") from error


def require_pyarrow():
    """The package pyarrow, with its submodule for Parquet files.

    Raises
    ------
    OptionError
        It is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise OptionError("Parquet files need pyarrow: pip install 'numbamm[parquet]'") from error
    return pyarrow

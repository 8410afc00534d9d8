"""`Absent`: stands for an array over rows that were read chunk by chunk and not kept."""

from __future__ import annotations

from typing import Any

from numbamm.errors import DataError


class Absent:
    """An array of a known shape whose values are not in memory: to ask for them is an error.

    Code that needs the number of rows or of columns alone works with it as with an array.

    Parameters
    ----------
    what : str
        What the values are, for the message.
    shape : tuple of int
    """

    def __init__(self, what: str, shape: tuple[int, ...]) -> None:
        self.what, self.shape = what, shape

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<{self.what} of {self.shape[-1]} rows, not kept>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copies and pickles look for methods that need not exist
            raise AttributeError(name)
        raise self.error()

    def error(self) -> DataError:
        """The error for whoever needs the values."""
        return DataError(
            f"this needs {self.what} of all rows at once, but the rows were read chunk by chunk "
            "and not kept: fit the model to a frame in memory, of a part of the rows if they are "
            "too many; predict(), fittedvalues and resid read the rows again, chunk by chunk"
        )

    def _refuse(self, *args: Any, **options: Any) -> Any:
        raise self.error()

    __array__ = __array_ufunc__ = __array_function__ = __getitem__ = __iter__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __matmul__ = _refuse
    __rmatmul__ = __truediv__ = __rtruediv__ = __pow__ = __neg__ = __bool__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __hash__ = object.__hash__


def absent(what: str, *shape: int) -> Any:
    """An `Absent`, which type checkers may take for an array."""
    return Absent(what, shape)


def is_absent(values: Any) -> bool:
    """Whether values stand for rows that are not in memory."""
    return isinstance(values, Absent)

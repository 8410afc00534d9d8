"""The cache of compiled kernels, protected from damaged files and full disks.

numba does not check its cache: a truncated file or a full disk raises an error in the call of the
kernel, and damaged code is run. Here every file ends with a checksum of its content. A damaged
kernel is compiled again, with one warning that names the folder.
"""

from __future__ import annotations

import pickle
import zlib

from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile
from numba.core.serialize import dumps

from numbamm.blocks.linking import are_known, symbols_of
from numbamm.errors import warn

#: Length of the checksum in bytes. Unpickling ignores it, so that numba itself can read the files.
CHECKSUM = 4

_warned: set[str] = set()


def _warn_once(folder: str, what: str, remedy: str) -> None:
    if folder not in _warned:
        _warned.add(folder)
        message = f"{what} in the cache of compiled kernels, {folder}: {remedy}"
        warn(message)


class KernelCacheFile(IndexDataCacheFile):
    """Index and code of one kernel, with a checksum."""

    def _load_index(self):
        try:
            return super()._load_index()
        except Exception as error:  # unpickling damaged bytes may raise any error
            self._damaged(error)
            return {}

    def _load_data(self, name):
        try:
            with open(self._data_path(name), "rb") as file:
                data = file.read()
            content, checksum = data[:-CHECKSUM], data[-CHECKSUM:]
            if _checksum(content) != checksum:
                raise ValueError(f"the checksum of {name} is wrong")
            return pickle.loads(content)
        except FileNotFoundError:
            raise  # removed by another process: numba compiles, without a warning
        except Exception as error:
            self._damaged(error)
            raise OSError(f"{name} is damaged") from error

    def _save_data(self, name, data):
        content = dumps(data)
        with self._open_for_write(self._data_path(name)) as file:
            file.write(content + _checksum(content))

    def _damaged(self, error: Exception) -> None:
        what = f"a file is damaged ({type(error).__name__})"
        _warn_once(self._cache_path, what, "its kernel is compiled anew")


class KernelCacheImpl(CompileResultCacheImpl):
    """The content of a cached file: numba's data, and the linked kernels that the code calls.

    Cached code cannot be used if one of these has changed its types since.
    """

    def reduce(self, cres) -> tuple:
        """The content to be cached."""
        return symbols_of(cres.library), super().reduce(cres)

    def rebuild(self, target_context, payload: tuple):
        """The cached code, or None if it can no longer be used."""
        try:
            symbols, data = payload
            known = are_known(symbols)
        except (TypeError, ValueError):  # written by another version of this module
            return None
        return super().rebuild(target_context, data) if known else None


class KernelCache(FunctionCache):
    """numba's cache of one kernel, whose reading and writing never raise an error."""

    _impl_class = KernelCacheImpl

    def __init__(self, function) -> None:
        super().__init__(function)
        self._cache_file = KernelCacheFile(
            cache_path=self.cache_path,
            filename_base=self._impl.filename_base,
            source_stamp=self._impl.locator.get_source_stamp(),
        )

    def has(self, kernel) -> bool:
        """Whether the kernel's current source is cached for its declared types and this machine."""
        key = self._index_key(kernel.takes, kernel.targetctx.codegen())
        return key in self._cache_file._load_index()

    def load_overload(self, sig, target_context):
        """The cached code for a signature, or None."""
        try:
            return super().load_overload(sig, target_context)
        except OSError as error:
            _warn_once(self.cache_path, f"no file can be read ({error.strerror})", _ELSEWHERE)
            return None

    def save_overload(self, sig, data) -> None:
        """Cache the code for a signature; warn if it cannot be written."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            _warn_once(self.cache_path, f"no file can be written ({error.strerror})", _ELSEWHERE)


_ELSEWHERE = "kernels are compiled in every process; NUMBA_CACHE_DIR names another folder"


def _checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(CHECKSUM, "big")

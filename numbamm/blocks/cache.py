"""The cache of compiled kernels, which a damaged file or a full disk cannot break.

numba trusts its cache: what a cut-off file raises, or a disk without room, it hands on to whoever
called the kernel, and code that lost a byte is run. Here every file ends with a checksum of what
stands before it, and what is damaged is compiled anew, with one warning that names the folder.
"""

from __future__ import annotations

import pickle
import warnings
import zlib

from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile
from numba.core.serialize import dumps

from numbamm.blocks.linking import are_known, symbols_of
from numbamm.errors import NumbammWarning

#: Bytes of the checksum. Unpickling ends before it, so that numba itself can read the files.
CHECKSUM = 4

_warned: set[str] = set()


def _warn_once(folder: str, what: str, remedy: str) -> None:
    if folder not in _warned:
        _warned.add(folder)
        message = f"{what} in the cache of compiled kernels, {folder}: {remedy}"
        warnings.warn(message, NumbammWarning, stacklevel=3)


class KernelCacheFile(IndexDataCacheFile):
    """Index and code of one kernel, with a checksum."""

    def _load_index(self):
        try:
            return super()._load_index()
        except Exception as error:  # whatever unpickling of damaged bytes raises
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
            raise  # removed by another process: numba compiles without a word
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
    """What is kept of a kernel: numba's data, and which linked kernels its code looks up.

    Code that was kept before one of these changed its types would call it the old way.
    """

    def reduce(self, cres) -> tuple:
        """What is to be kept."""
        return symbols_of(cres.library), super().reduce(cres)

    def rebuild(self, target_context, payload: tuple):
        """The code that was kept, or None if it can no longer be run."""
        try:
            symbols, data = payload
            known = are_known(symbols)
        except (TypeError, ValueError):  # what another version of this file has kept
            return None
        return super().rebuild(target_context, data) if known else None


class KernelCache(FunctionCache):
    """numba's cache of one kernel, of which neither reading nor writing fails."""

    _impl_class = KernelCacheImpl

    def __init__(self, function) -> None:
        super().__init__(function)
        self._cache_file = KernelCacheFile(
            cache_path=self.cache_path,
            filename_base=self._impl.filename_base,
            source_stamp=self._impl.locator.get_source_stamp(),
        )

    def has(self, kernel) -> bool:
        """Whether there is code for its declared types, of this source, for this machine."""
        key = self._index_key(kernel.takes, kernel.targetctx.codegen())
        return key in self._cache_file._load_index()

    def load_overload(self, sig, target_context):
        """The kept code for a signature, or None."""
        try:
            return super().load_overload(sig, target_context)
        except OSError as error:
            _warn_once(self.cache_path, f"no file can be read ({error.strerror})", _ELSEWHERE)
            return None

    def save_overload(self, sig, data) -> None:
        """Keep the code for a signature, if that can be done."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            _warn_once(self.cache_path, f"no file can be written ({error.strerror})", _ELSEWHERE)


_ELSEWHERE = "kernels are compiled in every process; NUMBA_CACHE_DIR names another folder"


def _checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(CHECKSUM, "big")

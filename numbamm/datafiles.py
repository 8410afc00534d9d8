"""`read`: the data of a file, of standard input or of a shipped set, for the command line."""

from __future__ import annotations

import csv
import gzip
import io
import re
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from numbamm import datasets
from numbamm.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

#: Suffixes of files; what else is no file is the name of a shipped data set.
SUFFIXES = {".csv", ".tsv", ".txt", ".gz", ".parquet", ".pq", ".xlsx", ".xlsm", ".xls", ".ods"}
#: First bytes of formats that are no text.
PARQUET, ZIP, GZIP, OLD_EXCEL = b"PAR1", b"PK\x03\x04", b"\x1f\x8b", b"\xd0\xcf\x11\xe0"

#: How many bytes of a file tell its format.
HEAD = 2**16

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
#: Lines by which a separator is recognised.
LINES = 25

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_WITH_COMMA = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+)?,\d+([eE][+-]?\d+)?")
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+")
_MISSING = {"", "NA", "NaN", "nan", "N/A", "null", "None", "."}


def read(data: str, sheet: str | None = None) -> pd.DataFrame:
    """The data that a command names.

    Parameters
    ----------
    data : str
        The path of a text file of columns, a Parquet or an Excel file; ``"-"`` for standard input;
        or the name of a shipped data set.
    sheet : str, optional
        The sheet of an Excel file; the first one, if not given.

    Raises
    ------
    DataError
        There is no such file, or it cannot be read; the message says why.
    """
    if data == "-":
        content = sys.stdin.buffer.read()
        return _of_file(lambda: io.BytesIO(content), "standard input", sheet)
    path = Path(data)
    if path.is_file():
        return _of_file(lambda: path.open("rb"), data, sheet)
    if any(suffix.lower() in SUFFIXES for suffix in path.suffixes):
        raise DataError(f"there is no file {data}")
    return datasets.load(data)


def _of_file(open_file: Callable[[], BinaryIO], name: str, sheet: str | None) -> pd.DataFrame:
    """The data of a file, in a format that its first bytes, or its name, tell."""
    import pandas as pd

    kinds, inner = {suffix.lower() for suffix in Path(name).suffixes}, open_file
    try:
        if _head(open_file).startswith(GZIP):
            inner = partial(_unpacked, open_file)
        elif ".gz" in kinds:
            raise ValueError("it is not compressed by gzip")
        head = _head(inner)
        with inner() as file:
            if head.startswith(PARQUET) or kinds & {".parquet", ".pq"}:
                return pd.read_parquet(io.BytesIO(file.read()))
            if head.startswith((ZIP, OLD_EXCEL)) or kinds & {".xlsx", ".xlsm", ".xls", ".ods"}:
                return _of_excel(io.BytesIO(file.read()), sheet)
            return _of_text(file, head, name)
    except ImportError as error:
        if "parquet" in str(error).lower():
            need = "Parquet needs pyarrow: pip install 'numbamm[parquet]'"
        else:
            need = f"Excel needs openpyxl: pip install 'numbamm[excel]' ({error})"
        raise DataError(f"{name}: reading {need}") from None
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name} cannot be read: it is not text in UTF-8 ({error}); save it in that encoding"
        ) from error
    except (ValueError, KeyError, OSError, EOFError, csv.Error) as error:
        # empty, malformed, or of another format than its suffix says
        raise DataError(f"{name} cannot be read: {error}") from error


def _unpacked(open_file: Callable[[], BinaryIO]) -> BinaryIO:
    return cast(BinaryIO, gzip.open(open_file()))


def _head(open_file: Callable[[], BinaryIO]) -> bytes:
    """The first bytes of a file."""
    with open_file() as file:
        return file.read(HEAD)


def _of_excel(file: BinaryIO, sheet: str | None) -> pd.DataFrame:
    """The data of a sheet, whose first row names the columns."""
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of styles that are not read
        return pd.read_excel(file, sheet_name=0 if sheet is None else sheet)


def _of_text(file: BinaryIO, head: bytes, name: str) -> pd.DataFrame:
    """The data of a text of columns, whatever stands between them and in decimal numbers."""
    import pandas as pd

    if not head.strip():
        raise ValueError("it is empty")
    whole = len(head) < HEAD or b"\n" not in head
    text = (head if whole else head[: head.rindex(b"\n")]).decode("utf-8-sig")
    separator = _separator(text)
    frame = pd.read_csv(file, sep=separator, encoding="utf-8-sig")
    comma = [c for c in frame if _has_decimal_commas(frame[c], separator)]
    for column in comma:
        frame[column] = frame[column].map(_number, na_action="ignore").astype(float)
    grouped = [c for c in frame if _all_match(frame[c], _GROUPED)]
    if grouped:
        raise ValueError(
            f"column '{grouped[0]}' has numbers such as {frame[grouped[0]].dropna().iloc[0]!r}, "
            "whose comma may stand for decimals or for thousands: write them with a point, or "
            "without"
        )
    _say_how(name, separator, comma)
    return frame


def _separator(text: str) -> str:
    """What stands between the columns of a text: the same number of times in each line."""
    lines = [line for line in text.splitlines()[: LINES + 1] if line.strip()][:LINES]
    found = {}
    for separator in SEPARATORS:
        counts = {len(row) for row in csv.reader(lines, delimiter=separator)}
        if len(counts) == 1 and (n := counts.pop()) > 1:
            found[separator] = n
    if ";" in found:  # then commas stand for decimals
        return ";"
    if found:
        return max(found, key=lambda s: found[s])
    if len({len(line.split()) for line in lines}) == 1 and len(lines[0].split()) > 1:
        return r"\s+"
    header = {s: lines[0].count(s) for s in SEPARATORS}  # ragged: pandas names the line
    return max(header, key=lambda s: header[s])


def _has_decimal_commas(values: pd.Series, separator: str) -> bool:
    """Whether all values are numbers, some of them with a decimal comma."""
    texts = _texts(values)
    if separator == "," and all(_GROUPED.fullmatch(t) for t in texts if "," in t):
        return False  # 1,234 in quotes: which of both it is nobody can tell
    some = any(_WITH_COMMA.fullmatch(text) for text in texts)
    return some and all(_WITH_COMMA.fullmatch(t) or _NUMBER.fullmatch(t) for t in texts)


def _all_match(values: pd.Series, pattern: re.Pattern) -> bool:
    texts = _texts(values)
    some = any(pattern.fullmatch(text) for text in texts)
    return some and all(pattern.fullmatch(t) or _NUMBER.fullmatch(t) for t in texts)


def _texts(values: pd.Series) -> list[str]:
    """The values of a column of texts; none, if it has numbers."""
    if values.dtype.kind not in "OTU":
        return []
    return [str(value).strip() for value in values if str(value).strip() not in _MISSING]


def _number(text: str) -> float:
    text = str(text).strip()
    if text in _MISSING:
        return float("nan")
    return float(text.replace(".", "").replace(",", ".") if "," in text else text)


def _say_how(name: str, separator: str, comma: list[str]) -> None:
    """Tell, on the error stream, how a text was read if that is not by commas and points."""
    said = []
    if separator != "," and not name.lower().removesuffix(".gz").endswith(".tsv"):
        said.append(f"columns separated by {SEPARATORS.get(separator, 'spaces')}")
    if comma:
        said.append(f"decimal commas in {', '.join(map(str, comma))}")
    if said:
        print(f"numbamm: {name} has {' and '.join(said)}", file=sys.stderr)

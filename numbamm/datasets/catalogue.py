"""The shipped data sets: a table of them (`list`), and each as a frame (`load`)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from numbamm.errors import DataError, did_you_mean, shown

if TYPE_CHECKING:
    import pandas as pd

_HERE = Path(__file__).parent
_CATALOGUE = tomllib.loads((_HERE / "catalogue.toml").read_text(encoding="utf-8"))


def list() -> pd.DataFrame:
    """The shipped data sets, one row each.

    Returns
    -------
    DataFrame
        Indexed by ``name``, with ``description``, ``published`` (the first publication of the
        values), ``source`` (the R package that they were read from), and the numbers of ``rows``
        and ``columns``. The names alone are ``list().index``.

    See Also
    --------
    load

    Examples
    --------
    >>> import numbamm as mm
    >>> int(mm.datasets.list().loc["sleepstudy", "rows"])
    180
    """
    import pandas as pd

    table = pd.DataFrame.from_dict(_CATALOGUE, orient="index")
    table["columns"] = table["columns"].map(len)
    # Narrow columns last: on a narrow terminal pandas leaves out the columns in the middle.
    return table[["description", "published", "source", "rows", "columns"]].rename_axis("name")


def load(name: str) -> pd.DataFrame:
    """A shipped data set, as a new frame at each call.

    Factors are categorical columns with the levels in their original order; they are ordered
    factors if the originals are. Counts and codes are int64, measurements float64.

    Parameters
    ----------
    name
        One of the names below, in upper or lower case.

    Returns
    -------
    DataFrame
        The columns have the names of the R package.

    Raises
    ------
    DataError
        No set has that name; the message suggests a similar one.

    See Also
    --------
    list

    Notes
    -----
    The data sets, with the R package that they were read from and their first publication:

    Examples
    --------
    >>> import numbamm as mm
    >>> mm.datasets.load("sleepstudy").shape
    (180, 3)
    """
    import pandas as pd

    name = _canonical(name)
    kinds = _CATALOGUE[name]["columns"]
    [path] = (_HERE / "data").glob(f"{name}.csv*")
    # Read as text, then converted: pandas' parser of numbers is not exact in every version.
    text = pd.read_csv(path, dtype="str", keep_default_na=False, na_values=[""])
    return text.astype({column: _dtype(kind, text[column]) for column, kind in kinds.items()})


if load.__doc__:  # python -OO leaves docstrings out
    load.__doc__ = load.__doc__.rstrip() + "".join(
        f"\n\n    {name}\n        {about['description']}. From {about['source']}."
        f"\n        First published: {about['published']}."
        for name, about in _CATALOGUE.items()
    )


def _canonical(name: str) -> str:
    """The catalogue's spelling of `name`."""
    spelling = {known.lower(): known for known in _CATALOGUE}
    if isinstance(name, str) and name.lower() in spelling:
        return spelling[name.lower()]
    hint = did_you_mean(str(name), _CATALOGUE) or f"; there are {', '.join(_CATALOGUE)}"
    raise DataError(f"no shipped data set is named {shown(name)}{hint}")


def _dtype(kind, values: pd.Series):
    """The pandas type of a column, from its description in the catalogue."""
    import pandas as pd

    match kind:
        case "float":
            return "float64"
        case "integer":
            return "int64"
        case "numbered":
            return pd.CategoricalDtype(sorted(values.dropna().unique(), key=int))
        case {"ordered": levels}:
            return pd.CategoricalDtype(levels, ordered=True)
        case levels:
            return pd.CategoricalDtype(levels)

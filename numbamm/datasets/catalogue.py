"""The shipped data sets: what there is (`list`), and how to get it (`load`)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from numbamm.errors import DataError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

_HERE = Path(__file__).parent
_CATALOGUE = tomllib.loads((_HERE / "catalogue.toml").read_text(encoding="utf-8"))


def list() -> pd.DataFrame:
    """The shipped data sets, one row each.

    Returns
    -------
    DataFrame
        Indexed by ``name``, with ``description``, ``published`` (where the values first
        appeared), ``source`` (the R package that they were read from), ``rows`` and
        ``columns`` (their numbers). The names alone are ``list().index``.
    """
    import pandas as pd

    table = pd.DataFrame.from_dict(_CATALOGUE, orient="index")
    table["columns"] = table["columns"].map(len)
    # Narrow columns last: a terminal that must leave columns out shows the outer ones.
    return table[["description", "published", "source", "rows", "columns"]].rename_axis("name")


def load(name: str) -> pd.DataFrame:
    """A shipped data set, as a new frame at each call.

    Factors are categorical columns whose categories stand in the order of the original's
    levels, ordered where the original's are; counts and codes are int64, measurements float64.

    Parameters
    ----------
    name
        One of the names below; upper and lower case are the same.

    Returns
    -------
    DataFrame
        Columns named as in the R package that is the set's source.

    Raises
    ------
    DataError
        No set has that name; the message says which one comes nearest.

    Notes
    -----
    The sets, with the R package that they were read from and their first publication:
    """
    import pandas as pd

    name = _canonical(name)
    kinds = _CATALOGUE[name]["columns"]
    [path] = (_HERE / "data").glob(f"{name}.csv*")
    # As text first: pandas' own parser of numbers is not exact in every version.
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
    if name.lower() in spelling:
        return spelling[name.lower()]
    hint = did_you_mean(name, _CATALOGUE) or f"; there are {', '.join(_CATALOGUE)}"
    raise DataError(f"no shipped data set is named {name!r}{hint}")


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

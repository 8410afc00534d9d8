"""`folds`: rows in parts that are left out in turn."""

from __future__ import annotations

import numpy as np
import pandas as pd

from numbamm.errors import OptionError, did_you_mean, shown


def folds(model, groups, k: int, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """The part of each row that is used, and what parts consist of.

    Parameters
    ----------
    model : MixedModel
    groups : str, array or None
        A grouping factor, or a label for each row of the data: rows with one label stay together.
        None: each row for itself.
    k : int
        Number of parts; at most one for each group.
    rng : numpy.random.Generator

    Raises
    ------
    OptionError
        There is no such factor, labels are missing, or there are fewer than two groups.
    """
    n = model.nobs
    if groups is None:
        codes, name = np.arange(n), "rows"
    elif isinstance(groups, str):
        factors = {term.group: term.refs for term in model.reterms}
        if groups not in factors:
            raise OptionError(
                f"groups: {shown(groups)} is no grouping factor{did_you_mean(groups, factors)}; "
                f"there are {', '.join(factors)}. For another column give its values: "
                "groups=data[...]"
            )
        codes, name = factors[groups], groups
    else:
        labels = groups if isinstance(groups, pd.Series) else pd.Series(np.asarray(groups).ravel())
        if len(labels) == model.frame.nrows:
            labels = labels.iloc[model.frame.rows]
        elif len(labels) != n:
            raise OptionError(
                f"groups must be a grouping factor or have a label for each of the "
                f"{model.frame.nrows} rows, not {len(labels)}"
            )
        codes, name = pd.factorize(labels)[0], str(labels.name or "groups")
        if (codes < 0).any():
            raise OptionError(f"groups: {(codes < 0).sum()} rows that are used have no label")
    distinct, codes = np.unique(codes, return_inverse=True)
    if len(distinct) < 2:
        raise OptionError("groups: there must be two groups or more")
    k = min(k, len(distinct))
    parts = rng.permutation(np.arange(len(distinct)) % k)
    return parts[codes.ravel()], name

"""`vif`: how much collinearity inflates the variances of the coefficients."""

from __future__ import annotations

import numpy as np

from numbamm.errors import OptionError
from numbamm.inference.fixed.terms import fixed_terms
from numbamm.report.result import Result


def vif(model) -> Result:
    """Generalized variance inflation factors, a term each.

    Parameters
    ----------
    model : MixedModel
        A fitted model with two terms at least.

    Returns
    -------
    Result
        ``gvif``, its number of coefficients ``ncoef``, and ``root``, gvif^(1 / (2 ncoef)): by
        how much the standard errors, on average, exceed those without collinearity.

    Raises
    ------
    NotFittedError
    OptionError
        There are fewer than two terms.

    Notes
    -----
    Of a term's coefficients with correlation matrix R₁, of the others R₂, of all R, the factor
    is |R₁||R₂|/|R|; intercepts are left out (Fox & Monette, 1992, J. Am. Stat. Assoc. 87, 178).
    Terms that are parts of interactions depend on where covariates have their zero: centre them.
    """
    import pandas as pd

    cov, feterm = model._cov, model.feterm
    where = {j: i for i, j in enumerate(feterm.kept)}
    members = {
        t.name: [where[j] for j in t.columns if j in where] for t in fixed_terms(model.frame)
    }
    members = {name: columns for name, columns in members.items() if columns}
    if len(members) < 2:
        raise OptionError(f"variance inflation takes two terms; {model.formula} has {len(members)}")
    every = sorted(i for columns in members.values() for i in columns)
    se = np.sqrt(np.diag(cov))
    R = cov / np.outer(se, se)

    def logdet(columns) -> float:
        return float(np.linalg.slogdet(R[np.ix_(columns, columns)])[1])

    lines = []
    for columns in members.values():
        others = [i for i in every if i not in columns]
        gvif = np.exp(logdet(columns) + logdet(others) - logdet(every))
        lines.append((gvif, len(columns), gvif ** (1 / (2 * len(columns)))))
    frame = pd.DataFrame(lines, index=list(members), columns=["gvif", "ncoef", "root"])
    return Result("Variance inflation factors", frame)

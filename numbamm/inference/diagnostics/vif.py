"""`vif`: variance inflation factors of the fixed effects' terms."""

from __future__ import annotations

import numpy as np

from numbamm.elsewhere import names_arguments
from numbamm.errors import OptionError
from numbamm.inference.fixed.terms import fixed_terms
from numbamm.inference.parts.part_view import of_part
from numbamm.report.result import Result


@names_arguments
def vif(model, part: str | None = None) -> Result:
    """Generalized variance inflation factors of the terms of the fixed effects.

    Parameters
    ----------
    model : MixedModel
        A fitted model with two or more terms.
    part : {"mean", "zi", "hurdle", "dispersion"}, optional
        Of a model of several parts: the terms of that part's formula.

    Returns
    -------
    Result
        A row per term: ``gvif``; the term's number of coefficients ``ncoef``; and ``root``,
        gvif^(1 / (2 ncoef)), the average factor by which collinearity increases standard errors.

    Raises
    ------
    NotFittedError
        Before the fit.
    OptionError
        There are fewer than two terms.

    See Also
    --------
    check_collinearity : Which coefficients depend on which.

    Notes
    -----
    With the correlation matrices R₁ of a term's coefficients, R₂ of the others and R of all, the
    factor is ``|R₁||R₂|/|R|``; intercepts are left out (Fox & Monette, 1992, J. Am. Stat. Assoc.
    87, 178). The factor of a term that is part of an interaction depends on where covariates have
    their zero: centre them.

    Examples
    --------
    >>> import numbamm as mm
    >>> cake = mm.datasets.load("cake")
    >>> c = mm.lmm("angle ~ temp + I(temp**2) + (1 | recipe:replicate)", cake)
    >>> c.vif().frame["gvif"].round().to_dict()
    {'temp': 751.0, 'I(temp ** 2)': 751.0}
    """
    import pandas as pd

    model, _ = of_part(model, part)
    cov, feterm = model.beta_covariance, model.feterm
    position = {j: i for i, j in enumerate(feterm.kept)}
    members = {
        t.name: [position[j] for j in t.columns if j in position] for t in fixed_terms(model.frame)
    }
    members = {name: columns for name, columns in members.items() if columns}
    if len(members) < 2:
        raise OptionError(
            f"variance inflation needs two or more terms; {model.formula} has {len(members)}"
        )
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

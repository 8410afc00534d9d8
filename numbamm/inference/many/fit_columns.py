"""The columns in which many fits leave: names, and arrays with a number for each fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr
from scipy.stats import false_discovery_control

from numbamm.errors import OptionError, did_you_mean, shown
from numbamm.inference.many.lines import Lines

#: Methods against false discoveries, and statsmodels' names of them.
FDR = {"bh": "bh", "by": "by", "fdr_bh": "bh", "fdr_by": "by"}
#: What is known of each test.
OF_TESTS = ("estimate", "se", "df", "statistic", "pvalue")


@dataclass(frozen=True)
class Names:
    """Names of what is estimated, and of the tests.

    Attributes
    ----------
    beta, theta, components : list of str
    tests : list of str
        Those of `beta`, where each coefficient is tested.
    """

    beta: list[str]
    theta: list[str]
    components: list[str]
    tests: list[str]

    @property
    def of_coefficients(self) -> bool:
        """Whether the tests are those of the coefficients."""
        return self.tests == self.beta

    def of_test(self, what: str, test: str) -> str:
        """Name of a test's column."""
        if what == "estimate" and self.of_coefficients:
            return f"beta_{test}"
        return f"{what}_{test}"


def columns_of(lines: Lines, names: Names) -> dict[str, np.ndarray]:
    """The columns of fits, by name."""
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = lines.estimate / lines.error
    pvalue = 2 * stdtr(lines.df, -np.abs(statistic))
    reason, doubt = (np.full(len(lines.nobs), None, dtype=object) for _ in range(2))
    for i, text in lines.failed.items():
        reason[i] = text
    for i, text in lines.doubts.items():
        doubt[i] = text
    columns = {
        "nobs": lines.nobs,
        "objective": lines.objective,
        "sigma": lines.sigma,
        **_matrix("beta", names.beta, lines.beta),
        **_matrix("se", names.beta, lines.se),
        **_matrix("theta", names.theta, lines.theta),
        **dict(zip(names.components, lines.components.T, strict=True)),
        "singular": lines.singular,
        "converged": lines.converged,
    }
    for what, values in zip(
        OF_TESTS, (lines.estimate, lines.error, lines.df, statistic, pvalue), strict=True
    ):
        columns |= {names.of_test(what, t): v for t, v in zip(names.tests, values.T, strict=True)}
    return columns | {"reason": reason, "doubt": doubt}


def _matrix(what: str, names: list[str], values) -> dict[str, np.ndarray]:
    return {f"{what}_{name}": column for name, column in zip(names, values.T, strict=True)}


def fdr_method(fdr) -> str | None:
    """The option `fdr` by its usual name.

    Raises
    ------
    OptionError
    """
    if fdr is None or fdr is False:
        return None
    name = "bh" if fdr is True else str(fdr).lower().replace("-", "_")
    if name not in FDR:
        raise OptionError(
            f"fdr must be one of bh, by, or None, not {shown(fdr)}{did_you_mean(name, FDR)}"
        )
    return FDR[name]


def adjusted(pvalues, method: str) -> np.ndarray:
    """P-values of one test adjusted over all fits, for the share of false discoveries.

    "bh" is Benjamini and Hochberg's method (1995), "by" Benjamini and Yekutieli's (2001).
    """
    out, known = np.full(len(pvalues), np.nan), ~np.isnan(pvalues)
    if known.any():
        out[known] = false_discovery_control(pvalues[known], method=method)
    return out

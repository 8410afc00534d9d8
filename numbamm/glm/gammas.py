"""Gamma functions without cancellation, for the constants of densities of counts and of sizes."""

from __future__ import annotations

import numpy as np

#: Above this, Stirling's series for log Γ is exact to rounding.
_STIRLING = 16.0


def _stirling(x):
    """log Γ(x) - (x - 1/2) log x + x - log(2π)/2, and its derivative, for x ≥ 16."""
    s = (1 / x) ** 2
    value = (1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s / 1188)))) / x
    slope = -s * (1 / 12 - s * (1 / 120 - s * (1 / 252 - s * (1 / 240 - s / 132))))
    return value, slope


def gamma_peak(a) -> np.ndarray:
    """a log a - a - log Γ(a), without cancellation for large a.

    It is most of the log-density of counts and of the gamma family at μ = y, where the powers and
    exponentials cancel.
    """
    from scipy.special import gammaln

    large = np.maximum(a, _STIRLING)
    series = 0.5 * np.log(large / (2 * np.pi)) - _stirling(large)[0]
    return np.where(a < _STIRLING, a * np.log(a) - a - gammaln(a), series)


def gamma_peak_slope(a) -> np.ndarray:
    """Derivative of `gamma_peak`: log a - ψ(a)."""
    from scipy.special import psi

    large = np.maximum(a, _STIRLING)
    return np.where(a < _STIRLING, np.log(a) - psi(a), 0.5 / large - _stirling(large)[1])

"""Zero inflation and hurdles: the log-density of a row from that of the family, and derivatives.

With ζ the logit of the probability p of the zero part, and f the family's log-density,

    zero inflation    l = log(p + (1 - p) exp f) if y = 0, else log(1 - p) + f
    hurdle            l = log p                  if y = 0, else log(1 - p) + f

With d = f - ζ the first line is ζ + log(1 + exp d) + log(1 - p), in which nothing overflows.
"""

from __future__ import annotations

from numbamm.blocks.jit import jit
from numbamm.glm.parts.special import _softplus_derivatives

#: What a row is made of: the family's density alone, or a mixture with zeros.
PLAIN, INFLATED, HURDLE = range(3)


@jit
def mixed(kind, is_zero, zeta, f, f1, f2, f3):
    """l and its derivatives in η and ζ: l, l₁, l₁₁, l₁₁₁, l₂, l₁₂, l₂₂, l₁₁₂, l₁₂₂, l₂₂₂.

    Parameters
    ----------
    kind : int
        `PLAIN`, `INFLATED` or `HURDLE`.
    is_zero : bool
        Whether the response is zero; a hurdle does not use f there.
    zeta : float64
    f, f1, f2, f3 : float64
        The family's log-density and its derivatives in η.
    """
    if kind == PLAIN:
        return f, f1, f2, f3, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    g, g1, g2, g3 = _softplus_derivatives(zeta)
    if not is_zero:
        return f - g, f1, f2, f3, -g1, 0.0, -g2, 0.0, 0.0, -g3
    if kind == HURDLE:
        return zeta - g, 0.0, 0.0, 0.0, 1.0 - g1, 0.0, -g2, 0.0, 0.0, -g3
    s, p, q, r = _softplus_derivatives(f - zeta)
    square = f1 * f1
    return (
        zeta + s - g,
        p * f1,
        p * f2 + q * square,
        p * f3 + 3.0 * q * f1 * f2 + r * square * f1,
        (1.0 - p) - g1,
        -q * f1,
        q - g2,
        -(r * square + q * f2),
        r * f1,
        -r - g3,
    )


@jit
def mixed_slopes(kind, is_zero, zeta, f, f1, f2, s, s1, s2):
    """Derivatives of l in a parameter ν of the family: l_ν, l₁ν, l₂ν, l₁₁ν, l₁₂ν, l₂₂ν.

    Parameters
    ----------
    kind, is_zero, zeta, f, f1, f2
        As for `mixed`.
    s, s1, s2 : float64
        The derivatives of f, f₁ and f₁₁ in ν.
    """
    if kind == PLAIN or not is_zero:
        return s, s1, 0.0, s2, 0.0, 0.0
    if kind == HURDLE:
        return 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    _, p, q, r = _softplus_derivatives(f - zeta)
    return (
        p * s,
        p * s1 + q * f1 * s,
        -q * s,
        p * s2 + q * (2.0 * f1 * s1 + f2 * s) + r * f1 * f1 * s,
        -(r * f1 * s + q * s1),
        r * s,
    )

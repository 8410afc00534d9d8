"""The Bernoulli family: single trials, 0 or 1."""

from __future__ import annotations

from dataclasses import replace

from numbamm.glm.families import binomial

FAMILY = replace(
    binomial.FAMILY,
    name="bernoulli",
    words="Bernoulli",
    support="values that are 0 or 1",
    supports=lambda y: (y == 0) | (y == 1),
    kin="binomial",
    weights="rows",
    aliases=(),
)

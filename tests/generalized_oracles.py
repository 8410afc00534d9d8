"""Generalized models that lme4 has fitted: fast, by the Laplace approximation, or by quadrature."""

import pytest
from oracles import GENERALIZED

#: Binomial and Poisson models: fast, by the Laplace approximation, or by quadrature.
ORACLES = {
    name: oracle
    for name, oracle in GENERALIZED.items()
    if oracle.entry["family"] in ("binomial", "poisson")
}
each_oracle = pytest.mark.parametrize("name", ORACLES)


def family_of(oracle):
    family = oracle.entry["family"]
    return "bernoulli" if family == "binomial" and oracle.weights is None else family

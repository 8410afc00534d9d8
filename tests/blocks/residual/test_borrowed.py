"""Variances of predictions that borrow from residuals, against dense mixed-model equations."""

import numpy as np
import pytest
from blocks.residual.dense_model import correlated_rows, residual_matrix, some_design
from blocks.residual.test_correlated_rows import some_point
from numpy.testing import assert_allclose

from numbamm.blocks.residual import borrowed


@pytest.mark.parametrize("which", [(), ("subject", "site", "item", "list")])
@pytest.mark.parametrize("batch", [1, 4_000_000])
def test_forms_of_rows(which, batch, monkeypatch):
    """Rows at levels of the fit, at none, and with shares in several rows."""
    monkeypatch.setattr(borrowed, "BATCH", batch)
    design, rng = some_design(which), np.random.default_rng(1)
    z, n = some_point(design), len(design.y)
    at = correlated_rows(design, True).at(z[:3])
    at.tail.factorize(z[3:])
    x, own = rng.normal(size=(5, 3)), [t.refs[:5].copy() for t in design.terms]
    for refs in own:
        refs[2] = -1
    columns = [rng.normal(size=(t.p, 5)) for t in design.terms]
    w = rng.normal(size=(5, n)) * (rng.uniform(size=(5, n)) < 0.2)
    rows = correlated_rows(design, True).rows
    shares = w[:, rows] / at.inverse_sd
    found = borrowed.borrowed_variances(at, list(zip(own, columns, strict=True)), x, shares)

    parts, ends, place = [design.X], [x - w @ design.X], 3
    penalty = [np.zeros((3, 3))]
    for term, refs, own_columns in zip(design.terms, own, columns, strict=True):
        lam = term.structure.matrix(z[place : place + term.structure.size])
        place += term.structure.size
        Z, new = np.zeros((n, term.nlevels, term.p)), np.zeros((5, term.nlevels, term.p))
        Z[np.arange(n), term.refs] = term.z.T
        new[np.arange(5), refs] = np.where(refs >= 0, own_columns, 0.0).T
        Z = Z.reshape(n, -1)
        parts.append(Z)
        ends.append(new.reshape(5, -1) - w @ Z)
        penalty.append(np.kron(np.eye(term.nlevels), np.linalg.inv(lam @ lam.T)))
    both, a = np.hstack(parts), np.hstack(ends)
    H = both.T @ np.linalg.solve(residual_matrix(design, z[:3]), both)
    at_column = 0
    for block in penalty:
        here = slice(at_column, at_column + len(block))
        H[here, here] += block
        at_column += len(block)
    assert_allclose(found, np.einsum("ij,ij->i", a @ np.linalg.inv(H), a), rtol=1e-8)

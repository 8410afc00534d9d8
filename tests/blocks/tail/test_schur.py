"""The tail's Schur complement against the one of dense matrices."""

import numpy as np
import pytest
from blocks.dense import dense_lambda, random_theta, rows
from blocks.tail.iterated import STRUCTURES, built, each_structure

from numbamm.blocks.tail import reduction
from numbamm.blocks.tail.schur import Design, Schur


def dense_schur(terms, xy, theta, order, nhead, ns):
    """C of the tail, unscaled, and log|L|² of the head."""
    ordered = [terms[k] for k in order]
    parts = np.split(theta, np.cumsum([t.structure.size for t in terms])[:-1])
    theta = np.concatenate([parts[k] for k in order])
    Z = np.hstack([t.toarray() for t in ordered])
    A = np.hstack([Z, xy]).T @ np.hstack([Z, xy])
    lam = dense_lambda(ordered, theta)
    h = sum(t.nranef for t in ordered[:nhead])
    L = lam[:h, :h]
    omega = L.T @ A[:h, :h] @ L + np.eye(h)
    B = A[h:, :h] @ L
    return A[h:, h:] - B @ np.linalg.solve(omega, B.T), np.linalg.slogdet(omega)[1], lam


@each_structure
def test_all_parts(name, monkeypatch):
    terms, xy, tail = built(name)
    theta = random_theta(terms)
    for small in (reduction.SMALL, 0):  # one part, and several
        monkeypatch.setattr(reduction, "SMALL", small)
        design = Design(tail.layout, tail.A)
        assert len(design.bounds) - 1 == (1 if small else reduction.PARTS)
        schur = Schur(design, tail.joint.entries(theta))
        layout = tail.layout
        ns = design.order
        C, logdet, lam = dense_schur(terms, xy, theta, layout.order, layout.nhead, ns)
        h = design.head_order
        lam = lam[h : h + ns, h : h + ns]
        V = np.random.default_rng(3).normal(size=(ns, 5))
        np.testing.assert_allclose(schur.product(V), C[:ns, :ns] @ V, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(schur.mixed, C[:ns, ns:], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(schur.corner, C[ns:, ns:], rtol=1e-9, atol=1e-9)
        S = lam.T @ C[:ns, :ns] @ lam + np.eye(ns)
        out = np.empty((ns, ns))
        schur.times(np.eye(ns), out)
        np.testing.assert_allclose(out, out.T, atol=1e-10)
        np.testing.assert_allclose(np.diag(out), 1.0, rtol=1e-9)
        expected = logdet + np.linalg.slogdet(S)[1]
        np.testing.assert_allclose(schur.logdet + np.linalg.slogdet(out)[1], expected, rtol=1e-9)
        phi = schur.unscaled(np.eye(ns))
        np.testing.assert_allclose(schur.scaled(V), phi.T @ V, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["crossed sparsely", "nested and crossed sparsely"])
def test_a_new_response(name):
    tail = built(name)[2]
    tail.new_response(rows()[::-1, -1].copy())
    terms, other = STRUCTURES[name], rows()
    other[:, -1] = rows()[::-1, -1]
    again = type(tail)(terms, other, layout=tail.layout)
    np.testing.assert_allclose(tail._design.mixed, again._design.mixed, rtol=1e-12)
    np.testing.assert_allclose(tail._design.corner, again._design.corner, rtol=1e-12)

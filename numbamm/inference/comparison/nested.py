"""Whether two models were fitted to the same data, and whether one contains the other."""

from __future__ import annotations

import numpy as np

from numbamm.design.remat import ReMat
from numbamm.errors import DataError, OptionError
from numbamm.inference.comparison.fits import Fit

#: A unit vector lies in a space when no more than this of it is left outside.
TOLERANCE = 1e-6
#: Two-level responses are counts of a single trial.
_SAME_FAMILY = {"bernoulli": "binomial"}
#: Families of counts; their likelihoods are probabilities, and those of others densities.
_COUNTS = {"bernoulli", "binomial", "poisson", "negativebinomial"}


def refuse_different_data(fits: list[Fit]) -> None:
    """Raise a `DataError` unless all fits have the same rows, responses and weights."""
    first = fits[0]
    for other in fits[1:]:
        if other.nobs != first.nobs:
            raise DataError(
                f"the models were fitted to different rows: {first.nobs} for {first.text}, "
                f"{other.nobs} for {other.text}; fit them to data without missing values in any "
                "column that either uses"
            )
        if not np.allclose(other.y, first.y, rtol=1e-12, atol=0):
            raise DataError(
                f"the models have different responses: compare {first.text} and {other.text}"
            )
        if not np.allclose(other.weights, first.weights, rtol=1e-12, atol=0):
            raise DataError(
                f"the models have different weights or numbers of trials: {first.text} and "
                f"{other.text}"
            )


def refuse_different_criteria(fits: list[Fit]) -> None:
    """Raise an `OptionError` unless the log-likelihoods of all fits are of one kind.

    Families and links may differ where the response has probabilities in all, or densities in all.
    """
    first = fits[0]
    for other in fits[1:]:
        if (first.family in _COUNTS) != (other.family in _COUNTS):
            raise OptionError(
                f"likelihoods of {first.family} and {other.family} models cannot be compared: one "
                "is of probabilities of counts, and the other of a density"
            )
        if first.reml != other.reml:
            raise OptionError(
                "one model was fitted by REML and another by maximum likelihood: refit(reml=False)"
            )
        if first.reml and not _same_fixed(first, other):
            raise OptionError(
                "REML fits with different fixed effects cannot be compared, since each criterion "
                f"is for other data: {first.text} and {other.text}; refit(reml=False) both"
            )
    _refuse_different_methods(fits)


def _refuse_different_methods(fits: list[Fit]) -> None:
    methods = {f.method for f in fits if f.method and f.terms}
    information = {f.information for f in fits if f.information and f.terms}
    said = methods if len(methods) > 1 else {f"the {name} information" for name in information}
    if len(said) > 1:
        raise OptionError(
            f"the likelihoods were approximated differently, by {' and by '.join(sorted(said))}"
        )


def shape_is_infinite(small: Fit, large: Fit) -> bool:
    """Whether the larger model is the smaller one at an infinite shape, which it estimates."""
    return _is_limit(small, large) and large.shape is None


def _is_limit(small: Fit, large: Fit) -> bool:
    """Whether the smaller model's family is the larger one's at an infinite shape."""
    return (small.family, large.family) == ("poisson", "negativebinomial")


def refuse_other_families(small: Fit, large: Fit) -> None:
    """Raise an `OptionError` unless the smaller model's family is one that the larger can be."""
    where = f"{small.text} is not nested in {large.text}"
    same = len({_SAME_FAMILY.get(f.family, f.family) for f in (small, large)}) == 1
    if small.link != large.link or not (same or _is_limit(small, large)):
        raise OptionError(
            f"{where}, as they differ in family or link: {small.family}, {small.link} and "
            f"{large.family}, {large.link}; information_criteria compares them nevertheless"
        )
    if large.shape is not None and large.shape != small.shape:
        raise OptionError(f"{where}: the latter holds the shape at {large.shape:g}")


def refuse_not_nested(small: Fit, large: Fit) -> None:
    """Raise an `OptionError` unless `large` can be everything that `small` can be."""
    if small.npar >= large.npar:
        raise OptionError(
            f"the models have the same number of parameters, {small.npar}, so that none is "
            f"nested in the other: {small.text} and {large.text}"
        )
    where = f"{small.text} is not nested in {large.text}"
    columns = small.fixed.basis
    shift = (small.offset - large.offset) * np.sqrt(small.weights)
    if shift.any():
        columns = np.column_stack([columns, shift / np.sqrt(np.mean(shift**2))])
    outside = _outside(columns, large.fixed.basis)
    if outside.any():
        [*names] = _columns_outside(small, large) or ["its offset"]
        raise OptionError(f"{where}: the latter's fixed effects do not span {', '.join(names)}")
    if large.sigma is not None and large.sigma != small.sigma:
        raise OptionError(
            f"{where}: the latter holds the residual standard deviation, {large.sigma:g}"
        )
    blocks = [block for term in large.terms for block in _independent_blocks(term)]
    for term in small.terms:
        for effects in _independent_blocks(term):
            if not any(_contains(block, effects) or _spans(block, effects) for block in blocks):
                raise OptionError(
                    f"{where}: the latter's random effects do not include "
                    f"({', '.join(effects.cnames)} | {term.group}) as a special case; "
                    "check=False compares them nevertheless"
                )


def _independent_blocks(term: ReMat) -> list[ReMat]:
    """A term as terms of its own for every block of λ."""
    return [
        ReMat(term.group, term.refs, term.levels, [term.cnames[j] for j in block], term.z[block])
        for block in term.blocks
    ]


def _same_fixed(a: Fit, b: Fit) -> bool:
    if a.fixed.rank != b.fixed.rank:
        return False
    return not _outside(a.fixed.basis, b.fixed.basis).any()


def _outside(columns, basis) -> np.ndarray:
    """Which columns (of length √n) leave the space of an orthonormal (up to √n) basis."""
    n = len(basis)
    rest = columns - basis @ (basis.T @ columns / n)
    return np.sqrt(np.mean(rest**2, axis=0)) > TOLERANCE


def _columns_outside(small: Fit, large: Fit) -> list[str]:
    """Names of the columns of X themselves that the larger model does not span."""
    x = small.fixed.x * np.sqrt(small.weights)[:, None]
    size = np.sqrt(np.mean(x**2, axis=0))
    outside = _outside(x / np.where(size > 0, size, 1.0), large.fixed.basis)
    return [f"'{name}'" for name, out in zip(small.fixed.cnames, outside, strict=True) if out]


def _contains(block: ReMat, effects: ReMat) -> bool:
    """Whether effects can be those of a block: of the same groups, with columns in its span."""
    if not same_partition(block.refs, effects.refs) or block.p < effects.p:
        return False
    size = np.sqrt(np.mean(effects.z**2, axis=1))
    coefficients = np.linalg.lstsq(block.z.T, effects.z.T, rcond=None)[0]
    rest = np.sqrt(np.mean((effects.z - coefficients.T @ block.z) ** 2, axis=1))
    return bool((rest <= TOLERANCE * size).all())


def _spans(block: ReMat, effects: ReMat) -> bool:
    """Whether one effect of smaller groups has a covariance that a block can have.

    ``(1 | g:f)`` is ``(0 + f | g)`` with a multiple of the identity: in each group of the
    block, the smaller groups' columns are combinations H = Z C of its own, with the same CC'.
    """
    if effects.p > 1 or not effects.is_nested_in(block):
        return False
    order = np.argsort(block.refs, kind="stable")
    found = []
    for rows in np.split(order, np.flatnonzero(np.diff(block.refs[order])) + 1):
        inner = np.unique(effects.refs[rows])
        if len(inner) > block.p:
            return False
        Z = block.z[:, rows].T
        H = (effects.refs[rows][:, None] == inner) * effects.z[0, rows][:, None]
        C, _, rank, _ = np.linalg.lstsq(Z, H, rcond=None)
        if np.abs(H - Z @ C).max() > TOLERANCE * np.abs(H).max():
            return False
        found.append((rank, Z, C @ C.T))
    _, _, D = max(found, key=lambda item: item[0])
    return all(
        np.abs(Z @ (cov - D) @ Z.T).max() <= TOLERANCE * np.abs(Z @ D @ Z.T).max()
        for _, Z, cov in found
    )


def same_partition(a, b) -> bool:
    """Whether two codings of the rows have the same groups, whatever these are called."""
    if np.array_equal(a, b):
        return True
    if a.max() != b.max():
        return False
    code = np.full(a.max() + 1, -1)
    code[a] = b
    return len(np.unique(code)) == len(code) and np.array_equal(code[a], b)

"""Checks that models can be compared: same data, comparable criteria, nestedness."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from numbamm.design.remat import ReMat
from numbamm.errors import DataError, OptionError
from numbamm.formula.tokens import brief
from numbamm.glm.family import FAMILIES, Family
from numbamm.glm.parts.parameter import Parameter
from numbamm.inference.comparison.fits import Fit
from numbamm.inference.comparison.nested_residuals import holds_intercept, is_special_case
from numbamm.structures.structure import Structure

#: A unit vector counts as in a space if its distance to the space is at most this.
TOLERANCE = 1e-6
#: Sums over all rows agree to so many digits.
DIGITS = 1e-9


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
        _refuse_different_digests(first, other)


def _refuse_different_digests(first: Fit, other: Fit) -> None:
    """Raise a `DataError` if rows beyond those at hand have other responses or weights."""
    if first.digest is None or other.digest is None:
        return
    (w, wy, wyy), (v, vy, vyy) = first.digest, other.digest
    if abs(v - w) > DIGITS * w:
        raise DataError(
            f"the models have different weights or numbers of trials in some rows: {first.text} "
            f"and {other.text}"
        )
    if abs(vy - wy) > DIGITS * np.sqrt(w * wyy) or abs(vyy - wyy) > DIGITS * wyy:
        raise DataError(
            f"the models have different responses in some rows: compare {first.text} and "
            f"{other.text}"
        )


def refuse_different_criteria(fits: list[Fit]) -> None:
    """Raise an `OptionError` unless the log-likelihoods of all fits can be compared.

    Families and links may differ if all likelihoods are probabilities, or all are densities.
    """
    first = fits[0]
    for other in fits[1:]:
        if first.family.discrete != other.family.discrete:
            raise OptionError(
                f"the likelihoods of {first.family} and {other.family} models cannot be compared: "
                "one is a probability of counts, the other a density"
            )
        if first.reml != other.reml:
            raise OptionError(
                "one model was fitted by REML and another by maximum likelihood: refit the former "
                "with refit(reml=False)"
            )
        if first.reml and not _same_fixed(first, other):
            raise OptionError(
                f"REML fits with different fixed effects cannot be compared: {first.text} and "
                f"{other.text}; refit(reml=False) both"
            )
    _refuse_different_methods(fits)


def _refuse_different_methods(fits: list[Fit]) -> None:
    """Raise an `OptionError` unless all likelihoods were approximated in the same way."""
    methods = {f.method for f in fits if f.method and f.terms}
    information = {f.information for f in fits if f.information and f.terms}
    if len(methods) > 1:
        raise OptionError(
            "the likelihoods were approximated differently, by "
            f"{' and by '.join(sorted(methods))}: refit one model like the other"
        )
    if len(information) > 1:
        used = " and by ".join(f"the {name} information" for name in sorted(information))
        raise OptionError(
            f"the likelihoods were approximated differently, by {used}: refit one model like the "
            'other; families of several parameters have information="observed" alone'
        )


def family_limits(family: Family) -> dict[str, list[Parameter | None]]:
    """The simpler families that a family includes, and which parameters are at an end there.

    An empty list stands for an inner point: with the skewness as a parameter the information of the
    skew normal is regular at zero (Chiogna 2005, Stat. Methods Appl. 14, 331). None stands for the
    shape of the usual negative binomial.
    """
    found: dict[str, list[Parameter | None]] = {}
    if family.limit and not family.parameters:
        found[FAMILIES[family.limit].name] = [None]
    for parameter in family.parameters:
        if parameter.limit:
            simpler = FAMILIES[parameter.limit]
            found[simpler.name] = [parameter]
            for name, others in family_limits(simpler).items():
                found.setdefault(name, [parameter, *others])
    if family.includes:
        found[FAMILIES[family.includes].name] = []
    return found


def at_ends(small: Fit, large: Fit) -> list[Parameter | None]:
    """Estimated parameters of the larger model's family that are at an end under the smaller."""
    if large.shape is not None:
        return []
    return family_limits(large.family).get(_name(small.family), [])


def _name(family: Family) -> str:
    return family.kin or family.name


def words_of_end(parameter: Parameter | None) -> str:
    """What is said of a parameter at an end of its range."""
    if parameter is None:
        return "the shape is infinite"
    end = "infinite" if parameter.at > 0 else "zero"
    return f"the {parameter} {'are' if str(parameter).startswith('degrees') else 'is'} {end}"


def added_zeros(small: Fit, large: Fit) -> int:
    """Coefficients of a probability of more zeros, which is zero in the smaller model."""
    return large.parts["zi"].shape[1] if "zi" in large.parts and "zi" not in small.parts else 0


def not_identified(small: Fit, large: Fit) -> str:
    """What the larger model estimates that means nothing in the smaller one; empty if nothing.

    Effects on a parameter are unknown where it is at its end. The distribution of a likelihood
    ratio is then that of no mixture (Davies, 1987, Biometrika 74, 33).
    """
    zeros = [term for term in large.terms if term.part == "zi"]
    if added_zeros(small, large) and (added_zeros(small, large) > 1 or zeros):
        return "effects on the probability of more zeros mean nothing where that is zero"
    ends, parts = at_ends(small, large), large.parts.get("dispersion")
    first = large.family.parameters[:1]
    if parts is not None and parts.shape[1] > 1 and any(end in first for end in ends if end):
        return f"effects on the {first[0]} mean nothing where that is at its end"
    return ""


def _is_limit(small: Fit, large: Fit) -> bool:
    """Whether the smaller model's family is a special case of the larger one's."""
    return _name(small.family) in family_limits(large.family)


def refuse_other_families(small: Fit, large: Fit) -> None:
    """Raise an `OptionError` unless the larger model's family includes the smaller one's."""
    problem = f"{small.text} is not nested in {large.text}"
    same = len({f.family.kin or f.family.name for f in (small, large)}) == 1
    if small.link.name != large.link.name or not (same or _is_limit(small, large)):
        raise OptionError(
            f"{problem}, as they differ in family or link: {small.family}, {small.link} and "
            f"{large.family}, {large.link}; information_criteria can compare them"
        )
    if large.shape is not None and large.shape != small.shape:
        raise OptionError(f"{problem}: the latter has a given shape, {large.shape:g}")


def refuse_not_nested(small: Fit, large: Fit) -> None:
    """Raise an `OptionError` unless the model `small` is a special case of `large`."""
    if small.npar >= large.npar:
        raise OptionError(
            f"the models have the same number of parameters, {small.npar}, so that neither is "
            f"nested in the other: {small.text} and {large.text}"
        )
    problem = f"{small.text} is not nested in {large.text}"
    _refuse_other_parts(small, large, problem)
    columns = small.fixed.basis
    shift = (small.offset - large.offset) * np.sqrt(small.weights)
    if shift.any():
        columns = np.column_stack([columns, shift / np.sqrt(np.mean(shift**2))])
    outside = _outside(columns, large.fixed.basis)
    if outside.any():
        [*names] = _columns_outside(small, large) or ["its offset"]
        raise OptionError(f"{problem}: the latter's fixed effects do not span {', '.join(names)}")
    if large.sigma is not None and large.sigma != small.sigma:
        raise OptionError(
            f"{problem}: the latter has a given residual standard deviation, {large.sigma:g}"
        )
    if not is_special_case(small.residual_side, large.residual_side):
        raise OptionError(
            f"{problem}: the former's residuals are no special case of the latter's; check=False "
            "compares them all the same, information_criteria any models"
        )
    blocks = [block for term in large.terms for block in _independent_blocks(term)]
    patterned = [part for term in large.terms for part in _parts(term)]
    for part in [part for term in small.terms for part in _parts(term)]:
        if any(_has_case(other, part) for other in patterned):
            continue
        if is_constant(part) and holds_intercept(large.residual_side, part.refs):
            continue
        free = part.structure.is_free
        for effects in _independent_blocks(part) if free else _singly(part):
            if not any(_contains(block, effects) or _spans(block, effects) for block in blocks):
                raise OptionError(
                    f"{problem}: the latter's random effects do not include "
                    f"({brief(', '.join(effects.cnames))} | {part.group}) as a special case; "
                    "check=False compares them all the same"
                )


#: Structures of thresholds, each a special case of those before it.
THRESHOLDS = ("flexible", "symmetric", "equidistant")


def _refuse_other_parts(small: Fit, large: Fit, problem: str) -> None:
    """Refuse further parts of the smaller model that the larger one does not span."""
    if small.thresholds != large.thresholds and THRESHOLDS.index(small.thresholds) < (
        THRESHOLDS.index(large.thresholds)
    ):
        raise OptionError(f"{problem}: the latter's thresholds are {large.thresholds}")
    one = np.ones((small.nobs, 1))
    for part in {**small.parts, **large.parts}:
        if part not in large.parts and part != "dispersion":
            raise OptionError(f"{problem}: the latter has no part {part}")
        absent = one if part == "dispersion" else one[:, :0]  # constant; without zi there is none
        mine, other = (fit.parts.get(part, absent) for fit in (small, large))
        if _outside(mine, other).any():
            raise OptionError(f"{problem}: the latter's {part} effects do not span the former's")


def is_constant(part: ReMat) -> bool:
    """Whether a term is a random intercept."""
    return part.p == 1 and bool((part.z == part.z[0, 0]).all())


def _independent_blocks(term: ReMat) -> list[ReMat]:
    """A term for each block of free entries of λ: effects of different blocks are independent."""
    return [
        _some(part, block)
        for part in _parts(term)
        if part.structure.is_free
        for block in part.structure.blocks
    ]


def _parts(term: ReMat) -> list[ReMat]:
    return [_some(term, columns, structure) for columns, structure in term.structure.parts]


def _singly(term: ReMat) -> list[ReMat]:
    """Each of the blocks of a term, unstructured: what it can be at most."""
    return [_some(term, block) for block in term.structure.blocks]


def _some(term: ReMat, columns: list[int], structure: Structure | None = None) -> ReMat:
    """A term with some of its columns; unstructured, if not given."""
    names = [term.cnames[j] for j in columns]
    return replace(term, cnames=names, z=term.z[columns], structure=structure, theta=None)


def _has_case(a: ReMat, b: ReMat) -> bool:
    """Whether b is a, with the same structure or one that is a special case."""
    if a.p != b.p or not a.structure.has_case(b.structure) or not _same_levels(a, b):
        return False
    size = np.sqrt(np.mean(a.z**2, axis=1))
    return bool((np.sqrt(np.mean((a.z - b.z) ** 2, axis=1)) <= TOLERANCE * size).all())


def _same_fixed(a: Fit, b: Fit) -> bool:
    """Whether the fixed effects of two fits span the same space."""
    if a.fixed.rank != b.fixed.rank:
        return False
    return not _outside(a.fixed.basis, b.fixed.basis).any()


def _outside(columns, basis) -> np.ndarray:
    """Whether each column, of length √n, is outside the span of orthogonal columns of length √n."""
    n = len(basis)
    residual = columns - basis @ (basis.T @ columns / n)
    return np.sqrt(np.mean(residual**2, axis=0)) > TOLERANCE


def _columns_outside(small: Fit, large: Fit) -> list[str]:
    """Names of the smaller model's columns of X that the larger model does not span."""
    x = small.fixed.x * np.sqrt(small.weights)[:, None]
    size = np.sqrt(np.mean(x**2, axis=0))
    outside = _outside(x / np.where(size > 0, size, 1.0), large.fixed.basis)
    return [f"'{name}'" for name, out in zip(small.fixed.cnames, outside, strict=True) if out]


def _contains(block: ReMat, effects: ReMat) -> bool:
    """Whether a block includes effects: the same groups, and columns in the block's span."""
    if not _same_levels(block, effects) or block.p < effects.p:
        return False
    size = np.sqrt(np.mean(effects.z**2, axis=1))
    coefficients = np.linalg.lstsq(block.z.T, effects.z.T, rcond=None)[0]
    residual = np.sqrt(np.mean((effects.z - coefficients.T @ block.z) ** 2, axis=1))
    return bool((residual <= TOLERANCE * size).all())


def _spans(block: ReMat, effects: ReMat) -> bool:
    """Whether a block includes one effect of groups that are nested in the block's groups.

    For example ``(1 | g:f)`` is ``(0 + f | g)`` with a multiple of the identity as covariance
    matrix. In each group of the block, the nested groups' columns H must be combinations Z C of
    the block's columns Z, with the same CC' in all groups.
    """
    if effects.p > 1 or not effects.is_nested_in(block):
        return False
    order = np.argsort(block.refs, kind="stable")
    covariances = []
    for rows in np.split(order, np.flatnonzero(np.diff(block.refs[order])) + 1):
        inner = np.unique(effects.refs[rows])
        if len(inner) > block.p:
            return False
        Z = block.z[:, rows].T
        H = (effects.refs[rows][:, None] == inner) * effects.z[0, rows][:, None]
        C, _, rank, _ = np.linalg.lstsq(Z, H, rcond=None)
        if np.abs(H - Z @ C).max() > TOLERANCE * np.abs(H).max():
            return False
        covariances.append((rank, Z, C @ C.T))
    _, _, D = max(covariances, key=lambda item: item[0])
    return all(
        np.abs(Z @ (cov - D) @ Z.T).max() <= TOLERANCE * np.abs(Z @ D @ Z.T).max()
        for _, Z, cov in covariances
    )


def _same_levels(a: ReMat, b: ReMat) -> bool:
    """Whether two terms have the same groups, with the same covariance between them."""
    if a.relation is None and b.relation is None:
        return same_partition(a.refs, b.refs)
    if a.relation is None or b.relation is None:
        return False
    return a.relation.is_that_of(b.relation) and np.array_equal(a.refs, b.refs)


def same_partition(a, b) -> bool:
    """Whether two codings divide the rows into the same groups, whatever their codes."""
    if np.array_equal(a, b):
        return True
    if a.max() != b.max():
        return False
    code = np.full(a.max() + 1, -1)
    code[a] = b
    return len(np.unique(code)) == len(code) and np.array_equal(code[a], b)

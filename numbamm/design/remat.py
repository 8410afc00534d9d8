"""`ReMat`: the model matrix of one random-effects term, its covariance structure, and its θ."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import scipy.sparse as sp

from numbamm.completion import ForUsers
from numbamm.design.absent import is_absent
from numbamm.relations.relation import Relation
from numbamm.structures.joined import Joined
from numbamm.structures.structure import Structure
from numbamm.structures.us import Us


@dataclass(repr=False)
class ReMat(ForUsers):
    """One random-effects term ``(columns | group)``: Z_k in compact form, and λ_k.

    The model matrix Z has one block of p columns for each level of the grouping factor; in
    row i only the block of level ``refs[i]`` is non-zero, and holds ``z[:, i]``.

    Attributes
    ----------
    group : str
        Name of the grouping factor, as the tables print it (``"Subject"``, ``"batch:cask"``).
    refs : ndarray of int32, shape (n,)
        Level of each row, as a position in `levels`.
    levels : ndarray, shape (number of levels,)
        Labels of the levels. Each of them occurs in `refs`, unless their covariance is known.
    cnames : list of str
        Names of the p columns on the left of the bar.
    z : ndarray of float64, shape (p, n)
        The columns on the left of the bar, transposed; the p values of a row are contiguous.
    structure : Structure
        Covariance structure of the p effects of one level; unstructured, if not given.
    part : str
        The part of the model that it belongs to: ``"zi"`` or ``"hurdle"``; else empty.
    theta : ndarray of float64, shape (number of θ,)
        This term's part of θ; before a fit, the default start, where λ is the identity.
    relation : Relation or None
        The known covariances of the levels, K: the effects have covariance K ⊗ σ²λλ'. None if the
        levels are independent.
    way : str
        How a model computes with K: see `design.related_levels`.
    lambda_ : ndarray, shape (p, p)
        The relative covariance factor λ of one level, lower triangular.
    p, nlevels, nranef : int
        Numbers of columns on the left of the bar, of levels, and of random effects: p × levels.
    shape : tuple of int
        That of Z: rows, random effects.

    See Also
    --------
    FeMat : The fixed-effects columns.
    LinearMixedModel.varcorr : Covariances of the random effects.

    Examples
    --------
    >>> import numbamm as mm
    >>> m = mm.lmm("Reaction ~ Days + (Days | Subject)", mm.datasets.load("sleepstudy"))
    >>> m.reterms
    [ReMat(Intercept, Days | Subject: 18 levels, 180 rows)]
    >>> term = m.reterms[0]
    >>> term.p, term.nlevels, term.lambda_.round(3).tolist()
    (2, 18, [[0.929, 0.0], [0.018, 0.223]])
    """

    _between_rooms = frozenset({"in_columns", "meeting_refs", "root_mean_squares", "way"})

    group: str
    refs: np.ndarray
    levels: np.ndarray
    cnames: list[str]
    z: np.ndarray
    structure: Structure = None
    theta: np.ndarray = field(default=None)
    relation: Relation | None = None
    way: str = ""
    part: str = ""

    def __post_init__(self) -> None:
        if not is_absent(self.z):
            self.refs = np.ascontiguousarray(self.refs, dtype=np.int32)
            self.z = np.asfortranarray(self.z, dtype=np.float64)
        if self.structure is None:
            self.structure = Us(self.p)
        if self.theta is None:
            self.theta = self.structure.start.copy()

    @property
    def p(self) -> int:
        """Number of columns on the left of the bar: random effects per level."""
        return self.z.shape[0]

    @property
    def nlevels(self) -> int:
        """Number of levels of the grouping factor."""
        return len(self.levels)

    @property
    def nranef(self) -> int:
        """Number of random effects, levels × columns."""
        return self.nlevels * self.p

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the matrix Z that this term stands for."""
        return len(self.refs), self.nranef

    @property
    def lambda_(self) -> np.ndarray:
        """The relative covariance factor λ of one level, lower triangular, shape (p, p)."""
        return self.structure.matrix(self.theta)

    @property
    def meeting_refs(self) -> np.ndarray:
        """Levels of rows in which every pair of levels of two terms is that is in some row."""
        return self.refs

    def root_mean_squares(self, root=None) -> np.ndarray:
        """Sizes of the columns of Z, shape (p,).

        Parameters
        ----------
        root : ndarray, shape (n,), optional
            By which each row is multiplied.
        """
        z = self.z if root is None else self.z * root
        sizes = np.sqrt(np.einsum("pn,pn->p", z, z) / z.shape[1])
        return sizes if self.relation is None else self.relation.scale * sizes

    def in_columns(self, scaling) -> ReMat:
        """The term in the columns of a `Scaling`, at the default start."""
        return replace(self, z=scaling.z, theta=None)

    def is_nested_in(self, other: ReMat) -> bool:
        """Whether each level of this factor occurs with only one level of `other`.

        Parameters
        ----------
        other : ReMat
            A term of the same rows.

        Returns
        -------
        bool

        See Also
        --------
        ReMat

        Examples
        --------
        >>> import numbamm as mm
        >>> pastes = mm.datasets.load("Pastes")
        >>> m = mm.LinearMixedModel("strength ~ 1 + (1 | batch/cask)", pastes)
        >>> casks, batches = m.reterms
        >>> casks.is_nested_in(batches), batches.is_nested_in(casks)
        (True, False)
        """
        if self.relation is not None or other.relation is not None:
            return False
        parent = np.empty(self.nlevels, dtype=np.int32)
        parent[self.refs] = other.refs
        return bool(np.array_equal(parent[self.refs], other.refs))

    def tosparse(self) -> sp.csr_array:
        """Z as a scipy CSR array of shape (n, levels × p).

        Returns
        -------
        scipy.sparse.csr_array

        See Also
        --------
        ReMat.toarray : Dense.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.LinearMixedModel("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
        >>> m.reterms[0].tosparse().shape
        (30, 6)
        """
        n, p = len(self.refs), self.p
        cols = self.refs[:, None].astype(np.int64) * p + np.arange(p)
        indptr = np.arange(n + 1, dtype=np.int64) * p
        return sp.csr_array((self.z.T.ravel(), cols.ravel(), indptr), shape=self.shape)

    def toarray(self) -> np.ndarray:
        """Z as a dense array of shape (n, levels × p); for small models and for tests.

        Returns
        -------
        ndarray

        See Also
        --------
        ReMat.tosparse : Sparse.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.LinearMixedModel("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
        >>> m.reterms[0].toarray().sum(axis=0).tolist()
        [5.0, 5.0, 5.0, 5.0, 5.0, 5.0]
        """
        return self.tosparse().toarray()

    def __repr__(self) -> str:
        named = self.structure.names[:1] or ("patterned",)
        kind = "" if isinstance(self.structure, Us) else f", {named[0]} λ"
        kind += "" if self.relation is None else ", known covariance"
        columns = ", ".join(self.cnames)
        return f"ReMat({columns} | {self.group}: {self.nlevels} levels, {self.shape[0]} rows{kind})"


def amalgamate(terms: list[ReMat]) -> list[ReMat]:
    """Join the terms that share a grouping factor into one term with a block-diagonal λ.

    ``(1 | g) + (0 + x | g)`` becomes a single term on g with columns 1 and x whose λ has
    structural zeros between them. The order of first appearance is kept.
    """
    by_group: dict[str, list[ReMat]] = {}
    for term in terms:
        by_group.setdefault(term.group, []).append(term)
    return [same[0] if len(same) == 1 else _join(same) for same in by_group.values()]


def _join(terms: list[ReMat]) -> ReMat:
    first = terms[0]
    return ReMat(
        group=first.group,
        refs=first.refs,
        levels=first.levels,
        cnames=[name for t in terms for name in t.cnames],
        z=np.vstack([t.z for t in terms]),
        structure=Joined(tuple(t.structure for t in terms)),
        relation=first.relation,
        part=first.part,
    )


def order_terms(terms: list[ReMat]) -> list[ReMat]:
    """Terms by decreasing number of random effects; equal ones stay in the formula's order."""
    return sorted(terms, key=lambda t: -t.nranef)

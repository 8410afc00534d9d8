"""`phylogeny`: covariances of species from a tree, under Brownian motion.

A trait changes along each branch by a normal deviate of variance proportional to its length. So two
species covary by the length of the path that they share from the root, and the values of all nodes
are a first-order process whose precision matrix has a non-zero for each branch (Hadfield &
Nakagawa, 2010, J. Evol. Biol. 23, 494-508).
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pandas as pd
import scipy.sparse as sp

from numbamm.completion import ForUsers
from numbamm.elsewhere import names_arguments
from numbamm.errors import DataError, shown
from numbamm.relations.innovations import Innovations
from numbamm.relations.newick import Node, read_newick


class Phylogeny(ForUsers):
    """Covariances of the tips of a tree, and the precision of all its nodes; made by `phylogeny`.

    The value at the root is not among them: it is the intercept of a model.

    Attributes
    ----------
    tips : ndarray, shape (number of tips,)
        Labels of the species.
    labels : ndarray, shape (number of nodes,)
        Labels of all nodes but the root: the tips first, then inner nodes.
    height : float
        Length of the longest path from the root to a tip, in the tree's own units.
    parent, length, number : ndarray, shape (number of nodes,)
        Position of each node's parent in `labels`, -1 for the root; length of the branch between
        them; and the node's number in the order of the text, in which parents come first.
    ntips : int
        Number of tips.
    covariance : pandas.DataFrame
        Covariances of the tips: lengths of shared paths.
    precision : scipy.sparse.csc_array
        Inverse covariance of all nodes, in the order of `labels`.

    See Also
    --------
    phylogeny : Makes one.
    pedigree : Relationships of animals.

    Examples
    --------
    >>> import numbamm as mm
    >>> tree = mm.phylogeny("((a:1,b:1)ab:2,c:3);")
    >>> tree.labels.tolist(), tree.parent.tolist(), tree.precision.nnz
    (['a', 'b', 'c', 'ab'], [3, 3, -1, -1], 8)
    """

    _between_rooms = frozenset({"innovations"})

    def __init__(self, labels, parent, length, number, ntips: int, height: float) -> None:
        self.labels, self.height, self.number = labels, height, number
        self.parent, self.length, self.ntips = parent, length, ntips

    @property
    def tips(self) -> np.ndarray:
        """Labels of the tips."""
        return self.labels[: self.ntips]

    @cached_property
    def innovations(self) -> Innovations:
        """Values of nodes as those of their parents and what branches add."""
        if not self.length.all():
            tip = self.labels[int(np.argmin(self.length))]
            raise DataError(
                f"the branch above {shown(tip)} has length zero, so that its value is known from "
                "others and the covariance matrix has no inverse: give the tree as cov={...}"
            )
        q = len(self.labels)
        below = np.flatnonzero(self.parent >= 0)
        rows, columns = np.append(np.arange(q), below), np.append(np.arange(q), self.parent[below])
        values = np.append(np.ones(q), -np.ones(len(below)))
        differences = sp.csc_array((values, (rows, columns)), shape=(q, q))
        depth, order = self.length.copy(), np.argsort(self.number, kind="stable")
        for node in order:
            if self.parent[node] >= 0:
                depth[node] += depth[self.parent[node]]
        return Innovations(differences, self.length, depth, order)

    @property
    def precision(self) -> sp.csc_array:
        """Inverse covariance of all nodes, sparse.

        Raises
        ------
        DataError
            The branch above a tip has length zero, so that there is none.
        """
        return self.innovations.precision

    @cached_property
    def covariance(self) -> pd.DataFrame:
        """Covariances of the tips, a pandas DataFrame over them."""
        n, q = self.ntips, len(self.labels)
        paths = np.zeros((n, q))  # the branches from the root to each tip
        at = np.arange(n)
        while (on := at >= 0).any():
            paths[np.flatnonzero(on), at[on]] = 1.0
            at = np.where(on, self.parent[at], -1)
        K = (paths * self.length) @ paths.T
        return pd.DataFrame((K + K.T) / 2, index=self.tips, columns=self.tips)

    def __repr__(self) -> str:
        inner = len(self.labels) - self.ntips
        return f"Phylogeny({self.ntips} tips, {inner} inner nodes, height {self.height:.7g})"


@names_arguments
def phylogeny(newick: str, *, unit_height: bool = False) -> Phylogeny:
    """Covariances of species from a tree with branch lengths, under Brownian motion.

    Parameters
    ----------
    newick : str
        The tree, ``"((a:1,b:1):2,c:3);"``. It may have polytomies and tips at different heights.
    unit_height : bool
        Divide branch lengths by the height of the tree, so that the variance of the model is that
        of the species farthest from the root.

    Returns
    -------
    Phylogeny
        For ``cov={"species": ...}``, where the tips alone are levels, or for
        ``precision={"species": ...}``, where the inner nodes are levels, too, and the matrix is
        sparse; with attributes ``tips``, ``labels``, ``covariance`` and ``precision``.

    Raises
    ------
    DataError
        The text is no tree, two nodes have one label, a tip has none, or a branch has no length.

    See Also
    --------
    pedigree : Relationships of animals.
    heritability : The phylogenetic signal, as a share of the variance.

    Examples
    --------
    >>> import numbamm as mm
    >>> tree = mm.phylogeny("((a:1,b:1):2,c:3);")
    >>> tree
    Phylogeny(3 tips, 1 inner nodes, height 3)
    >>> tree.covariance.loc["a"].tolist()
    [3.0, 2.0, 0.0]
    """
    nodes = read_newick(newick)
    labels = _labels(nodes)
    kept = _kept(nodes, labels)
    tips = [k for k in kept if nodes[k].is_tip]
    order = tips + [k for k in kept if not nodes[k].is_tip]
    place = {node: at for at, node in enumerate(order)}
    parent = np.array([place.get(_ancestor(nodes, k, place), -1) for k in order], dtype=np.int64)
    length = np.array([nodes[k].length for k in order], dtype=np.float64)
    height = _height(nodes)
    if unit_height:
        length = length / height
    names = np.array([labels[k] for k in order], dtype=object)
    return Phylogeny(names, parent, length, np.array(order), len(tips), height)


def _labels(nodes: list[Node]) -> list[str]:
    """A label for each node; inner nodes without one are numbered."""
    given = [node.label for node in nodes if node.label]
    seen: set[str] = set()
    for label in given:
        if label in seen:
            raise DataError(f"two nodes of the tree have the label {shown(label)}: rename one")
        seen.add(label)
    out, number = [], 0
    for k, node in enumerate(nodes):
        label = node.label
        if not label and node.is_tip:
            raise DataError(f"a tip of the tree has no label (node {k} in the order of the text)")
        while not label:
            number += 1
            label = f"node{number}" if f"node{number}" not in seen else ""
        out.append(label)
    return out


def _kept(nodes: list[Node], labels: list[str]) -> list[int]:
    """All nodes but the root, and but inner nodes with the value of their parent."""
    if len(nodes) < 3:
        raise DataError("the tree has fewer than two tips")
    for k, node in enumerate(nodes[1:], start=1):
        if node.length is None:
            raise DataError(
                f"the branch above {shown(labels[k])} has no length: give all branches one"
            )
    return [k for k, node in enumerate(nodes) if k and (node.is_tip or node.length > 0)]


def _ancestor(nodes: list[Node], k: int, place: dict[int, int]) -> int:
    """The nearest node above that is kept; -1 for the root."""
    k = nodes[k].parent
    while k > 0 and k not in place:
        k = nodes[k].parent
    return k if k > 0 else -1


def _height(nodes: list[Node]) -> float:
    depth = [0.0]
    for node in nodes[1:]:
        depth.append(depth[node.parent] + float(node.length or 0.0))
    if max(depth) == 0.0:
        raise DataError("all branches of the tree have length zero")
    return max(depth)

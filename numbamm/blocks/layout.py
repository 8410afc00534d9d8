"""The layout table: the positions of all blocks of A and L in the flat buffers.

The columns of a model are ``[Z_1 ... Z_K | X y]``. They have two parts:

*head*
    Terms whose diagonal block of L is block diagonal: the first term, and each following one in
    which every preceding term is nested. They are eliminated level by level.
*tail*
    The other terms, X and y. The elimination of the head fills the tail in, so it is one dense
    matrix T of order m, factored by LAPACK. Its rows are in the order
    ``[sparse terms | dense terms | X | y]``.

Below the diagonal, the columns of one level hold three kinds of rows:

*nested*
    one p_i × p_k block for each later head term i, the block of the level's parent;
*sparse*
    the tail rows that the level occurs with, row by row, p_k values each;
*dense*
    all tail rows from ``D0`` on: the dense terms, X and y, column-major.

In the kernels θ are those entries of every λ that may be non-zero, term by term in the caller's
order. A structure with fewer parameters computes them from its own (`structures.structure`).

The table is data, so that one compiled program serves every model. Row 0 describes the model, rows
1 ... K the terms (head first), and the rows after them the pairs of head terms.

The file is long since one table is described, built and read here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from numbamm.blocks.jit import counter, jit
from numbamm.blocks.kinds import INDEX, INTEGER
from numbamm.shortrepr import ShortRepr

# Row 0, the model: sizes (MOVED: entries of λ that a search by `trust` moves); offsets into index
# (THETA), work (TAIL, SCRATCH), A (CROSS) and adjoint (TAIL_C, TAIL_U, SPARE); distances: in work
# from a later head term's blocks of B to those of C (SCHUR), and from λ in work to G and N in
# adjoint (GRADIENT, NORMAL).
NTERM, NHEAD, FIRST_DENSE, ORDER, NX, NTHETA, THETA, TAIL, SCRATCH, CROSS = range(10)
SCHUR, TAIL_C, TAIL_U, SPARE, GRADIENT, NORMAL, MOVED = range(10, 17)
# Rows 1..K, a term: sizes, first tail row, offsets into work (LAMBDA), index (ROWPTR, ROWS), A
# (DIAG, SPARSE, DENSE; the head's regions have the same offsets in work and adjoint), first
# column in z, first row in places.
P, NLEVEL, ROW, LAMBDA, DIAG, ROWPTR, ROWS, NSPARSE, SPARSE, D0, ND, DENSE, COLUMN, PLACES = range(
    14
)
# Rows after them, a pair (term k, later head term i): offsets into index, index, A and work.
PARENT, POSITION, NESTED = range(3)
WIDTH = 17

#: Of more rows than this, level pairs are sorted by counting, by a kernel that is compiled for it.
MANY = 500_000

#: `ReMat.way` of terms whose levels are related: their columns are rotated, so that products with
#: those of other terms are dense; or there is a sparse precision matrix.
ROTATED_WAY, SPARSE_WAY = "rotated", "sparse"

#: A level that meets more related levels than this is not eliminated before them.
FEW_MET = 2

#: A pair of crossed terms is stored densely if at least this share of its level pairs occurs.
DENSE_FILL = 0.1
#: Terms of more columns, such as those over positions, are multiplied by BLAS in the tail.
POINTS = 48


@dataclass(repr=False)
class Layout(ShortRepr):
    """Layout table, integer index, buffer sizes, and the positions of the data in sparse blocks.

    Attributes
    ----------
    table : ndarray of int64, shape (1 + K + H², 17)
        Sizes and offsets; see the module's constants for the columns.
    index : ndarray of int32
        Row pointers, row numbers, parents of levels, and the places of the entries of λ in `work`.
    size_a, size_work, size_adjoint : int
        Lengths of the float64 buffers A, work, and adjoint, which only the gradient needs.
    order : list of int
        Terms in the table's order, as positions in the caller's list.
    places : ndarray of int32, shape (pairs, n)
        For each pair of a term and a later sparse one, and for each row of the data: the position
        at which the pair's block starts among the sparse rows of the first.
    regions : list of (name, buffer, start, stop)
        All regions of the buffers, for tests of the gaps between them.
    related : dict of int to sparse array
        Precision matrices of the levels of terms with a known covariance, by the term's row in the
        table, less one; where a sparse tail takes them instead of the identity.
    """

    table: np.ndarray
    index: np.ndarray
    size_a: int
    size_work: int
    size_adjoint: int
    order: list[int]
    places: np.ndarray
    regions: list[tuple[str, str, int, int]]
    related: dict = field(default_factory=dict)

    @property
    def nhead(self) -> int:
        """Number of head terms."""
        return int(self.table[0, NHEAD])

    @cached_property
    def operations(self) -> float:
        """Approximate number of multiplications of one factorisation."""
        table, total = self.table, self.table[0, ORDER] ** 3 / 3
        for k in range(self.nhead):
            row = table[1 + k]
            start = row[ROWPTR]
            pointers = self.index[start : start + row[NLEVEL] + 1].astype(np.float64)
            total += float(row[P] * np.sum((np.diff(pointers) + row[ND] + row[P]) ** 2))
        return float(total)

    @property
    def nterm(self) -> int:
        """Number of random-effects terms."""
        return int(self.table[0, NTERM])

    @cached_property
    def _parts(self) -> list[tuple[slice, tuple[int, int]]]:
        """For each term, in the caller's order: where its effects stand, and their shape."""
        parts: list = [None] * self.nterm
        stop = 0
        for k, given in enumerate(self.order):
            p, nlevel = (int(n) for n in self.table[1 + k, [P, NLEVEL]])
            start, stop = stop, stop + p * nlevel
            parts[given] = slice(start, stop), (nlevel, p)
        return parts

    @cached_property
    def nranef(self) -> int:
        """Number of random effects."""
        rows = self.table[1 : 1 + self.nterm]
        return int((rows[:, P] * rows[:, NLEVEL]).sum())

    def by_term(self, vector) -> list[np.ndarray]:
        """Random effects in the table's order, split into the terms, in the caller's order."""
        return [vector[part].reshape(shape) for part, shape in self._parts]

    def kinds(self) -> list[list[str]]:
        """Storage of each block of the lower triangle, one list for each row, X and y last.

        A single name applies to both A and L; ``Diagonal/Dense`` means diagonal in A, dense in L.
        """
        at = {given: k for k, given in enumerate(self.order)}
        rows = []
        for i in range(self.nterm):
            row = [self._kind(at[i], at[j]) for j in range(i)]
            scalar = self.table[1 + at[i], P] == 1
            row.append(_both("Diagonal" if scalar else "BlkDiag", at[i] < self.nhead))
            rows.append(row)
        return [*rows, ["Dense"] * (self.nterm + 1)]

    def _kind(self, k: int, j: int) -> str:
        """Storage of the block of terms k and j; its columns are those of the earlier term."""
        k, j = max(k, j), min(k, j)
        if k < self.nhead:
            return "Nested"
        return _both("Sparse" if k < self.table[0, FIRST_DENSE] else "Dense", j < self.nhead)


def _both(kind: str, kept: bool) -> str:
    """The storage in A, and that in L if the elimination fills the block in."""
    return kind if kept or kind == "Dense" else f"{kind}/Dense"


class _Buffer:
    """Allocates consecutive regions of a buffer, `gap` elements apart."""

    def __init__(self, name: str, gap: int, regions: list, start: int = 0) -> None:
        self.name, self.gap, self.regions, self.size = name, gap, regions, start

    def take(self, what: str, length: int) -> int:
        start = self.size
        self.size = start + length + self.gap
        self.regions.append((what, self.name, start, start + length))
        return start


class _Index:
    """Builds the integer index from consecutive pieces."""

    def __init__(self) -> None:
        self.pieces: list[np.ndarray] = []
        self.size = 0

    def put(self, values) -> int:
        start = self.size
        self.pieces.append(np.asarray(values, dtype=np.int32))
        self.size += len(values)
        return start

    def copy(self) -> _Index:
        other = _Index()
        other.pieces, other.size = self.pieces.copy(), self.size
        return other

    def array(self) -> np.ndarray:
        return np.concatenate(self.pieces) if self.pieces else np.zeros(0, np.int32)


def _nlevel(term) -> int:
    return len(term.levels)


def head_length(terms) -> int:
    """Number of leading terms whose diagonal block of L is block diagonal.

    A wide term of a single level, such as one over positions, is left to the tail, whose dense
    blocks are multiplied by BLAS.
    """
    for k, term in enumerate(terms):
        if term.nlevels == 1 and term.p > POINTS:
            return k
        if not all(terms[j].is_nested_in(term) for j in range(k)):
            return k
    return len(terms)


def _of_groups(terms, groups) -> tuple[list[int], int]:
    """The order of terms and the length of the head, for rows that are correlated within groups.

    Two levels that meet in a group have a block. So a term is in the head only if each group lies
    within one of its levels; all others are dense, and so are related levels.
    """
    level_of = np.empty(groups.max() + 1, dtype=np.int64)
    within, beyond = [], []
    for k, term in enumerate(terms):
        level_of[groups] = term.refs
        is_within = np.array_equal(level_of[groups], term.refs) and _way(term) != ROTATED_WAY
        (within if is_within else beyond).append(k)
    nhead = head_length([terms[k] for k in within])
    return [*within[:nhead], *sorted([*within[nhead:], *beyond])], nhead


def _pair_codes(column, row) -> np.ndarray:
    return column.refs.astype(np.int64) * _nlevel(row) + row.refs


def _in_head_first(terms) -> tuple[list[int], int]:
    """Terms with those of the head first, and the number of these.

    Levels that are related by a sparse precision matrix are not eliminated one by one, nor are
    levels, such as herds, that meet many of those: their elimination would fill the tail in.
    """
    related = [term for term in terms if _way(term) == SPARSE_WAY]
    single = [k for k, t in enumerate(terms) if _way(t) != SPARSE_WAY and _meets_few(t, related)]
    nhead = head_length([terms[k] for k in single]) if single else 0
    head = single[:nhead]
    return head + [k for k in range(len(terms)) if k not in head], nhead


def _meets_few(term, related) -> bool:
    """Whether each level of a term meets few levels of each of the related terms, on average."""
    return all(
        len(np.unique(_pair_codes(term, other))) <= FEW_MET * _nlevel(term) for other in related
    )


def _way(term) -> str:
    """How the known covariance of a term's levels is dealt with; see `design.related_levels`."""
    return getattr(term, "way", "")


def _split_tail(terms, nhead: int, most_dense: int | None) -> tuple[list[int], list[int]]:
    """The tail's terms: those whose block with the first term is sparse, and the dense ones."""
    sparse, dense = [], []
    for i in range(nhead, len(terms)):
        if ROTATED_WAY in (_way(terms[0]), _way(terms[i])):
            dense.append(i)
            continue
        if _way(terms[i]) == SPARSE_WAY:
            sparse.append(i)
            continue
        if most_dense is not None:  # the first one, which is the largest, is sparse in any case
            (dense if i > nhead and terms[i].nranef <= most_dense else sparse).append(i)
            continue
        enough = DENSE_FILL * _nlevel(terms[0]) * _nlevel(terms[i])
        if len(terms[0].refs) < enough:  # each row has its pair, and they are still too few
            sparse.append(i)
            continue
        codes = np.sort(_pair_codes(terms[0], terms[i]))  # ten times as fast as np.unique
        pairs = 1 + np.count_nonzero(np.diff(codes))
        (dense if pairs >= enough else sparse).append(i)
    return sparse, dense


@dataclass
class Pattern:
    """Where a model's Z'Z has blocks, which is all of a layout that depends on the rows.

    Attributes
    ----------
    terms : list of ReMat
        In the table's order.
    order : list of int
        Their positions in the caller's list.
    table : ndarray of int64
        The table, as far as it does not depend on X; `ORDER` counts the tail's rows of Z.
    index : _Index
        The index without the places of the entries of λ.
    places : ndarray of int32
        As in `Layout`.
    is_linked : bool
        Whether the levels of a term of the tail may have blocks with each other: its own rows are
        then among its dense ones.
    """

    terms: list
    order: list[int]
    table: np.ndarray
    index: _Index
    places: np.ndarray
    is_linked: bool = False

    @classmethod
    def of(cls, terms, most_dense: int | None = None, groups=None) -> Pattern:
        """The pattern of terms, by decreasing number of random effects; there may be none.

        With `most_dense`, the dense terms of the tail are those of at most so many random effects,
        and there is a sparse one. With `groups`, of the rows whose residuals are correlated, the
        blocks of two levels that meet in a group are there, too: see `_of_groups`.
        """
        if groups is None:
            first, nhead = _in_head_first(terms)
            terms = [terms[k] for k in first]
            sparse, dense = _split_tail(terms, nhead, most_dense)
            order = [*range(nhead), *sparse, *dense]
            terms, order = [terms[k] for k in order], [first[k] for k in order]
        else:
            sparse, (order, nhead) = [], _of_groups(terms, groups)
            terms = [terms[k] for k in order]
        nterm, first_dense = len(terms), nhead + len(sparse)

        table = np.zeros((1 + nterm + nhead * nhead, WIDTH), dtype=np.int64)
        for k, term in enumerate(terms):
            table[1 + k, [P, NLEVEL]] = term.p, _nlevel(term)
        width = table[1 : 1 + nterm, P] * table[1 : 1 + nterm, NLEVEL]
        table[1 : 1 + nhead, ROW] = -1
        table[1 + nhead : 1 + nterm, ROW] = np.cumsum(width[nhead:]) - width[nhead:]
        order_z = int(width[nhead:].sum())
        table[0, [NTERM, NHEAD, FIRST_DENSE, ORDER]] = nterm, nhead, first_dense, order_z
        table[1 : 1 + nterm, COLUMN] = np.cumsum(table[1 : 1 + nterm, P]) - table[1 : 1 + nterm, P]
        index = _Index()
        places = [np.zeros((0, len(terms[0].refs) if terms else 0), dtype=np.int32)]
        for k in range(nterm):
            row = table[1 + k]
            rowptr, rows, place = _sparse_rows(
                terms, k, range(max(k + 1, nhead), first_dense), table
            )
            row[PLACES] = sum(len(rows_of_pair) for rows_of_pair in places)
            places.append(place)
            row[ROWPTR], row[ROWS] = index.put(rowptr), index.put(rows)
            row[NSPARSE] = len(rows)
        _put_parents(terms, table, nhead, index)
        places = np.concatenate(places)
        return cls(terms, order, table, index, places, is_linked=groups is not None)

    def layout(self, nx: int, gap: int = 0) -> Layout:
        """The layout with X of full rank nx; `gap` is for tests, as for `build_layout`."""
        table, index, regions = self.table.copy(), self.index.copy(), []
        nterm, nhead, first_dense, order_z = table[0, [NTERM, NHEAD, FIRST_DENSE, ORDER]].tolist()
        width = table[1 : 1 + nterm, P] * table[1 : 1 + nterm, NLEVEL]
        m = order_z + nx + 1
        table[0, [ORDER, NX]] = m, nx
        dense0 = table[1 + first_dense, ROW] if first_dense < nterm else order_z
        a = _Buffer("A", gap, regions)
        for k in range(nterm):
            if k == nhead:
                size_head = a.size
            row = table[1 + k]
            after = row[ROW] + (0 if self.is_linked else width[k]) if k >= nhead else 0
            row[D0] = max(after, dense0)
            row[ND] = m - row[D0]
            row[DIAG] = a.take(f"diagonal {k}", row[P] * width[k])
            row[SPARSE] = a.take(f"sparse {k}", row[NSPARSE] * row[P])
            row[DENSE] = a.take(f"dense {k}", row[ND] * width[k])
            for i in range(k + 1, nhead) if k < nhead else ():
                pair = table[1 + nterm + k * nhead + i]
                pair[NESTED] = a.take(f"nested {k} {i}", table[1 + i, P] * width[k])
        if nhead == nterm:
            size_head = a.size
        table[0, CROSS] = a.take("cross-product of X and y", (nx + 1) ** 2)
        work = _Buffer("work", gap, regions, start=size_head)
        _put_work(self.terms, table, work, index, np.argsort(self.order), size_head)
        adjoint = _Buffer("adjoint", gap, regions, start=size_head)
        _put_adjoint(table, adjoint)
        sizes = a.size, work.size, adjoint.size
        layout = Layout(table, index.array(), *map(int, sizes), self.order, self.places, regions)
        layout.related = {
            k: t.relation.precision for k, t in enumerate(self.terms) if _way(t) == SPARSE_WAY
        }
        return layout


def build_layout(terms, nx: int, gap: int = 0, groups=None) -> Layout:
    """Lay out the blocks of a model.

    Parameters
    ----------
    terms : sequence of ReMat
        The random-effects terms, by decreasing number of random effects; there may be none.
    nx : int
        Number of fixed-effects columns, full rank.
    gap : int
        Number of unused elements between regions, for tests that guard them.
    groups : ndarray of int, shape (n,), optional
        Groups of rows whose residuals are correlated.

    Returns
    -------
    Layout
    """
    return Pattern.of(terms, groups=groups).layout(nx, gap)


def _sparse_rows(terms, k: int, later, table):
    """Row pointers and numbers of term k's sparse rows, and the positions of the data in them."""
    term, nlevel = terms[k], int(table[1 + k, NLEVEL])
    if not len(later):
        none = np.zeros((0, len(term.refs)), dtype=np.int32)
        return np.zeros(nlevel + 1, dtype=np.int32), np.zeros(0, dtype=np.int32), none
    m = int(table[0, ORDER])
    starts = [table[1 + i, ROW] + table[1 + i, P] * terms[i].refs.astype(np.int64) for i in later]
    level, start, place = _blocks(term.refs, starts, nlevel, m)
    bounds = np.array([table[1 + i, ROW] for i in later])
    size = table[1 + np.array(later), P][np.searchsorted(bounds, start, side="right") - 1]
    counts = np.bincount(level, weights=size, minlength=nlevel).astype(np.int64)
    del level  # there are as many pairs of levels as rows, nearly
    first = np.cumsum(size)
    first -= size
    start -= first
    rows = np.repeat(start, size)
    del start
    rows += np.arange(len(rows))
    rowptr = np.concatenate([[0], np.cumsum(counts)])
    return rowptr, rows, first.astype(np.int32)[place].reshape(len(later), -1)


def _blocks(refs, starts, nlevel: int, m: int):
    """Blocks below a term's levels, by level and then by row: both, and each row's block."""
    if len(refs) * len(starts) < MANY:
        codes = np.concatenate([refs.astype(np.int64) * m + start for start in starts])
        blocks, place = np.unique(codes, return_inverse=True)
        return *np.divmod(blocks, m), place
    first = np.tile(refs, len(starts))
    second = np.concatenate(starts).astype(np.int32)
    blocks, spare, place = (np.empty(k * len(first), dtype=np.int32) for k in (2, 2, 1))
    count = sort_pairs(first, second, nlevel, m, blocks, place, spare)
    level, start = blocks[: 2 * count].reshape(count, 2).T
    return level, start.astype(np.int64), place


def _put_parents(terms, table, nhead: int, index: _Index) -> None:
    """Index the parent of every level for each pair of head terms, and its sparse rows."""
    nterm = int(table[0, NTERM])
    pieces = index.array()
    for k in range(nhead):
        for i in range(k + 1, nhead):
            pair = table[1 + nterm + k * nhead + i]
            parent = np.empty(table[1 + k, NLEVEL], dtype=np.int32)
            parent[terms[k].refs] = terms[i].refs
            pair[PARENT] = index.put(parent)
            pair[POSITION] = index.put(_positions(pieces, table[1 + k], table[1 + i], parent))


def _positions(index, child, other, parent) -> np.ndarray:
    """Position of each sparse row of the child's levels among the parent's sparse rows."""

    def codes(term, level_of):
        ptr = index[term[ROWPTR] : term[ROWPTR] + term[NLEVEL] + 1].astype(np.int64)
        rows = index[term[ROWS] : term[ROWS] + ptr[-1]].astype(np.int64)
        return np.repeat(level_of.astype(np.int64), np.diff(ptr)) * 2**31 + rows

    return np.searchsorted(codes(other, np.arange(other[NLEVEL])), codes(child, parent))


def _put_work(terms, table, work: _Buffer, index: _Index, as_given, size_head: int) -> None:
    """Lay out the regions of `work` that A lacks: C of later head terms, λ, T, scratch."""
    nterm = len(terms)
    if table[0, NHEAD] > 1:
        first = table[2, DIAG]
        table[0, SCHUR] = work.take("later head terms, not yet eliminated", size_head - first)
        table[0, SCHUR] -= first
    places, below = [], 0
    for k, term in enumerate(terms):
        p, entries = term.p, term.structure.entries
        table[1 + k, LAMBDA] = work.take(f"lambda {k}", p * p)
        places.append(table[1 + k, LAMBDA] + entries)
        below += int(np.count_nonzero(entries // p > entries % p))
    table[0, THETA] = index.put([place for k in as_given for place in places[k]])
    table[0, NTHETA] = sum(len(p) for p in places)
    table[0, MOVED] = table[0, NTHETA] + below  # each with its mirror image above the diagonal
    m, widest = int(table[0, ORDER]), int(table[1 : 1 + nterm, P].max(initial=1))
    table[0, TAIL] = work.take("tail", m * m)
    longest = int(table[1 : 1 + nterm, ND].max(initial=0))
    table[0, SCRATCH] = work.take("scratch", 3 * widest**2 + widest * max(longest, m))


def _put_adjoint(table, adjoint: _Buffer) -> None:
    """Lay out the regions of `adjoint` after the head's: C and U of the tail, G, N, scratch."""
    nterm, m = int(table[0, NTERM]), int(table[0, ORDER])
    table[0, TAIL_C] = adjoint.take("tail, not yet factored", m * m)
    table[0, TAIL_U] = adjoint.take("tail of U", m * m)
    if nterm:
        first, last = table[1, LAMBDA], table[nterm, LAMBDA] + table[nterm, P] ** 2
        for what, distance in (("G", GRADIENT), ("N", NORMAL)):
            table[0, distance] = adjoint.take(f"{what} of all terms", last - first) - first
    widest = int(table[1 : 1 + nterm, P].max(initial=1))
    table[0, SPARE] = adjoint.take("scratch of the gradient", 5 * widest**2)


@jit(takes=(INDEX, INDEX, INTEGER, INTEGER, INDEX, INDEX, INDEX), owns=True)
def sort_pairs(first, second, nfirst, nsecond, blocks, place, spare):
    """Number the pairs (first, second) that occur, by the first and then by the second.

    Parameters
    ----------
    first, second : int32, shape (n,)
        From 0 on, below `nfirst` and `nsecond`.
    nfirst, nsecond : int
    blocks : int32, shape (2n,)
        Filled with the pairs' first and second members, side by side, as far as there are pairs.
    place : int32, shape (n,)
        Filled with the number of each row's pair.
    spare : int32, shape (2n,)
        Overwritten.

    Returns
    -------
    int
        How many pairs there are.
    """
    n = len(first)
    by_second, by_first = spare[:n], spare[n:]
    starts = np.zeros(nsecond + 1, np.int64)
    for row in range(n):
        starts[second[row] + 1] += 1
    for j in range(nsecond):
        starts[j + 1] += starts[j]
    for row in range(n):
        by_second[starts[second[row]]] = row
        starts[second[row]] += 1
    starts = np.zeros(nfirst + 1, np.int64)
    for row in range(n):
        starts[first[row] + 1] += 1
    for j in range(nfirst):
        starts[j + 1] += starts[j]
    for i in range(n):
        row = by_second[i]
        by_first[starts[first[row]]] = row
        starts[first[row]] += 1
    count = counter()
    a, b = -1, -1
    for i in range(n):
        row = by_first[i]
        if first[row] != a or second[row] != b:
            a, b = first[row], second[row]
            blocks[2 * count], blocks[2 * count + 1] = a, b
            count += 1
        place[row] = count - 1
    return count

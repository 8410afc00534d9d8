"""`Tail`: what a model asks of its factor, whatever holds the part that the head leaves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np

from numbamm.blocks.crossprod import crossprod, crossprod_response
from numbamm.blocks.layout import NX, ORDER, Layout, build_layout
from numbamm.blocks.threads import ThreadLocal
from numbamm.blocks.variances import chosen_parts
from numbamm.errors import FitError, OptionError
from numbamm.shortrepr import ShortRepr
from numbamm.structures.joint import Joint


@dataclass(repr=False)
class Solution(ShortRepr):
    """Estimates at one θ, in the units of A.

    Attributes
    ----------
    u, b : list of ndarray, shape (levels, p)
        Spherical and original random effects, term by term as the caller gave them.
    gamma : ndarray, shape (nx,)
        Coefficients of the fixed-effects columns.
    """

    u: list[np.ndarray]
    b: list[np.ndarray]
    gamma: np.ndarray


class Request(NamedTuple):
    """What the user asks of the tail.

    Attributes
    ----------
    name : str
        Name of a tail, or ``"auto"``.
    probes, seed : int or None
        Number of random probes of an approximate tail, and what they are drawn from; None where
        that is left to the tail.
    or_other : bool
        Whether another tail will do where the named one cannot hold the model: a smaller model, in
        comparisons, may leave it nothing to hold.
    """

    name: str = "auto"
    probes: int | None = None
    seed: int | None = None
    or_other: bool = False


class Prediction(NamedTuple):
    """What a tail would take, known before anything is allocated.

    Attributes
    ----------
    seconds : float
        Time of one evaluation of the objective with its gradient, about, on one thread.
    bytes : float
        Memory of A and of what the tail holds besides it, for one thread.
    """

    seconds: float
    bytes: float


class Choice(NamedTuple):
    """The tail of a model, and why.

    Attributes
    ----------
    name, reason : str
    note : str
        What would serve better and is not there; else empty.
    is_obvious : bool
        Whether there was nothing to choose: the tail is small.
    """

    name: str
    reason: str
    note: str = ""
    is_obvious: bool = False

    @property
    def why(self) -> str:
        """Reason and note as one line."""
        return self.reason + (f"; {self.note}" if self.note else "")


class CrossProduct(NamedTuple):
    """A that exists already, of rows that are not in memory.

    Attributes
    ----------
    layout : Layout
    A : ndarray, shape (size_a,)
    rows
        What stands for the rows, and refuses to give them.
    covered : sequence of ReMat, optional
        The terms in a few rows in which every pair of levels occurs that occurs in some row, so
        that layouts follow from them.
    """

    layout: Layout
    A: np.ndarray
    rows: Any
    covered: Any = None


class UnsuitedTail(FitError):
    """A tail turns out, when it is used, not to suit the model: an exact one is to take over."""


class Tail(ThreadLocal):
    """The cross-product A of a model, and what follows from its factor at any θ.

    A subclass holds the factor. It defines ``name``, ``predict``, and the methods that raise
    `NotImplementedError` here; it may refuse one that it cannot give by an `OptionError` of
    ``cannot``, which says what to do instead.

    Parameters
    ----------
    terms : sequence of ReMat
        By decreasing number of random effects.
    xy : ndarray of float64, shape (n, nx + 1)
        ``[X | y]``, X of full rank, times the square root of the weights; or a `CrossProduct`.
    sqrtw : ndarray of float64, shape (n,), optional
        Square roots of the weights, for the terms' columns.
    layout : Layout, optional
        That of the terms, where it is known.
    request : Request
    gap : int
        Number of unused elements between the regions of the buffers, for tests that guard them.

    Attributes
    ----------
    A : ndarray
        The cross-product, in the order of the layout: it is the same for every tail.
    choice : Choice or None
        Why the model has this tail.
    product : CrossProduct or None
        What it was made of, where that were not rows.

    Notes
    -----
    Threads share A, and each thread has its own factor, so that any number of threads may
    evaluate at once. Methods take θ; after `factorize` those without θ read the calling thread's
    factor.
    """

    name: ClassVar[str]
    #: Whether compiled code evaluates the objective on the arrays of `layout`, and leads searches.
    is_compiled: ClassVar[bool] = False
    #: Whether results are exact up to rounding.
    is_exact: ClassVar[bool] = True
    #: Evaluations of a linear fit, with its end, about.
    evaluations: ClassVar[int] = 3
    #: In its layouts terms of the tail are dense that have at most so many random effects; None
    #: where that depends on how many pairs of levels occur. See `layout.Pattern`.
    most_dense: ClassVar[int | None] = None
    choice: Choice | None = None

    def __init__(
        self,
        terms,
        xy,
        sqrtw=None,
        layout: Layout | None = None,
        request: Request = Request(),  # noqa: B008  immutable
        gap: int = 0,
    ) -> None:
        self.request, self.joint = request, Joint.of(terms)
        self.product = xy if isinstance(xy, CrossProduct) else None
        if isinstance(xy, CrossProduct):
            self.layout, self.A = xy.layout, xy.A
            self.refs = self.z = self.xy = xy.rows
            super().__init__()
            return
        self.xy = np.ascontiguousarray(xy, dtype=np.float64)
        self.layout = build_layout(terms, self.xy.shape[1] - 1, gap) if layout is None else layout
        self._of_rows = [terms[k] for k in self.layout.order], sqrtw
        self.A = np.full(self.layout.size_a, np.nan)
        table, places = self.layout.table, self.layout.places
        crossprod(self.refs, self.z, self.xy, table, places, self.A)
        super().__init__()

    @cached_property
    def refs(self) -> np.ndarray:
        """Level of each row for each term, in the table's order, shape (terms, n)."""
        return np.stack([t.refs for t in self._of_rows[0]])

    @cached_property
    def z(self) -> np.ndarray:
        """The terms' columns side by side, times √weights, shape (n, sum of p)."""
        ordered, sqrtw = self._of_rows
        out, at = np.empty((len(self.xy), sum(t.p for t in ordered))), 0
        for term in ordered:
            out[:, at : at + term.p] = term.z.T
            at += term.p
        if sqrtw is not None:
            out *= sqrtw[:, None]
        return out

    def _drop_rows(self) -> None:
        """Drop what is copied from the terms' rows; it is made anew where it is needed."""
        for name in ("refs", "z") if self.product is None else ():
            vars(self).pop(name, None)

    # ---- before a tail is built ---------------------------------------------------------------

    @classmethod
    def predict(
        cls, layout: Layout, terms, asked: bool = False, factors: int = 1
    ) -> Prediction | str:
        """What the tail would take, or in words why it does not suit this model.

        Parameters
        ----------
        layout : Layout
        terms : sequence of ReMat
        asked : bool
            The user has asked for it, so that only what makes it impossible counts.
        factors : int
            How many such tails, each with its A, are held at once; one of them is evaluated.
        """
        raise NotImplementedError

    # ---- the design ---------------------------------------------------------------------------

    @property
    def order(self) -> int:
        """Order m of the tail: its random effects, X and y."""
        return int(self.layout.table[0, ORDER])

    @property
    def nx(self) -> int:
        """Number of fixed-effects columns."""
        return int(self.layout.table[0, NX])

    @property
    def operations(self) -> float:
        """Approximate number of multiplications of one factorisation."""
        return self.layout.operations

    def kinds(self) -> list[list[str]]:
        """Storage of each block of the lower triangle of A and L; see `Layout.kinds`."""
        return self.layout.kinds()

    @property
    def response(self) -> np.ndarray:
        """y (times the square root of the weights) as A holds it."""
        return self.xy[:, -1]

    def new_response(self, y) -> None:
        """Replace y (times the square root of the weights); only A's last row changes."""
        self._drop_buffers()  # they hold factors of the previous A
        self.xy[:, -1] = y
        crossprod_response(self.refs, self.z, self.xy, self.layout.table, self.A)

    def of_product(self, terms, product: CrossProduct) -> Tail:
        """A tail of this kind for another cross-product."""
        other = type(self)(terms, product, layout=product.layout, request=self.request)
        other.choice = self.choice
        return other

    def in_columns(self, terms, sqrtw) -> Tail:
        """The same rows with the terms in other columns."""
        other = type(self)(terms, self.xy, sqrtw, request=self.request)
        other.choice = self.choice
        return other

    def cannot(self, what: str) -> OptionError:
        """The error for a result that this tail does not give."""
        return OptionError(
            f"{what}: not with the {self.name} tail; build the model with tail='dense' if it fits "
            "into memory, or with tail='sparse'"
        )

    # ---- the objective, at a θ ----------------------------------------------------------------

    def objective(self, theta, degrees, constant: float, sigma: float) -> float:
        """The criterion at θ; NaN or infinite where Ω is not positive definite.

        Parameters
        ----------
        theta : ndarray, shape (number of θ,)
        degrees : ndarray of int64, shape (2,)
            Number of rows, less the rank of X under REML; and 1 under REML, else 0.
        constant : float
            Added to the objective.
        sigma : float
            The residual standard deviation in the units of A; 0 if it is estimated.
        """
        raise NotImplementedError

    def objective_gradient(
        self, theta, degrees, constant: float, sigma: float
    ) -> tuple[float, np.ndarray]:
        """The objective and its gradient, shape (number of θ,); see `blocks.gradient`."""
        raise NotImplementedError

    def gradient_blocks(self) -> list[np.ndarray]:
        """G = 2Nλ of each term, shape (p, p), at this thread's latest gradient.

        The entries on a term's template are the gradient; the others are derivatives by entries
        of λ that are fixed at zero.
        """
        raise NotImplementedError

    def normal_blocks(self) -> list[np.ndarray]:
        """N of each term, shape (p, p), symmetric, at this thread's latest gradient."""
        raise NotImplementedError

    def information(self, entries, degrees, sigma: float) -> np.ndarray:
        """Average information of entries of λ, at this thread's latest gradient.

        Parameters
        ----------
        entries : int64, shape (4, n)
            Term (in the table's order), row and column in λ; see `information.square_blocks`.
        degrees, sigma
            As for `objective`.

        Returns
        -------
        ndarray, shape (n, n)
        """
        raise NotImplementedError

    def search(self, theta, degrees, constant: float, sigma: float, ftol_abs, ftol_rel):
        """Begin a search at θ: an `OwnSearch` (`optimize.protocol`).

        The structures must be free, so that θ are the entries of λ.
        """
        from numbamm.blocks.search.led import LedSearch

        return LedSearch(self, theta, (degrees, constant, sigma), ftol_abs, ftol_rel)

    def certify(self, theta, degrees, constant: float, sigma: float):
        """The certificate at a singular θ; see `certificate.judge`."""
        from numbamm.blocks.search.led import judge_blocks

        self.objective_gradient(theta, degrees, constant, sigma)
        return judge_blocks(self, theta, degrees[0])

    # ---- estimates ----------------------------------------------------------------------------

    def factorize(self, theta) -> None:
        """Hold the factor at θ for the calling thread, unless it is there already.

        Raises
        ------
        FloatingPointError
            If Ω is not positive definite to working precision.
        """
        raise NotImplementedError

    def solve(self) -> Solution:
        """Estimates from this thread's factor."""
        raise NotImplementedError

    def solution_as_held(self) -> Solution:
        """As `solve`, with effects that belong to the columns of A."""
        return self.solve()

    def residual_norm(self) -> float:
        """Square root of the penalised residual sum of squares r², in y's units in A."""
        raise NotImplementedError

    def x_factor(self) -> np.ndarray:
        """L_X, the factor's block of the fixed effects, shape (nx, nx)."""
        raise NotImplementedError

    def leverage(self) -> np.ndarray:
        """Diagonal of the hat matrix at this thread's factor, shape (n,)."""
        raise NotImplementedError

    def conditional_variances(self) -> list[np.ndarray]:
        """Variances of b over σ² at that factor, shape (levels, p, p) for each term."""
        raise NotImplementedError

    def variances_of(self, levels: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
        """Blocks of `conditional_variances` by term: of chosen levels, or of all if there are none.

        Parameters
        ----------
        levels : dict of int to ndarray of int
            Positions of the levels, by term.
        """
        return chosen_parts(self.conditional_variances(), levels)

    def row_variances(self, terms, x, cov=None) -> np.ndarray:
        """Variances over σ² of x'γ̂ + z'b̂ - z'b at that factor; see `variances.row_variances`."""
        raise NotImplementedError

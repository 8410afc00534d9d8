"""`Link`: the record of a link function; `LINKS` finds those of `links/`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import numpy as np

from numbamm.blocks.jit import jit
from numbamm.completion import ForUsers
from numbamm.errors import OptionError
from numbamm.glm import row_kernels
from numbamm.glm.registry import Registry, packed

#: A mean closer than this to a bound of its range triggers a search for separation.
EXTREME = 1e-7

LARGEST = 700.0  # exp overflows a little above


@dataclass(frozen=True, eq=False, repr=False)
class Link(ForUsers):
    """A link function g: η = g(μ).

    A link of your own needs `forward` and `inverse`. The other attributes describe its properties.

    Attributes
    ----------
    name : str
    forward : callable
        η at means, an array; NaN or infinite where there is no such η.
    inverse : callable, optional
        μ at one η, in plain arithmetic with functions of `math`; differentiated automatically.
    derivatives : kernel, optional
        In place of `inverse`: μ, dμ/dη, d²μ/dη² and d³μ/dη³ at one η, compiled by
        `numbamm.blocks.jit`.
    logarithms : kernel, optional
        For links onto (0, 1) with binomial responses, accurate where μ or 1 - μ rounds to 0:
        log μ, log(1 - μ), and with d = dμ/dη the ratios d/μ, d/(1 - μ), d²μ/dη² / d and
        d³μ/dη³ / d. By default they are computed from the derivatives of μ.
    aliases : tuple of str
        Other names, such as those in other packages.
    linear : bool
        μ = η.
    onto_unit : bool
        Means lie in (0, 1), whatever η is.
    whole_line : bool
        Every η has a mean.
    positive : bool
        Means are positive.
    unitless : bool
        η is a logarithm or a quantile.
    symmetric : bool
        g(1 - μ) = -g(μ).
    turns : bool
        Whether μ as a function of η has a turning point or a pole at η = 0.
    mirrored : bool
        Negative η give the same means as positive ones; the mean is zero at η = 0.
    beyond_infinity : bool
        Negative η lie beyond an infinite mean.
    heavy : bool
        The inverse is a distribution function with heavy tails: distant rows are informative.
    extreme : float
        Means closer than this to a bound of their range suggest separation.
    unit : float, optional
        The change of η that multiplies the odds, or the mean, by about e; None where η is bounded.
    latent_variance : float, optional
        Variance of the latent variable behind a link to probabilities.
    base : float
        Differences of η are logarithms to this base of a ratio; 0 if they are not logarithms.
    ratio : str
        The kind of ratio: ``"ratio"`` (of means) or ``"odds ratio"``.
    hazard : bool
        η is the logarithm of a cumulative hazard, so that exp(β) is a ratio of hazards.
    concave_with : tuple of str
        Families, besides those that name this link, whose log-density it makes concave in η.
    marginaleffects : str, optional
        A family with which the package marginaleffects supports this link.

    Raises
    ------
    OptionError
        If the name belongs to another link, or neither `inverse` nor `derivatives` is given.

    See Also
    --------
    Family : Families of your own.
    glmm : Takes one.

    Examples
    --------
    >>> import math
    >>> import numpy as np
    >>> import numbamm as mm
    >>> aranda = mm.Link(  # Aranda-Ordaz (1981), Biometrika 68, 357, between logit and cloglog
    ...     "aranda",
    ...     forward=lambda mu: np.log(2 * ((1 - mu) ** -0.5 - 1)),
    ...     inverse=lambda eta: 1 - (1 + 0.5 * math.exp(eta)) ** -2.0,
    ...     onto_unit=True,
    ...     whole_line=True,
    ... )
    >>> aranda.mean([0.0]).round(4).tolist()
    [0.5556]
    """

    _between_rooms = frozenset(
        {"address", "is_bounded", "logarithmic", "rows", "tails", "unit_rows"}
    )

    name: str
    _: KW_ONLY
    forward: Callable
    inverse: Callable | None = None
    derivatives: Callable | None = None
    logarithms: Callable | None = None
    aliases: tuple[str, ...] = ()
    linear: bool = False
    onto_unit: bool = False
    whole_line: bool = False
    positive: bool = False
    unitless: bool = False
    symmetric: bool = False
    turns: bool = False
    mirrored: bool = False
    beyond_infinity: bool = False
    heavy: bool = False
    extreme: float = EXTREME
    unit: float | None = None
    latent_variance: float | None = None
    base: float = 0.0
    ratio: str = "ratio"
    hazard: bool = False
    concave_with: tuple[str, ...] = ()
    marginaleffects: str | None = None

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Link({self.name!r})"

    def __post_init__(self) -> None:
        if self.derivatives is not None:
            return
        if not isinstance(self.name, str) or not callable(self.inverse):
            raise OptionError("a link has a name, forward= and inverse=, two functions")
        taken = LINKS.get(self.name)
        if taken is not None:
            raise OptionError(f"there is a link {taken} already: give yours another name")

    def __reduce__(self):
        return (_registered, (self.name,)) if self.inverse is None else packed(self)

    @cached_property
    def _derivatives(self):
        if self.derivatives is not None:
            return self.derivatives
        from numbamm.glm.logpdf import derivatives_of  # only users' links need jets

        return derivatives_of(self.inverse)

    @cached_property
    def rows(self):
        """The kernel that fills a table with μ and its derivatives; see `glm.row_kernels`."""
        return row_kernels.link_rows(self._derivatives, kept=self.inverse is None)

    @cached_property
    def unit_rows(self):
        """The kernel for means in (0, 1), which fills the table with logarithms and ratios."""
        return row_kernels.unit_rows(*self.tails(), kept=self.inverse is None)

    def tails(self) -> tuple:
        """The kernel `logarithms`, and the one by whose name loops around it are kept."""
        logarithms = self.logarithms or _by_derivatives(self._derivatives)
        return logarithms, self.logarithms or self._derivatives

    def address(self, unit: bool) -> int:
        """The address of `unit_rows` if `unit`, else of `rows`.

        Raises
        ------
        OptionError
            If the function of a user's link cannot be compiled.
        """
        kernel = self.unit_rows if unit else self.rows
        return row_kernels.address_of(kernel, row_kernels.LINK, f"inverse of the link {self.name}")

    @property
    def logarithmic(self) -> bool:
        """Whether differences of η are logarithms of ratios of means."""
        return self.base > 0 and self.ratio == "ratio"

    @cached_property
    def _address_of_rows(self) -> int:
        return self.address(unit=False)

    def is_bounded(self, unit: bool) -> bool:
        """Whether some η have no mean; `unit`: means are restricted to (0, 1)."""
        return not (self.onto_unit if unit else self.whole_line)

    def mean(self, eta) -> np.ndarray:
        """μ for an array of η, shape (n,).

        Parameters
        ----------
        eta : array-like, shape (n,)
            Linear predictors.

        Returns
        -------
        ndarray, shape (n,)
            Means.

        Raises
        ------
        OptionError
            The function of a link of your own cannot be compiled.

        See Also
        --------
        Link.eta : The inverse.

        Examples
        --------
        >>> import math
        >>> import numpy as np
        >>> import numbamm as mm
        >>> log = mm.Link("mylog", forward=np.log, inverse=lambda eta: math.exp(eta), positive=True)
        >>> log.mean([0.0]).tolist()
        [1.0]
        """
        return self._table(row_kernels.DEVIANCE, eta)[row_kernels.MU]

    def slope(self, eta) -> np.ndarray:
        """dμ/dη for an array of η, shape (n,).

        Parameters
        ----------
        eta : array-like, shape (n,)
            Linear predictors.

        Returns
        -------
        ndarray, shape (n,)
            dμ/dη.

        Raises
        ------
        OptionError
            The function of a link of your own cannot be compiled.

        See Also
        --------
        Link.mean

        Examples
        --------
        >>> import math
        >>> import numpy as np
        >>> import numbamm as mm
        >>> log = mm.Link("mylog", forward=np.log, inverse=lambda eta: math.exp(eta), positive=True)
        >>> log.slope([0.0]).tolist()
        [1.0]
        """
        return self._table(row_kernels.WORKING, eta)[row_kernels.D]

    def _table(self, what: int, eta) -> np.ndarray:
        _ = self._address_of_rows  # compiles the kernel, or raises an OptionError
        eta = np.ascontiguousarray(eta, dtype=np.float64)
        table = np.empty((4, len(eta)))
        self.rows(what, eta, table)
        return table

    def eta(self, mu) -> np.ndarray:
        """η at means μ, shape (n,); NaN or infinite where the link does not have such a mean.

        Parameters
        ----------
        mu : array-like, shape (n,)
            Means.

        Returns
        -------
        ndarray, shape (n,)
            Linear predictors; NaN or infinite where the link does not have such a mean.

        See Also
        --------
        Link.mean : The inverse.

        Examples
        --------
        >>> import math
        >>> import numpy as np
        >>> import numbamm as mm
        >>> log = mm.Link("mylog", forward=np.log, inverse=lambda eta: math.exp(eta), positive=True)
        >>> log.eta([0.5]).round(4).tolist()
        [-0.6931]
        """
        with np.errstate(all="ignore"):
            return np.asarray(self.forward(np.asarray(mu, dtype=np.float64)), dtype=np.float64)


LINKS = Registry("numbamm.glm.links", "link", Link)


def _registered(name: str) -> Link:
    """The record of that name, for unpickling."""
    return LINKS[name]


@jit(entry=False)
def safe_exp(x):
    """exp(x), with x restricted to where exp neither overflows nor underflows."""
    return math.exp(min(max(x, -LARGEST), LARGEST))


@jit(entry=False)
def log1mexp(x):
    """log(1 - exp(-x)) for x > 0."""
    return math.log(-math.expm1(-x)) if x < 0.6931 else math.log1p(-math.exp(-x))


def _by_derivatives(derivatives):
    """`Link.logarithms` from the derivatives of μ, for links without tails in (0, 1)."""

    def _logarithms(eta):
        mu, d, d2, d3 = derivatives(eta)
        if not 0.0 < mu < 1.0:
            return np.nan, np.nan, np.nan, np.nan, np.nan, np.nan
        return math.log(mu), math.log1p(-mu), d / mu, d / (1.0 - mu), d2 / d, d3 / d

    return jit(_logarithms)

"""`Family`: the record of a family of distributions; `FAMILIES` finds those of `families/`.

An observation y with prior weight w, mean μ(η), dispersion φ and shape s has

    -2 log f = w d(y, μ) / φ - 2 log f at a perfect fit, μ = y

with the unit deviance d, which is 0 at a perfect fit. Large counts thus lose no digits to a common
constant. The compiled loops need w d, the score -w/2 ∂d/∂η, and the information about η, which the
family's row kernel computes. None of these depends on φ, nor does the mode of the random effects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property, lru_cache
from inspect import signature
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from numbamm.completion import ForUsers
from numbamm.errors import DataError, OptionError
from numbamm.glm import row_kernels
from numbamm.glm.link import Link
from numbamm.glm.logistic import entropies
from numbamm.glm.registry import Registry, packed

if TYPE_CHECKING:
    from numbamm.glm.parts.parameter import Parameter


def _finite(y):
    return np.isfinite(y)


@dataclass(frozen=True, eq=False, repr=False)
class Family(ForUsers):
    """A family of distributions.

    Each function names the arguments that it needs, from these: ``y``, the response; ``mu``, the
    means; ``w``, the prior weights; ``phi``, the dispersion; ``shape``; ``rng``, a numpy
    Generator; ``p``, a probability. All are arrays of shape (n,), or numbers.

    A family of your own needs a name and `logpdf`. Further functions enable further methods:
    `draw` simulation, `variance` Pearson residuals, and so on.

    Attributes
    ----------
    name : str
    logpdf : callable, optional
        Log-density of one response: a function of ``y`` and of ``mu``, or of the linear predictor
        ``eta`` in place of ``mu``. It may take ``w``; without it, its value is multiplied by the
        weight. It may take one more argument, the family's shape, which is positive and
        estimated. Written in plain arithmetic with functions of `math`, it is compiled and
        differentiated automatically.
    link : str or Link
        The default link.
    aliases : tuple of str
        Other names.
    words : str
        The name as tables and messages write it, ``negative binomial`` or ``Poisson``; the name
        itself, if not given.
    canonical : str, optional
        The link with which expected and observed information about η agree.
    support : str
        The support in words, for messages.
    supports : callable
        Whether responses are in the support: a function of ``y``.
    rows : kernel, optional
        The row kernel that the compiled loops call in place of `logpdf`; see `glm.row_kernels`.
    fused : dict
        Name of a link → row kernel for this family with that link, computed from η directly.
    dispersed : bool
        Whether φ is estimated; else it is 1.
    has_shape : bool
        Whether there is a positive parameter besides mean and dispersion; with `logpdf` it is
        derived from the arguments.
    shape_range : tuple of float
        Bounds of the search for the shape.
    proportions : bool
        Responses are proportions of trials.
    counts : bool
        Responses are whole numbers.
    discrete : bool
        Likelihoods are probabilities, not densities.
    normal : bool
        Whether it is the normal distribution, so that the identity link gives a linear model.
    weights : str
        Meaning of prior weights: ``"trials"``, counts of identical ``"rows"``, or ``"precision"``.
    kin : str, optional
        A family of which this one is a special case.
    wider : str, optional
        A family for counts of larger variance, in words for messages.
    limit : str, optional
        The limiting family for an infinite shape.
    includes : str, optional
        A simpler family at an inner point of the range of the last parameter.
    largest : float, optional
        The largest response, if it has a probability of its own beside a density of others.
    concave : tuple of str
        Links with which the log-density is concave in η.
    trigamma : bool
        Whether log y has about the variance ψ'(1/V(1)), which R² by ``"trigamma"`` assumes.
    bounds : tuple of float
        Bounds of the mean that a response can equal; separated responses drive means there.
    means : tuple of float
        Least and greatest mean with which responses can be drawn.
    example : float
        A valid mean.
    inner : callable, optional
        Starting means: a function of ``y`` and ``w``. By default the responses, as far as the
        link allows them.
    moment_shape : callable, optional
        Starting value of the shape: a function of ``y``, ``w`` and the means ``mu`` of the
        limiting family. By default the best shape without random effects.
    variance : callable, optional
        Variance function V in Var(y) = φ V(μ) / w: a function of ``mu`` and ``shape``.
    saturated, saturated_slope : callable
        Log-densities of a perfect fit, and their derivatives in log φ or in the logarithm of the
        shape: functions of ``y``, ``w``, ``shape`` and ``phi``.
    dispersion : callable, optional
        The φ that minimises ``penalised`` / φ - 2 Σ `saturated`: a function of ``w`` and
        ``penalised``. By default ``penalised`` / n.
    entropy : callable, optional
        The part of the log-density that depends on the mean, at the mean ``y``; for families
        whose log-density is linear in the response, so that rows with the same η can be merged.
    draw : callable, optional
        Random responses: a function of ``rng``, ``mu``, ``w``, ``phi`` and ``shape``.
    quantile : callable, optional
        Quantiles of the response: a function of ``p``, ``mu``, ``w``, ``phi`` and ``shape``.
    zero : callable, optional
        The probability of a zero: a function of ``mu``, ``w`` and ``shape``.
    density : function, optional
        The log-density with all constants, in plain arithmetic that jets understand, for models
        with predictors of further parameters: of ``y``, of ``mu``, ``rest`` (1 - μ) or ``eta``,
        perhaps of ``w``, and of the `parameters`. Functions of such families name these, too.
    parameters : tuple of Parameter
        What is estimated besides the mean; the first is what a ``dispersion`` formula models.
    expectation : callable, optional
        The mean of the response, where that is another number than μ.
    cdf : callable, optional
        The distribution function: a function of ``y``, ``mu``, ``w`` and the parameters.
    truncated : str, optional
        The zero-truncated family, for hurdles.
    unit : bool
        Means are in (0, 1).
    positive : bool
        Counts are at least 1.
    dear : bool
        Whether the density of a row is a long sum, so that searches are not repeated at will.
    only_link : bool
        No other link is possible.

    Raises
    ------
    OptionError
        If the name belongs to another family, or `logpdf` takes other arguments.

    See Also
    --------
    Link : Links of your own.
    glmm : Takes one.

    Examples
    --------
    >>> import math
    >>> import numbamm as mm
    >>> def logpdf(y, mu, scale):  # the logistic distribution
    ...     z = math.fabs(y - mu) / scale
    ...     return -z - 2 * math.log1p(math.exp(-z)) - math.log(scale)
    >>> family = mm.Family("logistic", logpdf=logpdf)
    >>> m = mm.glmm("Reaction ~ Days + (1 | Subject)", mm.datasets.load("sleepstudy"), family)
    >>> round(m.shape, 1)
    16.5
    """

    _between_rooms = frozenset(
        """
        addresses barrier best_dispersion by_density checked_shape constant constant_slope deviances
        draws evaluate first_means has_several_parameters informed is_canonical is_concave is_linear
        own quantiles remake table_lines variance_at zeros
        """.split()
    )

    name: str
    _: KW_ONLY
    logpdf: Callable | None = None
    link: str | Link = "identity"
    aliases: tuple[str, ...] = ()
    words: str = ""
    canonical: str | None = None
    support: str = "numbers"
    supports: Callable = _finite
    rows: Any = None
    fused: dict[str, Any] = field(default_factory=dict)
    dispersed: bool = False
    has_shape: bool = False
    shape_range: tuple[float, float] = (1e-40, 1e40)
    proportions: bool = False
    counts: bool = False
    discrete: bool = False
    normal: bool = False
    weights: str = "rows"
    kin: str | None = None
    wider: str | None = None
    limit: str | None = None
    includes: str | None = None
    largest: float | None = None
    concave: tuple[str, ...] = ()
    trigamma: bool = False
    bounds: tuple[float, ...] = ()
    means: tuple[float, float] = (-np.inf, np.inf)
    example: float = 3.0
    inner: Callable | None = None
    moment_shape: Callable | None = None
    variance: Callable | None = None
    saturated: Callable = lambda: np.zeros(1)
    saturated_slope: Callable = lambda: np.zeros(1)
    dispersion: Callable | None = None
    entropy: Callable | None = None
    draw: Callable | None = None
    quantile: Callable | None = None
    zero: Callable | None = None
    density: Callable | None = None
    parameters: tuple[Parameter, ...] = ()
    expectation: Callable | None = None
    cdf: Callable | None = None
    truncated: str | None = None
    unit: bool = False
    positive: bool = False
    only_link: bool = False
    dear: bool = False

    _shape_name = "shape"
    #: The record of which this one has the density, if it is not that itself.
    own = None
    #: What makes it of that one.
    remake = None

    def __str__(self) -> str:
        return self.words or self.name

    def __repr__(self) -> str:
        return f"Family({self.name!r}, link={str(self.link)!r})"

    def __post_init__(self) -> None:
        if self.logpdf is None:
            if self.rows is None and self.density is None:
                raise OptionError(f"the family {self.name} needs a log-density: logpdf=")
            return
        if not isinstance(self.name, str) or not self.name:
            raise OptionError(f"a family has a name, not {self.name!r}")
        for kind in ("rows", "fused", "dispersed", "dispersion", "entropy"):
            if getattr(self, kind):
                raise OptionError(
                    f"{kind} is not for the family {self.name}, which is known by its log-density: "
                    "a dispersion is one more argument of logpdf"
                )
        taken = FAMILIES.get(self.name)
        if taken is not None:
            raise OptionError(f"there is a family {taken} already: give yours another name")
        from numbamm.glm.logpdf import parameter_names  # only users' families need jets

        names = parameter_names(self.name, self.logpdf)
        shape = names[0] if len(names) == 1 else None
        object.__setattr__(self, "has_shape", shape is not None)
        object.__setattr__(self, "_shape_name", shape or "shape")

    def __reduce__(self):
        if self.own is not None:
            return self.remake, (self.own,)
        return (_registered, (self.name,)) if self.logpdf is None else packed(self)

    #: Lines of the table that rows fill themselves, where no link does.
    table_lines = 0
    #: Whether the row kernel leaves informations where it leaves working weights.
    informed = False

    @property
    def by_density(self) -> bool:
        """Whether the family is given by its log-density alone, as users' families are."""
        return self.logpdf is not None

    def is_canonical(self, link: Link) -> bool:
        """Whether expected and observed information about η agree."""
        return link.name == self.canonical

    def is_linear(self, link: Link) -> bool:
        """Whether the model is a linear one."""
        return self.normal and link.linear

    def is_concave(self, link: Link) -> bool:
        """Whether the log-density is concave in η."""
        names = {self.name, self.kin}
        return link.name in self.concave or not names.isdisjoint(link.concave_with)

    @property
    def has_several_parameters(self) -> bool:
        """Whether a log-density of the user's has more than one parameter besides the mean."""
        if self.logpdf is None:
            return False
        from numbamm.glm.logpdf import parameter_names

        return len(parameter_names(self.name, self.logpdf)) > 1

    # ---- rows -----------------------------------------------------------------------------------

    def checked_shape(self, shape) -> float | None:
        """A shape as the user gave it; None if it is to be estimated, or the family has none.

        Raises
        ------
        OptionError
        """
        if shape is None:
            return None
        if not self.has_shape:
            raise OptionError(
                "shape belongs to the negative binomial and other families that have one, not to "
                f"{self}"
            )
        if isinstance(shape, bool) or not isinstance(shape, Real) or not shape > 0:
            raise OptionError(f"shape must be a positive number, not {shape!r}")
        return float(shape)

    def addresses(self, link: Link) -> tuple[int, int]:
        """Addresses of the link's kernel and of the family's; 0 for a link that is built in."""
        fused = self.fused.get(link.name)
        kernel = fused or self.rows or self._density_rows
        what = f"logpdf of the family {self.name}" if self.by_density else ""
        kernel = row_kernels.address_of(kernel, row_kernels.FAMILY, what)
        return 0 if fused else link.address(self.proportions and not self.by_density), kernel

    @cached_property
    def _density_rows(self):
        from numbamm.glm.logpdf import density_rows

        return density_rows(self.name, self.logpdf)

    def barrier(self, link: Link) -> int:
        """Which η are excluded although the link's formula gives a mean; see `glm.row_kernels`."""
        if link.mirrored and self.means[0] >= 0:
            return row_kernels.MIRRORED
        return row_kernels.BEYOND_INFINITY if link.beyond_infinity else row_kernels.NO_BARRIER

    def deviances(self, link: Link, shape: float, y, eta) -> np.ndarray:
        """Unit deviances of rows, shape (n,); NaN where there is no such mean.

        For a family that is given by its density, -2 log f: the value at a perfect fit is unknown.
        """
        out = self.evaluate(row_kernels.DEVIANCE, link, shape, y, np.ones_like(y), eta)
        return out[row_kernels.FIRST]

    def evaluate(self, what: int, link: Link, shape: float, y, w, eta) -> np.ndarray:
        """The lines that the row kernel fills, shape (LINES, n); see `glm.row_kernels`."""
        y, w, eta = (np.ascontiguousarray(a, dtype=np.float64) for a in (y, w, eta))
        out, table = np.zeros((row_kernels.LINES, len(y))), np.empty((6, len(y)))
        rest = entropies(y), float(shape), 0.0, eta, table, self.barrier(link), out
        row_kernels.evaluate_rows(what, *self.addresses(link), y, w, *rest)
        return out

    # ---- what the rows share --------------------------------------------------------------------

    def variance_at(self, mu, shape: float = 1.0):
        """V(μ): Var(y) = φ V(μ) / w.

        Raises
        ------
        OptionError
            If the family has no variance function.
        """
        return self._given(self._known("variance"), mu=mu, shape=shape)

    def constant(self, y, w, shape: float, phi: float) -> float:
        """-2 log-likelihood of a perfect fit: what does not depend on the means."""
        return float(-2 * np.sum(self._given(self.saturated, y=y, w=w, shape=shape, phi=phi)))

    def constant_slope(self, y, w, shape: float, phi: float) -> float:
        """Derivative of `constant` in the logarithm of the shape or of φ; 0 without these."""
        return float(-2 * np.sum(self._given(self.saturated_slope, y=y, w=w, shape=shape, phi=phi)))

    def best_dispersion(self, w, penalised: float) -> float:
        """φ that minimises ``penalised / φ + constant(y, w, shape, φ)``.

        Parameters
        ----------
        w : ndarray, shape (n,)
        penalised : float
            Σ w d + u'u at the mode.

        Returns
        -------
        float
            0 where the rows are fitted perfectly, so that there is no minimum; 1 if φ is fixed.
        """
        if not self.dispersed:
            return 1.0
        if self.dispersion is None:
            return penalised / len(w)
        return self._given(self.dispersion, w=w, penalised=penalised)

    def first_means(self, link: Link, y, w) -> np.ndarray:
        """Means close to the response, and inside the range that the link allows, shape (n,)."""
        if self.inner is not None:
            return self._given(self.inner, y=y, w=w)
        mean = np.average(y, weights=w)
        if link.positive:
            return np.where(y > 0, y, mean)
        return np.where(y * mean > 0, y, mean) if link.turns else y

    # ---- distributions --------------------------------------------------------------------------

    def draws(self, rng, mu, w, phi: float, shape: float | None) -> np.ndarray:
        """Responses with means μ, shape (n,).

        Raises
        ------
        DataError
            If a mean is outside the family's range, which some links do not prevent.
        OptionError
            If the family has no function to draw.
        """
        draw = self._known("draw")
        outside = ~((mu >= self.means[0]) & (mu <= self.means[1]))
        if outside.any():
            raise DataError(
                f"in {outside.sum()} rows the link gives a mean outside the range of the "
                f"{self} family, such as {mu[outside][0]:.6g}: check the parameters, or "
                "choose a link that keeps means in the range"
            )
        return self._given(draw, rng=rng, mu=mu, w=w, phi=phi, shape=shape)

    def quantiles(self, p, mu, w, phi: float = 1.0, shape: float | None = None) -> np.ndarray:
        """Quantiles of responses with means μ, shape (n,)."""
        return self._given(self._known("quantile"), p=p, mu=mu, w=w, phi=phi, shape=shape)

    def zeros(self, mu, w, shape: float | None = None) -> np.ndarray:
        """Probabilities of a zero, shape (n,)."""
        return self._given(self._known("zero"), mu=mu, w=w, shape=shape)

    def _given(self, function, **known):
        """Call a function with the arguments that it names."""
        if isinstance(known.get("shape"), Mapping):  # parameters by their names
            known |= known.pop("shape")
        else:
            known[self._shape_name] = known.get("shape")  # the user's own name for the shape
        try:
            given = {name: known[name] for name in _arguments(function)}
        except KeyError as error:
            raise OptionError(
                f"a function of the family {self.name} takes {error}, which is none of "
                f"{', '.join(known)}"
            ) from None
        return function(**given)

    def _known(self, what: str) -> Callable:
        function = getattr(self, what)
        if function is None:
            raise OptionError(
                f"the family {self.name} does not say what its {what} is: give Family(..., "
                f"{what}=) a function"
            )
        return function


@lru_cache
def _arguments(function) -> tuple[str, ...]:
    return tuple(signature(function).parameters)


FAMILIES = Registry("numbamm.glm.families", "family", Family)


def _registered(name: str) -> Family:
    """The record of that name, for pickles."""
    return FAMILIES[name]


#: Attributes that families of counts share.
COUNTS: dict[str, Any] = {
    "support": "counts of at least 0",
    "supports": lambda y: y >= 0,
    "counts": True,
    "discrete": True,
    "bounds": (0.0,),
    "means": (0.0, 1e18),  # whole numbers of 64 bits
    "inner": lambda y: y + 0.1,
}
#: Attributes that families of positive responses with a dispersion share.
SIZES: dict[str, Any] = {
    "support": "values above 0",
    "supports": lambda y: y > 0,
    "dispersed": True,
    "weights": "precision",
    "means": (float(np.finfo(np.float64).tiny), float(np.finfo(np.float64).max)),
}

"""`OptSummary`: how an optimisation is to be done, and how it went.

The file is long by docstrings: fields and methods of a class have no other place for their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from numbamm import config
from numbamm.completion import ForUsers
from numbamm.elsewhere import option_hint
from numbamm.errors import NotFittedError, OptionError, shown
from numbamm.optimize import display
from numbamm.optimize.auto import AUTO
from numbamm.optimize.plain import from_plain, to_plain
from numbamm.report.content import Report
from numbamm.report.tabular import Tabular

if TYPE_CHECKING:
    import pandas as pd

#: A parameter closer to its bound than this takes its first step as if it were at the bound.
NEAR_BOUND = 1e-3


def default_step(x: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """A first step for each parameter: 0.75 of the way to its nearest bound, 1 without one.

    A parameter at its bound can only leave it, with a step of 1.

    Parameters
    ----------
    x, lower, upper
        The start and its bounds, shape (n,).

    Returns
    -------
    ndarray, shape (n,)
    """
    below, above = x - lower, upper - x
    below[below < NEAR_BOUND] = above[above < NEAR_BOUND] = np.inf
    nearest = np.minimum(below, above)
    return np.where(np.isinf(nearest), 1.0, 0.75 * nearest)


class _InitialStep:
    """The field ``initial_step``: until it is set, it follows ``initial`` and the bounds."""

    def __get__(self, optsum: OptSummary | None, owner: type) -> np.ndarray | None:
        if optsum is None:
            return None  # `dataclass` looks here for the field's default
        own = vars(optsum)["_initial_step"]
        return default_step(optsum.initial, optsum.lowerbd, optsum.upperbd) if own is None else own

    def __set__(self, optsum: OptSummary, value: np.ndarray | None) -> None:
        vars(optsum)["_initial_step"] = value


class _GradientNorm:
    """The field ``gradient_norm``, which may be set to a function that works it out when asked.

    A search need not end with a gradient, and on large models one costs as much as two evaluations.
    Until somebody asks, the function holds on to what it needs, maybe all of a model's arrays.
    """

    def __get__(self, optsum: OptSummary | None, owner: type) -> float | None:
        if optsum is None:
            return None
        value = vars(optsum)["_gradient_norm"]  # looked up once: another thread may ask, too
        if callable(value):
            value = vars(optsum)["_gradient_norm"] = value()
        return value

    def __set__(self, optsum: OptSummary, value: float | Callable[[], float] | None) -> None:
        vars(optsum)["_gradient_norm"] = value


@dataclass(init=False, repr=False, eq=False)
class OptSummary(Tabular, ForUsers):
    """Options of an optimisation, and its outcome.

    Every field can be set until the fit begins, which checks them. A field that does not exist
    is an `OptionError` at once. Until then options that nobody assigned are as configured.

    Parameters
    ----------
    initial
        Where the search starts, shape (n,).
    lowerbd
        Lower bounds, shape (n,), -inf where there is none.
    names
        Names of the parameters; ``theta1``, ``theta2``, ... by default.
    **options
        Any other field by its name.

    Attributes
    ----------
    initial, lowerbd : ndarray, shape (n,)
        As given.
    upperbd : ndarray, shape (n,)
        Upper bounds; inf by default. A parameter whose bounds are equal stays where it is.
    names : list of str
        Names of the parameters.
    optimizer : str
        ``"backend:ALGORITHM"``, one of `numbamm.optimize.available`.
    ftol_rel, ftol_abs : float
        Stop when the objective changes by less, relative to itself or in its own units.
    xtol_rel : float
        Stop when the parameters change by less, relative to themselves.
    xtol_abs : float or ndarray, shape (n,)
        The same in the parameters' own units.
    initial_step : ndarray, shape (n,)
        First step of each parameter; by default 0.75 of the distance from `initial` to the
        nearest bound, 1 where there is none. None brings the default back.
    maxfeval : int
        Most evaluations of the objective, 100,000 by default; -1 for no limit. Whatever the
        limit, a run of an optimiser ends when 1,000 evaluations, and 100 more for each
        parameter, have lowered the objective by no more than 0.001, or `ftol_abs`.
    maxtime : float
        Most seconds; -1 for no limit.
    max_restarts : int or None
        How often a search that has ended is begun again at its best point, with smaller steps,
        as long as that gains something. None, the default: up to 10 times with more than three
        parameters, where derivative-free methods stop short, and never with fewer.
    xtol_zero_abs : float
        A parameter with lower bound 0 that ends nearer to 0 than this is tried at 0.
    ftol_zero_abs : float
        By how much the objective may rise for that; after searches by derivatives, which do not
        creep towards bounds, by 1e-7 at most.
    nagq : int
        Number of quadrature points of a generalized model.
    fast : bool or None
        Whether the coefficients of a generalized model vary in PIRLS; None where that is
        neither known nor asked.
    reml : bool
        Whether the objective is the REML criterion.
    sigma : float or None
        The residual standard deviation, where it is given and not estimated.
    finitial : float or None
        Objective at `initial`; None before the fit, as `final`, `fmin` and `returnvalue`.
    final : ndarray or None, shape (n,)
        The best parameters.
    fmin : float or None
        Objective at `final`.
    feval : int
        Evaluations by the optimiser, the first at `initial`.
    restarts : int
        How often the search went on from its end: with smaller steps, or from near an end that
        was no minimum.
    elapsed : float or None
        Seconds that the search took, of a generalized model all of its stages.
    returnvalue : str or None
        The optimiser's return code, or ``"MAXEVAL_REACHED"``, ``"MAXTIME_REACHED"``,
        ``"NO_PROGRESS"``, ``"INTERRUPTED"``, ``"NO_FREE_PARAMETERS"``.
    chosen, reason : str or None
        Which optimiser was used where `optimizer` is ``"auto"``, and why.
    tail_kind, tail_reason : str or None
        How a linear model holds the random effects that are not eliminated level by level, and
        why; see `LinearMixedModel.block_description`.
    probes, seed : int or None
        Number of random probes of an approximate fit, and what they were drawn from.
    objective_error, final_error : float and ndarray, or None
        Monte-Carlo standard errors of `fmin` and `final` in such a fit.
    gradient_norm : float or None
        Length of the gradient at `final`, where the optimiser used gradients.
    certificate : float or None
        Of a singular fit, where the model can tell: the least slope of the objective in the
        directions of covariance that the fit lacks, relative to the largest in any. Not negative
        at a local minimum; clearly negative at what is none. None if the fit is not singular.
    log : list of (ndarray, float)
        Parameters and objective of each evaluation, NaN or infinite where it failed.
        `fitlog` shows them as a frame.
    used : str
        Name of the optimiser that was used, or will be: ``"auto"`` stands for none yet.

    Raises
    ------
    OptionError
        An option of that name does not exist.

    See Also
    --------
    optimize.available : The names of optimisers.
    check_convergence : What to make of the end of a search.

    Examples
    --------
    >>> import numbamm as mm
    >>> sleep = mm.datasets.load("sleepstudy")
    >>> m = mm.LinearMixedModel("Reaction ~ Days + (Days | Subject)", sleep)
    >>> m.optsum.optimizer = "nlopt:LN_BOBYQA"
    >>> m.fit().optsum.fmin == m.objective
    True
    """

    _between_rooms = frozenset(
        {"adopt", "configure", "is_limited", "loose_tolerances", "own_initial_step"}
    )

    initial: np.ndarray
    lowerbd: np.ndarray
    names: list[str]
    upperbd: np.ndarray
    optimizer: str
    ftol_rel: float
    ftol_abs: float
    xtol_rel: float
    xtol_abs: float | np.ndarray
    maxfeval: int
    maxtime: float
    max_restarts: int | None
    xtol_zero_abs: float
    ftol_zero_abs: float
    initial_step: np.ndarray = _InitialStep()
    nagq: int = 1
    fast: bool | None = None
    reml: bool = False
    sigma: float | None = None
    # What is None until a fit is annotated by what it is after one.
    finitial: float = None
    final: np.ndarray = None
    fmin: float = None
    feval: int = 0
    restarts: int = 0
    elapsed: float = None
    returnvalue: str = None
    chosen: str | None = None
    reason: str | None = None
    tail_kind: str | None = None
    tail_reason: str | None = None
    probes: int | None = None
    seed: int | None = None
    objective_error: float | None = None
    final_error: np.ndarray | None = None
    gradient_norm: float | None = _GradientNorm()
    certificate: float | None = None
    log: list[tuple[np.ndarray, float]] = field(default_factory=list)

    def __init__(self, initial, lowerbd, names=None, **options):
        vars(self)["_assigned"] = frozenset()
        self.initial = initial
        self.lowerbd = lowerbd
        n = len(self.initial)
        if names is not None and not isinstance(names, Iterable):
            raise OptionError(f"names must be a list of names, not {shown(names)}")
        self.names = [f"theta{i + 1}" for i in range(n)] if names is None else list(names)
        self.upperbd = np.full(n, np.inf)
        self.initial_step = self.gradient_norm = None
        self.log = []
        for name, value in options.items():
            setattr(self, name, value)

    def __getattr__(self, name: str) -> Any:
        if name not in _CONFIGURED:
            raise AttributeError(f"OptSummary has no option {name!r}")
        return config.get(name)  # no fit has begun yet

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_CONFIGURED})  # also those that nobody assigned yet

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _FIELDS:
            raise OptionError(f"OptSummary has no option {name!r}{option_hint(name, _FIELDS)}")
        if name in ("initial", "lowerbd", "upperbd") and value is None:
            raise OptionError(f"{name} must have a number for each parameter, not be None")
        if name == "optimizer" and not isinstance(value, str | None):
            raise OptionError(f"optimizer must be a name, not {value!r}")
        if name in _VECTORS and value is not None:
            value = _as_vector(name, value)
        if isinstance(value, np.generic):
            value = value.item()
        if name in _CONFIGURED:
            vars(self)["_assigned"] = self._assigned - {name} | (
                {name} if value is not None else set()
            )
            value = config.get(name) if value is None else value
        object.__setattr__(self, name, value)

    def __getstate__(self) -> dict:
        _ = self.gradient_norm  # copies hold a number, not what asks a model that may change
        return vars(self)

    def adopt(self, other: OptSummary) -> None:
        """Take over what was assigned in another summary, and not left to be configured."""
        for name in other._assigned:
            setattr(self, name, getattr(other, name))

    def configure(self) -> None:
        """Give every option that nobody assigned the value configured here and now.

        A fit does so when it begins; see `numbamm.config`.

        Raises
        ------
        OptionError
            The configuration has an unknown key or an unusable value.
        """
        settled = config.resolved()
        for name in _CONFIGURED - self._assigned:
            object.__setattr__(self, name, settled[name][0])

    @property
    def used(self) -> str:
        """Name of the optimiser that was used, or will be: ``"auto"`` stands for none yet."""
        return self.chosen if self.optimizer == AUTO and self.chosen else self.optimizer

    @property
    def is_limited(self) -> bool:
        """Whether evaluations or time are limited by more than the default."""
        usual = config.OPTIONS["maxfeval"].default
        return self.maxtime != -1 or not (self.maxfeval == -1 or self.maxfeval >= usual)

    @property
    def loose_tolerances(self) -> dict[str, float]:
        """Tolerances of the search that are larger than the defaults, whoever made them so."""
        found = {}
        for name in ("ftol_rel", "ftol_abs", "xtol_rel", "xtol_abs"):
            value = float(np.max(getattr(self, name)))
            if value > 10 * config.OPTIONS[name].default:
                found[name] = value
        return found

    @property
    def own_initial_step(self) -> np.ndarray | None:
        """`initial_step` where it was set; None where it follows `initial` and the bounds."""
        return vars(self)["_initial_step"]

    @property
    def fitlog(self) -> pd.DataFrame:
        """The evaluations in their order: ``objective``, then a column for each parameter.

        See Also
        --------
        OptSummary.plot : Draws them.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
        >>> m.optsum.fitlog.columns.to_list()
        ['objective', 'Batch.Intercept']
        """
        import pandas as pd

        parameters = np.array([x for x, _ in self.log]).reshape(-1, len(self.names))
        frame = pd.DataFrame(parameters, columns=self.names)
        frame.insert(0, "objective", [f for _, f in self.log])
        return frame

    def plot(self, *, axes=None) -> np.ndarray:
        """Draw the objective and the parameters of each evaluation.

        Parameters
        ----------
        axes : sequence of two matplotlib Axes, optional
            Where to draw; a new figure, if not given.

        Returns
        -------
        ndarray of matplotlib Axes, shape (2,)
            By how much the objective exceeds the lowest one, on a logarithmic axis; and the
            parameters.

        Raises
        ------
        NotFittedError
            Before a fit.
        OptionError
            matplotlib is not installed.

        See Also
        --------
        OptSummary : Its `fitlog` has the numbers.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
        >>> len(m.optsum.plot()[0].get_lines()[0].get_xdata()) == len(m.optsum.fitlog)
        True
        """
        from numbamm.report.plots.search_path import search_path

        if not self.log:
            raise NotFittedError("nothing has been optimised yet: call fit() first")
        return search_path(self.fitlog, axes)

    def validate(self) -> None:
        """Check every option, as a fit does when it begins.

        Raises
        ------
        OptionError
            An option has an unusable value; the message names it.

        See Also
        --------
        OptSummary : The options.

        Examples
        --------
        >>> import numbamm as mm
        >>> optsum = mm.OptSummary([1.0], [0.0], maxfeval=0)
        >>> try:
        ...     optsum.validate()
        ... except mm.OptionError as error:
        ...     print(error)
        maxfeval must be a positive integer, or -1 for no limit, not 0
        """
        for name, fits, words in _CHECKS:
            if name == "initial_step" and self.own_initial_step is None:
                continue  # it follows from what has been checked
            value = getattr(self, name)
            if not fits(self, value):
                each = f" ({', '.join(self.names)})" if fits is _one_each else ""
                raise OptionError(f"{name} must be {words}{each}, not {value!r}")

    def to_dict(self) -> dict[str, Any]:
        """Options and outcome as strict JSON can hold them, with the version of the format.

        Arrays are lists; NaN and infinity are the strings ``"nan"``, ``"inf"`` and ``"-inf"``.

        Returns
        -------
        dict
            ``version``, every field, and ``assigned``: the options that do not follow the
            configuration.

        See Also
        --------
        OptSummary.from_dict : The inverse.
        LinearMixedModel.save : Writes it into a file.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
        >>> m.optsum.to_dict()["names"]
        ['Batch.Intercept']
        """
        return to_plain(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> OptSummary:
        """The `OptSummary` of which `to_dict` made `values`.

        Parameters
        ----------
        values : mapping
            What `to_dict` returned, or what JSON made of it.

        Returns
        -------
        OptSummary

        Raises
        ------
        OptionError
            `values` are of another version, lack a field, or hold an unusable value.

        See Also
        --------
        OptSummary.to_dict

        Examples
        --------
        >>> import json
        >>> import numbamm as mm
        >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
        >>> again = mm.OptSummary.from_dict(json.loads(json.dumps(m.optsum.to_dict())))
        >>> again.fmin == m.objective
        True
        """
        return from_plain(cls, values)

    def to_frame(self) -> pd.DataFrame:
        """Options and outcome, a row each, without the log of the evaluations.

        Returns
        -------
        pandas.DataFrame
            One column, ``value``; the index has the names of the fields.

        See Also
        --------
        OptSummary : Its `fitlog` has the evaluations.

        Examples
        --------
        >>> import numbamm as mm
        >>> m = mm.lmm("Yield ~ 1 + (1 | Batch)", mm.datasets.load("Dyestuff"))
        >>> m.optsum.to_frame().loc["returnvalue", "value"]
        'CONVERGED'
        """
        import pandas as pd

        names = pd.Index([name for name in _FIELDS if name != "log"], name="option")
        values = np.empty(len(names), dtype=object)  # some are arrays
        values[:] = [getattr(self, name) for name in names]
        return pd.DataFrame({"value": values}, index=names)

    def _report(self) -> Report:
        return display.as_report(self)

    def __repr__(self) -> str:
        return display.as_text(self)


_FIELDS = {f.name: f for f in fields(OptSummary)}
_CONFIGURED = config.OPTIONS.keys() & _FIELDS.keys()
_VECTORS = {"initial", "lowerbd", "upperbd", "initial_step", "final", "final_error"}


def _as_vector(name: str, value: Any) -> np.ndarray:
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise OptionError(f"{name} must be numbers, not {value!r}") from error
    if array.ndim != 1:
        raise OptionError(f"{name} must have one number for each parameter, not {value!r}")
    return array


def _one_each(optsum: OptSummary, value) -> bool:
    return len(value) == len(optsum.names)


def _tolerances(optsum: OptSummary, value) -> bool:
    fits = config.OPTIONS["xtol_abs"].fits
    return (
        fits(value) if np.ndim(value) == 0 else _one_each(optsum, value) and all(map(fits, value))
    )


def _as_configured(option: config.Option):
    return lambda _, value: (value is None and option.default is None) or option.fits(value)


def _integer_from(least: int):
    return lambda _, value: isinstance(value, Integral) and value >= least


#: Field, what its value must satisfy, and the same in words. Lengths come before values.
_CHECKS = [
    *((f, _one_each, "one number for each parameter") for f in ("initial", "lowerbd", "upperbd")),
    ("initial", lambda _, v: np.isfinite(v).all(), "finite"),
    ("upperbd", lambda s, v: (s.lowerbd <= v).all(), "at least lowerbd"),
    ("initial", lambda s, v: ((s.lowerbd <= v) & (v <= s.upperbd)).all(), "within the bounds"),
    ("initial_step", _one_each, "one number for each parameter"),
    ("initial_step", lambda _, v: (np.isfinite(v) & (v > 0)).all(), "positive and finite"),
    ("xtol_abs", _tolerances, f"{config.OPTIONS['xtol_abs'].words}, or one for each parameter"),
    *(
        (name, _as_configured(config.OPTIONS[name]), config.OPTIONS[name].words)
        for name in config.OPTIONS
        if name in _CONFIGURED and name != "xtol_abs"
    ),
    ("nagq", _integer_from(1), "an integer of at least 1"),
    ("fast", lambda _, v: v is None or isinstance(v, bool | np.bool_), "True, False or None"),
    ("reml", lambda _, v: isinstance(v, bool | np.bool_), "True or False"),
    (
        "sigma",
        lambda _, v: v is None or (isinstance(v, Real) and 0 < v < math.inf),
        "a positive number, or None where it is estimated",
    ),
]

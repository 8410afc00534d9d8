"""Configuration: options by file, environment, call and context, and where each came from.

Options of the fit can be set without touching a model's code. Later lines win:

1. the defaults;
2. a TOML file: ``numbamm.toml``, or the table ``[tool.numbamm]`` of ``pyproject.toml``. The first
   one found counts, looking in the working directory and then in its parents, one after the
   other; in a folder that has both, ``numbamm.toml`` does. Files are read once for each working
   directory; `reload` reads them again;
3. the environment: ``NUMBAMM_OPTIMIZER``, ``NUMBAMM_MAXFEVAL``, ... ``NUMBAMM_`` and a key;
4. `set`, for the whole process;
5. `context`, for the code inside a ``with`` block: not for other threads and tasks;
6. arguments of the call, and what is assigned to a model's ``optsum``.

``formula_code``, which lets formulas be programs, is not taken from files.

New threads and processes do not know the contexts of the code that starts them; `carry` wraps a
function so that it takes its caller's configuration along.

>>> import numbamm as mm
>>> with mm.config.context(optimizer="nlopt:LN_NELDERMEAD"):
...     mm.config.get("optimizer")
'nlopt:LN_NELDERMEAD'

The file is long by the table of options and the docstrings of public functions.
"""

from __future__ import annotations

import functools
import math
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from types import MappingProxyType
from typing import Any, ParamSpec, TypeVar

from numbamm.elsewhere import option_hint
from numbamm.errors import OptionError, did_you_mean

P = ParamSpec("P")
R = TypeVar("R")

__all__ = [
    "DDF",
    "OPTIONS",
    "Option",
    "carry",
    "context",
    "get",
    "reload",
    "resolved",
    "set",
    "show",
]


def __dir__() -> list[str]:
    return sorted(__all__)  # a module's names would include what it imports


PREFIX = "NUMBAMM_"

#: Methods of degrees of freedom. ``"auto"``: Wald's tests for coefficients, Satterthwaite's for
#: `anova`, `contrast` and `emmeans` of linear models. Others are for all of these.
DDF = ("auto", "wald", "satterthwaite", "kenward-roger", "kenward-roger-observed")


@dataclass(frozen=True)
class Option:
    """What may be configured under one key.

    Attributes
    ----------
    default
        The value where nothing is configured; None where numbamm decides case by case.
    read : callable
        Makes a value of a string from the environment; raises ValueError if it cannot.
    fits : callable
        Whether a value can be used.
    words : str
        What fits, in words.
    in_files : bool
        Whether a file may set it: one that is found by search may come from anybody.

    See Also
    --------
    resolved : Values, and where they come from.

    Examples
    --------
    >>> import numbamm as mm
    >>> mm.config.OPTIONS["maxtime"].words
    'a positive number of seconds, or -1 for no limit'
    """

    default: Any
    read: Callable[[str], Any]
    fits: Callable[[Any], bool]
    words: str
    in_files: bool = True


def _is_number(value: Any, kind: type = Real) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _tolerance(default: float) -> Option:
    return Option(
        default,
        float,
        lambda v: _is_number(v) and 0 <= v < math.inf,
        "a finite number of at least 0",
    )


def _read_bool(text: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if text.strip().lower() not in words:
        raise ValueError(text)
    return words[text.strip().lower()]


#: Each probe is a column of the order of the tail: more would take memory for hardly less error.
MOST_PROBES = 10_000

OPTIONS: dict[str, Option] = {
    "optimizer": Option(
        "auto",
        str,
        lambda v: isinstance(v, str) and bool(v),
        "'auto', or the name of an optimiser, such as 'nlopt:LN_BOBYQA'",
    ),
    "ftol_rel": _tolerance(1e-12),
    "ftol_abs": _tolerance(1e-8),
    "xtol_rel": _tolerance(0.0),
    "xtol_abs": _tolerance(1e-10),
    "maxfeval": Option(
        100_000,
        int,
        lambda v: _is_number(v, Integral) and (v > 0 or v == -1),
        "a positive integer, or -1 for no limit",
    ),
    "maxtime": Option(
        -1.0,
        float,
        lambda v: _is_number(v) and (v > 0 or v == -1),
        "a positive number of seconds, or -1 for no limit",
    ),
    "max_restarts": Option(
        None, int, lambda v: _is_number(v, Integral) and v >= 0, "an integer of at least 0"
    ),
    "xtol_zero_abs": _tolerance(1e-3),
    "ftol_zero_abs": _tolerance(1e-5),
    "threads": Option(
        1, int, lambda v: _is_number(v, Integral) and v > 0, "a positive number of BLAS threads"
    ),
    "compile_processes": Option(
        None,
        int,
        lambda v: _is_number(v, Integral) and v > 0,
        "a positive number of processes that compile kernels for their first use",
    ),
    "formula_code": Option(
        "columns",
        str,
        lambda v: v in ("columns", "full"),
        "'columns', for expressions over columns, or 'full', for all of Python in formulas",
        in_files=False,
    ),
    "ddf": Option(
        "auto",
        str,
        lambda v: v in DDF,
        f"one of {', '.join(DDF)}: the degrees of freedom of tests and intervals",
    ),
    "tail": Option(
        "auto",
        str,
        lambda v: isinstance(v, str) and bool(v),
        "'auto', or the name of a way to hold the tail: 'dense', 'sparse' or 'iterative'",
    ),
    "probes": Option(
        None,
        int,
        lambda v: _is_number(v, Integral) and 2 <= v <= MOST_PROBES,
        f"an integer from 2 to {MOST_PROBES}: the random probes of an iterative tail",
    ),
    "progress": Option(None, _read_bool, lambda v: isinstance(v, bool), "true or false"),
}

_process: dict[str, Any] = {}
_context: ContextVar[Mapping[str, Any]] = ContextVar("numbamm.config", default=MappingProxyType({}))


# ---- the layers ---------------------------------------------------------------------------


def _checked(values: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """The values, once every key is known and every value fits."""
    for key, value in values.items():
        if key not in OPTIONS:
            raise OptionError(f"{origin}: unknown key {key!r}{option_hint(key, OPTIONS)}")
        if not OPTIONS[key].fits(value):
            raise OptionError(f"{origin}: {key} must be {OPTIONS[key].words}, not {value!r}")
    return dict(values)


def _of_environment() -> Iterator[tuple[str, Any, str]]:
    """Key, value and variable for everything that the environment configures."""
    for variable in [name for name in os.environ if name.startswith(PREFIX)]:
        key = variable[len(PREFIX) :].lower()
        if key not in OPTIONS:
            near = did_you_mean(variable, [PREFIX + name.upper() for name in OPTIONS])
            raise OptionError(f"environment {variable}: no such option{near}")
        yield key, _of_variable(variable, key), f"environment {variable}"


def _of_variable(variable: str, key: str) -> Any:
    """The value of an option that a variable of the environment gives."""
    try:
        value = OPTIONS[key].read(os.environ[variable])
    except ValueError:
        value = os.environ[variable]  # which does not fit, and is named as it stands
    return _checked({key: value}, f"environment {variable}")[key]


@functools.cache
def _of_file(folder: str) -> tuple[dict[str, Any], str]:
    """What the first TOML file from `folder` upwards configures, and that file's name."""
    for parent in [Path(folder), *Path(folder).parents]:
        for name, table in [("numbamm.toml", ()), ("pyproject.toml", ("tool", "numbamm"))]:
            path = parent / name
            if not path.is_file():
                continue
            values = _table(path, table)
            if values is not None:
                return _allowed_in_files(_checked(values, str(path)), path), str(path)
    return {}, ""


def _allowed_in_files(values: dict[str, Any], path: Path) -> dict[str, Any]:
    for key in values:
        if not OPTIONS[key].in_files:
            raise OptionError(
                f"{path}: {key} cannot be set by a file: use config.set, config.context or the "
                f"environment, {PREFIX}{key.upper()}"
            )
    return values


def _table(path: Path, names: tuple[str, ...]) -> dict[str, Any] | None:
    """A table of a TOML file; None if the file has no such table."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        if names:  # a broken pyproject.toml is its own tools' business
            return None
        raise OptionError(f"{path} is not valid TOML in UTF-8: {error}") from error
    for name in names:
        found = found.get(name)
        if not isinstance(found, dict):
            return None
    return found


def _working_directory() -> str:
    """The working directory; the root of the file system, which has no parents, if it is gone."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return os.sep


def resolved() -> dict[str, tuple[Any, str]]:
    """Value and origin of every option, as they hold here and now.

    Returns
    -------
    dict of str to (value, str)
        By name; the origin is ``"default"``, a file, a variable, or the call that set the value.

    Raises
    ------
    OptionError
        A file or a variable has an unknown key or an unusable value; the message names it.

    See Also
    --------
    show : Prints them.

    Examples
    --------
    >>> import numbamm as mm
    >>> mm.config.resolved()["maxfeval"]
    (100000, 'default')
    """
    values = {key: (option.default, "default") for key, option in OPTIONS.items()}
    in_file, path = _of_file(_working_directory())
    values |= {key: (value, path) for key, value in in_file.items()}
    values |= {key: (value, origin) for key, value, origin in _of_environment()}
    values |= {key: (value, "config.set") for key, value in _process.items()}
    values |= {key: (value, "config.context") for key, value in _context.get().items()}
    return values


# ---- what users call ----------------------------------------------------------------------


def get(key: str) -> Any:
    """The value of an option as it holds here and now.

    Parameters
    ----------
    key : str
        Name of the option, such as ``"maxfeval"``; `show` prints all.

    Returns
    -------
    object
        Its value.

    Raises
    ------
    OptionError
        There is no such option, or its variable or the file has an unusable value. Mistakes in
        other variables are reported by the next fit, which reads them all.

    See Also
    --------
    resolved : All options.
    set, context : Change them.

    Examples
    --------
    >>> import numbamm as mm
    >>> mm.config.get("maxfeval")
    100000
    """
    if not isinstance(key, str) or key not in OPTIONS:
        raise OptionError(f"config.get: unknown key {key!r}{option_hint(key, OPTIONS)}")
    for layer in (_context.get(), _process):
        if key in layer:
            return layer[key]
    if (variable := PREFIX + key.upper()) in os.environ:
        return _of_variable(variable, key)
    return _of_file(_working_directory())[0].get(key, OPTIONS[key].default)


def set(**values: Any) -> None:
    """Set options for the whole process; None takes back what was set.

    Parameters
    ----------
    **values
        Values of options by name.

    Raises
    ------
    OptionError
        An option is unknown or its value unusable; nothing is changed then.

    See Also
    --------
    context : For a block of code.

    Examples
    --------
    >>> import numbamm as mm
    >>> mm.config.set(maxtime=60.0)
    >>> mm.config.get("maxtime")
    60.0
    >>> mm.config.set(maxtime=-1.0)
    """
    given = {key: value for key, value in values.items() if value is not None or key not in OPTIONS}
    given = _checked(given, "config.set")
    for key in values:
        _process.pop(key, None)
    _process.update(given)


@contextmanager
def context(**values: Any) -> Iterator[None]:
    """Set options for the code inside a ``with`` block, in this thread or task alone.

    Parameters
    ----------
    **values
        Values of options by name.

    Returns
    -------
    context manager
        For a ``with`` statement; nothing comes after ``as``.

    Raises
    ------
    OptionError
        An option is unknown or its value unusable.

    See Also
    --------
    set : For the process.
    carry : For other threads.

    Examples
    --------
    >>> import numbamm as mm
    >>> with mm.config.context(maxtime=60.0):
    ...     mm.config.get("maxtime")
    60.0
    """
    token = _context.set({**_context.get(), **_checked(values, "config.context")})
    try:
        yield
    finally:
        _context.reset(token)


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """The function, taking the configuration of the code that calls `carry` along.

    Wrap what a pool of threads or processes is to call: ``pool.map(mm.config.carry(f), items)``.
    The result can be pickled where the function can.

    Parameters
    ----------
    function : callable
        What is to be called elsewhere.

    Returns
    -------
    callable
        With the same arguments and result.

    Raises
    ------
    OptionError
        A file or a variable has an unknown key or an unusable value; the message names it.

    See Also
    --------
    context

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> import numbamm as mm
    >>> with mm.config.context(maxtime=60.0), ThreadPoolExecutor(1) as pool:
    ...     pool.submit(mm.config.carry(mm.config.get), "maxtime").result()
    60.0
    """
    settled = {key: value for key, (value, origin) in resolved().items() if origin != "default"}
    return functools.partial(_call_in, settled, function)


def _call_in(settled: Mapping[str, Any], function: Callable, *args: Any, **kwargs: Any) -> Any:
    with context(**settled):
        return function(*args, **kwargs)


def reload() -> None:
    """Forget the TOML files that were read; they are read again when they are needed.

    See Also
    --------
    resolved

    Examples
    --------
    >>> import numbamm as mm
    >>> mm.config.reload()
    """
    _of_file.cache_clear()


def show() -> None:
    """Print every option with its value and where that came from.

    Raises
    ------
    OptionError
        A file or a variable has an unknown key or an unusable value; the message names it.

    See Also
    --------
    resolved : As a dict.

    Examples
    --------
    >>> import numbamm as mm
    >>> mm.config.show()  # doctest: +ELLIPSIS
    optimizer          auto       default
    ftol_rel           1e-12      default
    ...
    """
    rows = [
        (key, "automatic" if value is None else str(value), origin)
        for key, (value, origin) in resolved().items()
    ]
    widths = [max(len(row[j]) for row in rows) for j in range(2)]
    for key, value, origin in rows:
        print(f"{key:<{widths[0]}}  {value:<{widths[1]}}  {origin}")

"""The optimisers that there are: plug-ins by entry point or `register`, algorithms by name."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pkgutil import iter_modules
from typing import NamedTuple

from numbamm.elsewhere import value_hint
from numbamm.errors import OptionError, shown, warn
from numbamm.optimize.nearest import by_likeness
from numbamm.optimize.protocol import Algorithm, Backend

GROUP = "numbamm.optimizers"
#: How the names of files end that hold a backend, in a package that an entry point names.
FILE = "_backend"
_MEMBERS = ("library", "algorithms", "minimize")

_backends: dict[str, Backend] = {}


class Optimizer(NamedTuple):
    """An algorithm of a backend, found by name.

    Attributes
    ----------
    backend_name : str
        What stands before the colon.
    backend : Backend
        The library.
    algorithm : str
        Its name there.
    traits : Algorithm
        What is known of it.
    name : str
        The full name, ``"backend:ALGORITHM"``; or one word, if the two are the same.

    See Also
    --------
    resolve : Finds one.

    Examples
    --------
    >>> import numbamm as mm
    >>> found = mm.optimize.resolve("nlopt:LN_BOBYQA")
    >>> found.algorithm, found.traits.gradient
    ('LN_BOBYQA', 'none')
    """

    backend_name: str
    backend: Backend
    algorithm: str
    traits: Algorithm

    @property
    def name(self) -> str:
        """The full name, ``"backend:ALGORITHM"``; or one word, if the two are the same."""
        if self.backend_name == self.algorithm:
            return self.algorithm
        return f"{self.backend_name}:{self.algorithm}"


def register(name: str, backend: Backend | type[Backend]) -> None:
    """Make a backend's algorithms available as ``"name:ALGORITHM"``.

    A backend of the same name, registered before or installed, is replaced.

    Parameters
    ----------
    name
        What stands before the colon.
    backend
        An object that follows `numbamm.optimize.Backend`, or a class that makes one when it is
        called without arguments.

    Raises
    ------
    OptionError
        The name has a colon or is empty, or the object does not follow the protocol.

    See Also
    --------
    Backend : What a backend is.

    Examples
    --------
    >>> import numbamm as mm
    >>> class Lazy:
    ...     library = "lazy 1.0"
    ...     algorithms = {"STAY": mm.optimize.Algorithm()}
    ...
    ...     def minimize(self, problem, algorithm):
    ...         problem.objective(problem.x0)
    ...         return "STAYED"
    >>> mm.optimize.register("lazy", Lazy)
    >>> mm.optimize.resolve("lazy:STAY").backend.library
    'lazy 1.0'
    """
    if not isinstance(name, str) or not name or ":" in name:
        raise OptionError(f"a backend's name cannot be {shown(name)}: it stands before a colon")
    _backends[name] = _checked(name, backend() if isinstance(backend, type) else backend)


def available() -> list[str]:
    """Full names of the optimisers that can be used: ``["nlopt:LN_BOBYQA", ...]``.

    A plug-in that cannot be loaded is left out, with a warning.

    Returns
    -------
    list of str

    See Also
    --------
    resolve : One of them.

    Examples
    --------
    >>> import numbamm as mm
    >>> "nlopt:LN_BOBYQA" in mm.optimize.available()
    True
    """
    return [choice.name for choice in _all_choices()]


def resolve(name: str) -> Optimizer:
    """The optimiser of that name.

    Parameters
    ----------
    name
        ``"backend:ALGORITHM"``, or the algorithm alone where only one backend has it. Upper and
        lower case are the same.

    Returns
    -------
    Optimizer
        With ``name``, ``backend`` (a `Backend`), ``algorithm`` and its ``traits`` (an `Algorithm`).

    Raises
    ------
    OptionError
        There is none of that name, or more than one, or its plug-in cannot be loaded.

    See Also
    --------
    available : All names.

    Examples
    --------
    >>> import numbamm as mm
    >>> mm.optimize.resolve("ln_bobyqa").name
    'nlopt:LN_BOBYQA'
    """
    if not isinstance(name, str):
        raise OptionError(f"optimizer must be a name such as 'nlopt:LN_BOBYQA', not {name!r}")
    backend_name, _, algorithm = name.partition(":")
    # The exact name needs no other plug-in than its own.
    algorithm = algorithm or backend_name
    if backend_name in (_backends.keys() | _installed().keys()):
        backend = _backend(backend_name)
        if algorithm in backend.algorithms:
            return Optimizer(backend_name, backend, algorithm, backend.algorithms[algorithm])
    choices = _all_choices()
    wanted = name.lower()
    found = [c for c in choices if wanted in (c.name.lower(), c.algorithm.lower())]
    if len(found) == 1:
        return found[0]
    if found:
        names = " or ".join(repr(c.name) for c in found)
        raise OptionError(f"optimizer {name!r} is in more than one backend: write {names}")
    nearest, *others = by_likeness(name, [c.name for c in choices])
    hint = value_hint("optimizer", name, []) or f"; did you mean '{nearest}'?"
    others = [n for n in (nearest, *others) if f"'{n}'" not in hint]
    raise OptionError(f"unknown optimizer {name!r}{hint} There are also: {', '.join(others)}")


@cache
def _installed() -> dict[str, EntryPoint]:
    """The installed backends by name: entry points, and the files of packages that these name."""
    found = {}
    for entry in entry_points(group=GROUP):
        found |= {entry.name: entry} if entry.attr else _files(entry)
    return found


def _files(package: EntryPoint) -> dict[str, EntryPoint]:
    """The backends of a package, as if each had an entry point: ``BACKEND`` of ``name_backend``."""
    try:
        folder = package.load().__path__
    except Exception:  # whatever it is, it is raised again when the backend is asked for
        return {package.name: package}
    files = [m.name for m in iter_modules(folder) if m.name.endswith(FILE)]
    return {
        name.removesuffix(FILE): EntryPoint(
            name.removesuffix(FILE), f"{package.value}.{name}:BACKEND", GROUP
        )
        for name in files
    }


def _backend(name: str) -> Backend:
    if name not in _backends:
        try:
            register(name, _installed()[name].load())
        except Exception as error:  # whatever a third party's module does while it is imported
            raise OptionError(
                f"the optimiser plug-in {name!r} ({_installed()[name].value}) cannot be loaded: "
                f"{error}"
            ) from error
    return _backends[name]


def _all_choices() -> list[Optimizer]:
    choices = []
    for name in sorted(_backends.keys() | _installed().keys()):
        try:
            backend = _backend(name)
        except OptionError as error:
            warn(str(error))
            continue
        choices += [Optimizer(name, backend, a, traits) for a, traits in backend.algorithms.items()]
    return choices


def _checked(name: str, backend: Backend) -> Backend:
    missing = [member for member in _MEMBERS if not hasattr(backend, member)]
    if missing:
        raise OptionError(f"the optimiser plug-in {name!r} has no {' and no '.join(missing)}")
    strangers = [a for a, traits in backend.algorithms.items() if not isinstance(traits, Algorithm)]
    if strangers:
        raise OptionError(
            f"the optimiser plug-in {name!r} describes {', '.join(strangers)} by something "
            "else than a numbamm.optimize.Algorithm"
        )
    return backend

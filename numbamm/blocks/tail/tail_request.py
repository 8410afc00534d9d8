"""The options ``tail``, ``probes`` and ``seed``, as given or as configured."""

from __future__ import annotations

from numbers import Integral

from numbamm import config
from numbamm.blocks.tail.protocol import Choice, Request
from numbamm.blocks.tail.registry import names
from numbamm.errors import OptionError, shown, warn
from numbamm.options import one_of


def tail_request(
    tail: str | Request | None, probes: int | None = None, seed: int | None = None
) -> Request:
    """What a user asks of the tail.

    Raises
    ------
    OptionError
        An option has a value that cannot be used.
    """
    if isinstance(tail, Request):
        return tail
    tail = config.get("tail") if tail is None else tail
    probes = config.get("probes") if probes is None else probes
    one_of("tail", tail, ["auto", *names()])
    if probes is not None and not (_is_integer(probes) and 2 <= probes <= config.MOST_PROBES):
        raise OptionError(
            f"probes must be an integer from 2 to {config.MOST_PROBES}, not {shown(probes)}"
        )
    if seed is not None and not (_is_integer(seed) and seed >= 0):
        raise OptionError(f"seed must be an integer of at least 0, not {shown(seed)}")
    return Request(tail, probes, seed)


def warn_of_unused(choice: Choice, is_exact: bool, probes: int | None, seed: int | None) -> None:
    """Warn where probes or their seed were given to a model whose tail is exact.

    Warns
    -----
    NumbammWarning
    """
    given = {"probes": probes, "seed": seed}
    names = [f"{name}={value}" for name, value in given.items() if value is not None]
    if is_exact and names:
        what = f"{' and '.join(names)} {'have' if len(names) > 1 else 'has'} no effect"
        why = f" ({choice.why})" if choice.why else ""
        warn(f"{what}: the {choice.name} tail{why} is exact; they are for tail='iterative'")


def _is_integer(value) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)

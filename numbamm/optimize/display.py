"""How an `OptSummary` is shown: labelled lines as text, or as a table."""

from __future__ import annotations

from typing import Any

import numpy as np

from numbamm.errors import OptionError
from numbamm.optimize import formatting
from numbamm.optimize.auto import AUTO
from numbamm.optimize.local_minimum import is_minimum
from numbamm.optimize.registry import resolve
from numbamm.report.content import Report, Table

ALGORITHM_OPTIONS = ("ftol_rel", "ftol_abs", "xtol_rel", "xtol_abs", "initial_step")
GENERAL_OPTIONS = ("maxfeval", "maxtime", "max_restarts", "xtol_zero_abs", "ftol_zero_abs")


def as_text(optsum) -> str:
    """A line for each label."""
    return "\n".join(f"{label + ':':<26}{value}".rstrip() for label, value in rows(optsum))


def as_report(optsum) -> Report:
    """A table with a row for each label."""
    lines = [[label, value] for label, value in rows(optsum)]
    return Report("Optimization", tables=[Table(["", "Value"], lines, left=2)])


def rows(optsum) -> list[tuple[str, str]]:
    """Labels and values: the start, the optimiser and what it reads, and the outcome."""
    out = [("Parameters", formatting.short(optsum.names))]
    out.append(("Initial parameter vector", formatting.short(optsum.initial)))
    if optsum.finitial is not None:
        out.append(("Initial objective value", formatting.number(optsum.finitial, 13)))
    if optsum.used == AUTO:
        out.append(("Optimizer", "auto: chosen when the fit begins"))
        reads = list(ALGORITHM_OPTIONS)
    else:
        reads = _add_optimizer(optsum, out)
    if optsum.tail_kind is not None:
        out.append(("Tail", f"{optsum.tail_kind}: {optsum.tail_reason}"))
    out.append(("Lower bounds", formatting.short(optsum.lowerbd)))
    if np.isfinite(optsum.upperbd).any():
        out.append(("Upper bounds", formatting.short(optsum.upperbd)))
    out += [(name, _shown(getattr(optsum, name))) for name in (*reads, *GENERAL_OPTIONS)]
    if optsum.final is not None:
        out += _outcome(optsum)
    return out


def _add_optimizer(optsum, out: list[tuple[str, str]]) -> list[str]:
    """Add what was used, and why; the options that it reads."""
    try:
        optimizer = resolve(optsum.used)
    except OptionError:
        out.append(("Optimizer", f"{optsum.used} (not available)"))
        return list(ALGORITHM_OPTIONS)
    auto = "auto: " if optsum.optimizer == AUTO else ""
    out.append(("Optimizer", f"{auto}{optimizer.name} ({optimizer.backend.library})"))
    if auto:
        out.append(("Chosen because", str(optsum.reason)))
    return [name for name in ALGORITHM_OPTIONS if name in optimizer.traits.options]


def _monte_carlo(optsum) -> list[tuple[str, str]]:
    """The random probes of an approximate fit, and the errors that they leave."""
    if optsum.probes is None:
        return []
    errors = [float(f"{error:.2g}") for error in optsum.final_error]
    return [
        (
            "Monte-Carlo error",
            f"{optsum.objective_error:.2g}, parameters {formatting.short(errors)}",
        ),
        ("Random probes", f"{optsum.probes} (seed {optsum.seed})"),
    ]


def _outcome(optsum) -> list[tuple[str, str]]:
    out = [
        ("Function evaluations", str(optsum.feval)),
        *([] if optsum.elapsed is None else [("Elapsed time", seconds(optsum.elapsed))]),
        ("Final parameter vector", formatting.short(optsum.final)),
        ("Final objective value", formatting.number(optsum.fmin, 13)),
        *_monte_carlo(optsum),
        ("Return code", optsum.returnvalue),
    ]
    if optsum.gradient_norm is not None:
        out.append(("Length of the gradient", f"{optsum.gradient_norm:.2g}"))
    if optsum.certificate is not None:
        minimum = is_minimum(optsum.certificate)
        verdict = "a local minimum" if minimum else "singular, and no local minimum"
        out.append(("Certificate", f"{optsum.certificate:.2g} ({verdict})"))
    return out


def seconds(value: float) -> str:
    """A duration as text: ``3.2 ms``, ``0.52 s``, ``75 s``."""
    return f"{1e3 * value:.2g} ms" if value < 0.1 else f"{max(value, 0.1):.3g} s"


def _shown(value: Any) -> str:
    if np.ndim(value):
        return formatting.short(value)
    return formatting.number(value) if isinstance(value, float) else str(value)

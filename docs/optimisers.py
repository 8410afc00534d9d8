"""Fit some models with every shipped optimiser; fill in optimisers.md.

Run as ``python docs/optimisers.py``. The numbers move a little with the versions of NLopt and
SciPy; a test checks what the text says about them.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

import numbamm as mm
from numbamm.inference.diagnostics.allfit import TOLERANCE, AllFit

PAGE = Path(__file__).with_suffix(".md")
BEGIN, END = "<!-- table: python docs/optimisers.py -->", "<!-- end of table -->"
MAXFEVAL = 20_000
SHIPPED = [
    name for name in mm.optimize.available() if name.startswith(("nlopt:", "scipy:", "newton"))
]
#: Those that use the gradient of a linear model.
WITH_GRADIENT = [name for name in SHIPPED if mm.optimize.resolve(name).traits.gradient != "none"]


def one_source(slopes: int, seed: int) -> dict[str, np.ndarray]:
    """Intercepts and slopes of 15 groups that all follow one hidden variable: a singular fit."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(15), 8)
    x = rng.normal(size=(slopes, len(group)))
    hidden = rng.normal(size=15)[group]
    y = 10 + x.sum(axis=0) + hidden * (1 + 0.5 * x.sum(axis=0)) + rng.normal(size=len(group))
    return {"y": y, "g": group.astype(str), **{f"x{i + 1}": row for i, row in enumerate(x)}}


#: Heading of a column: formula and data.
MODELS = {
    "Dyestuff": ("Yield ~ 1 + (1 | Batch)", "Dyestuff"),
    "sleepstudy": ("Reaction ~ 1 + Days + (1 + Days | Subject)", "sleepstudy"),
    "Penicillin": ("diameter ~ 1 + (1 | plate) + (1 | sample)", "Penicillin"),
    "Pastes": ("strength ~ 1 + (1 | batch/cask)", "Pastes"),
    "Dyestuff2": ("Yield ~ 1 + (1 | Batch)", "Dyestuff2"),
    "singular, 3 θ": ("y ~ 1 + x1 + (1 + x1 | g)", one_source(1, seed=3)),
    "singular, 6 θ": ("y ~ 1 + x1 + x2 + (1 + x1 + x2 | g)", one_source(2, seed=1)),
}


def compare(name: str) -> AllFit:
    """One of `MODELS` by each of the `SHIPPED` optimisers."""
    formula, data = MODELS[name]
    frame = mm.datasets.load(data) if isinstance(data, str) else data
    return mm.allfit(mm.LinearMixedModel(formula, frame), SHIPPED, maxfeval=MAXFEVAL)


def table() -> str:
    """The table in Markdown: a line for each optimiser, a column for each model."""
    columns = {name: compare(name).table.set_index("optimizer") for name in MODELS}
    lines = [["optimiser", *columns], ["---"] * (len(columns) + 1)]
    for name in sorted(SHIPPED, key=lambda name: (name not in WITH_GRADIENT, name)):
        lines.append([f"`{name}`", *(_cell(fits.loc[name]) for fits in columns.values())])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(fit) -> str:
    """Excess and evaluations; bold where the fit stopped short, † where BOBYQA stood in."""
    excess = f"{fit['excess']:.0e}".replace("e-0", "e-") if fit["excess"] else "0"
    text = f"{excess} / {fit['evaluations']}"
    text += " †" if fit["returnvalue"].endswith("(LN_BOBYQA)") else ""
    return text if fit["excess"] <= TOLERANCE else f"**{text}**"


def main() -> None:
    """Put the table between the page's markers."""
    page = PAGE.read_text(encoding="utf-8")
    between = re.compile(f"(?<={re.escape(BEGIN)}\n).*(?={re.escape(END)})", re.DOTALL)
    PAGE.write_text(between.sub(lambda _: f"\n{table()}\n\n", page), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Check that A, L and the gradient fit into memory, before they are allocated."""

from __future__ import annotations

from numbamm.blocks.layout import ORDER, Layout
from numbamm.errors import warn
from numbamm.memory import gigabytes, refuse_beyond

#: From this order of the dense tail on, an evaluation takes many seconds.
LARGE_ORDER = 15_000


def check_size(layout: Layout, terms) -> None:
    """Refuse a model whose blocks do not fit into memory; warn where evaluations are slow.

    Parameters
    ----------
    layout : Layout
    terms : sequence of ReMat

    Raises
    ------
    DataError
        If A, L and the gradient would take more than half of the memory.

    Warns
    -----
    NumbammWarning
        If an evaluation takes many seconds.
    """
    order = int(layout.table[0, ORDER])
    what = " and ".join(f"'{t.group}' ({t.nranef} random effects)" for t in terms) or "X"
    if 8 * order**2 > 4 * (layout.size_a + layout.size_work):  # more than half
        what = f"crossing {what} fills in a dense matrix of order {order}"
    else:
        what = f"the cross-products of {what}"
    needed = 8 * (layout.size_a + layout.size_work + layout.size_adjoint)
    refuse_beyond(needed, what, "leave out a term or its slopes, or fit to a part of the data")
    if order >= LARGE_ORDER:
        warn(
            f"{what}: {gigabytes(needed)}, and about {order**3 / 3 / 2e10:.0f} seconds an "
            "evaluation"
        )

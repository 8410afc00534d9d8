"""Whether the factor of crossed random effects fits into memory."""

from __future__ import annotations

import os
import warnings

from numbamm.errors import DataError, NumbammWarning

#: Orders of the dense tail from which an evaluation takes many seconds.
LARGE_ORDER = 15_000


def check_order(order: int, terms, memory: int | None = None) -> None:
    """Refuse crossed terms whose fill-in does not fit into memory; warn where it is slow.

    Parameters
    ----------
    order : int
        Order m of the dense part of L, of 8 m² bytes.
    terms : sequence of ReMat
    memory : int, optional
        Bytes there are; the machine's, if not given.

    Raises
    ------
    DataError
        If L would take more than half of the memory.
    """
    if order < LARGE_ORDER:
        return
    if memory is None:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    crossed = " and ".join(f"'{t.group}' ({t.nranef} random effects)" for t in terms)
    what = (
        f"crossing {crossed} fills in a dense matrix of order {order}: {8 * order**2 / 1e9:.1f} GB"
    )
    if 8 * order**2 > memory / 2:
        raise DataError(f"{what}, more than half of this machine's {memory / 1e9:.0f} GB of memory")
    warnings.warn(
        f"{what}, and about {order**3 / 3 / 2e10:.0f} seconds an evaluation",
        NumbammWarning,
        stacklevel=3,
    )

"""The numerical heart: block layout, cross-products, blocked Cholesky and solves, on arrays only.

Everything here works on a *layout table* and flat buffers, so one compiled program serves
every model. Other packages use a `Tail` (``tail/protocol.py``), which `build_tail` makes.
"""

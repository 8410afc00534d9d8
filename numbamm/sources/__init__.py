"""Rows that come in chunks: where they come from, and what a model learns from them."""

import lazy_loader

# Only models of rows that stream load what is here.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""Formula text and a data frame → model frame."""

import lazy_loader

# formulaic and pandas wait until there is a formula to read: a worker that gets fitted models as
# pickles needs neither.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

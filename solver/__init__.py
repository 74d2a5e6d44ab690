"""How games are solved: one file per method, pure functions that jit and vmap, results that carry certificates.

The public names are listed in ``__init__.pyi`` and loaded on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""Mechanisms: ways to sell answers, each a small frozen object that turns a market and its users into an outcome.

The public names are listed in ``__init__.pyi`` and loaded on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

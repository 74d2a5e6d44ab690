"""From repeated samples to accuracy curves, question by question, exactly.

One job a file. Kernels, on the samples of every question: ``best_of_n``, ``majority``, ``pass_at_k``, ``effort`` and
``token_caps``. From the canonical table of generations to ``QuestionCurves``: ``levels`` and ``draw_levels``.

The public names are listed in ``__init__.pyi`` and loaded on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

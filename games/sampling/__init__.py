"""From repeated samples to accuracy curves, question by question, exactly.

One job a file. Kernels, on the samples of every question: ``best_of_n``, ``majority``, ``pass_at_k``, ``effort`` and
``token_caps``. From the canonical table of generations to ``QuestionCurves``: ``levels`` and ``draw_levels``.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from games.sampling.best_of_n import best_of_n_accuracy as best_of_n_accuracy
    from games.sampling.draw_levels import best_of_n_levels as best_of_n_levels
    from games.sampling.draw_levels import majority_levels as majority_levels
    from games.sampling.draw_levels import pass_at_k_levels as pass_at_k_levels
    from games.sampling.effort import effort_weights as effort_weights
    from games.sampling.levels import effort_quantile_levels as effort_quantile_levels
    from games.sampling.levels import given_levels as given_levels
    from games.sampling.levels import token_cap_levels as token_cap_levels
    from games.sampling.majority import majority_accuracy as majority_accuracy
    from games.sampling.pass_at_k import pass_at_k_accuracy as pass_at_k_accuracy
    from games.sampling.question_curves import QuestionCurves as QuestionCurves
    from games.sampling.tally import tally_votes as tally_votes
    from games.sampling.token_caps import cap_generations as cap_generations

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "best_of_n": ["best_of_n_accuracy"],
        "draw_levels": ["best_of_n_levels", "majority_levels", "pass_at_k_levels"],
        "effort": ["effort_weights"],
        "levels": ["effort_quantile_levels", "given_levels", "token_cap_levels"],
        "majority": ["majority_accuracy"],
        "pass_at_k": ["pass_at_k_accuracy"],
        "question_curves": ["QuestionCurves"],
        "tally": ["tally_votes"],
        "token_caps": ["cap_generations"],
    },
)

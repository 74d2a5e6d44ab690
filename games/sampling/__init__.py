"""From repeated samples to accuracy curves, question by question, exactly.

One job a file: the kernels (``best_of_n``, ``majority``, ``pass_at_k``, ``token_caps``, ``think_quantiles``) work on the
samples of one question; ``from_table`` applies them to a canonical table of generations and returns ``QuestionCurves``.
"""

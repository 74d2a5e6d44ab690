"""Levels made by drawing n samples a query: best of n, majority vote, pass@k.

Every function reads the canonical table (``games.logs.logs_table``) and list prices (``games.PriceTable``), and returns
``QuestionCurves``. Each is the mean over all subsets of n of the N samples of a question, not over some of them; tokens are n
times those of one sample. ``notes`` say where n exceeds half of N, or the samples of some questions.
"""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd

from games.errors import InputError
from games.logs.table import Errored
from games.market import DEFAULT_MARGIN
from games.prices import PriceTable
from games.sampling.assemble import Level, curves_of, mean_usage
from games.sampling.best_of_n import best_of_n_accuracy
from games.sampling.draws import draw_counts
from games.sampling.majority import majority_accuracy
from games.sampling.pass_at_k import pass_at_k_accuracy
from games.sampling.question_curves import QuestionCurves
from games.sampling.samples import Samples
from games.sampling.tally import tally_votes

DRAWN = (1, 4, 8, 16, 32, 64)


def best_of_n_levels(
    table: pd.DataFrame,
    prices: PriceTable,
    drawn: Sequence[int] = DRAWN,
    *,
    benchmark: str | None = None,
    errored: Errored = "drop",
    margin: float = DEFAULT_MARGIN,
    at: date | None = None,
) -> QuestionCurves:
    """Levels n = 1, 4, …: sample n times, answer with the sample of highest reward. See ``games.sampling.best_of_n``.

    Tokens are n times those of one sample. The reward model's own cost is not counted.

    Args:
        drawn: numbers of samples; a level that has too few samples everywhere is left out and noted.
        table, prices, benchmark, errored, margin, at: see ``given_levels``.

    Raises:
        InputError: a model has no rewards, no price or no tokens.

    Example:
        >>> from games import PriceTable
        >>> from games.logs import logs_table
        >>> table = logs_table({
        ...     "question_id": ["a"] * 3 + ["b"] * 3, "model": "Ada", "answer": [*"xxy", *"yzz"],
        ...     "correct": [1, 1, 0, 0, 1, 1], "reward": [3, 2, 1, 3, 1, 2], "reasoning_tokens": [10, 20, 30, 40, 50, 60],
        ...     "billable_output_tokens": [100, 200, 300, 400, 500, 600]})
        >>> prices = PriceTable.from_frame(pd.DataFrame({"model": ["Ada"], "usd_per_million_tokens": [8.0]}))
        >>> best_of_n_levels(table, prices, [1, 3]).market().accuracy.round(3).tolist()
        [[0.667, 0.5]]
    """
    counts = draw_counts(drawn)

    def make(block: Samples, notes: list[str]) -> list[Level]:
        present, known = ~np.isnan(block.correct), ~np.isnan(block.reward)
        if not (present & known).any():
            raise InputError(
                f"{block.place}: best of n needs a reward for each sample, and none has one; use majority_levels"
            )
        if (unknown := int((present & ~known).sum())) > 0:
            notes.append(f"{block.place}: {unknown} of {present.sum()} samples have no reward; they rank last")
        return _draw_levels(block, best_of_n_accuracy(block.correct, block.reward, drawn), counts, notes)

    return curves_of(table, prices, make, benchmark, errored, margin, at)


def majority_levels(
    table: pd.DataFrame,
    prices: PriceTable,
    drawn: Sequence[int] = DRAWN,
    *,
    benchmark: str | None = None,
    errored: Errored = "drop",
    margin: float = DEFAULT_MARGIN,
    at: date | None = None,
) -> QuestionCurves:
    """Levels n = 1, 4, …: sample n times, give the answer that most samples gave. See ``games.sampling.majority``.

    Tokens are n times those of one sample. Samples without an answer are drawn and paid, and do not vote.

    Args:
        drawn: numbers of samples; a level that has too few samples everywhere is left out and noted.
        table, prices, benchmark, errored, margin, at: see ``given_levels``.

    Raises:
        InputError: a model has no answers, no price or no tokens.

    Example:
        >>> from games import PriceTable
        >>> from games.logs import logs_table
        >>> table = logs_table({
        ...     "question_id": ["a"] * 3 + ["b"] * 3, "model": "Ada", "answer": [*"xxy", *"yzz"],
        ...     "correct": [1, 1, 0, 0, 1, 1], "reward": [3, 2, 1, 3, 1, 2], "reasoning_tokens": [10, 20, 30, 40, 50, 60],
        ...     "billable_output_tokens": [100, 200, 300, 400, 500, 600]})
        >>> prices = PriceTable.from_frame(pd.DataFrame({"model": ["Ada"], "usd_per_million_tokens": [8.0]}))
        >>> majority_levels(table, prices, [1, 3]).market().accuracy.round(3).tolist()
        [[0.667, 1.0]]
    """
    counts = draw_counts(drawn)

    def make(block: Samples, notes: list[str]) -> list[Level]:
        if (block.answer < 0).all():
            raise InputError(
                f"{block.place}: a majority vote needs the samples' answers, and the log has none; fill the column 'answer', "
                "leave it out, or take best_of_n_levels, pass_at_k_levels or given_levels"
            )
        mute = int(((block.answer < 0) & (block.correct > 0)).sum())
        if mute:
            notes.append(f"{block.place}: {mute} samples are marked right but have no answer; they do not vote")
        votes = tally_votes(block.answer, block.correct)
        if votes.disputed:
            notes.append(
                f"{block.place}: {votes.disputed} answers are marked right in some samples and wrong in others"
            )
        shares = majority_accuracy(votes.counts, votes.worth, votes.abstentions, drawn)
        return _draw_levels(block, shares, counts, notes)

    return curves_of(table, prices, make, benchmark, errored, margin, at)


def pass_at_k_levels(
    table: pd.DataFrame,
    prices: PriceTable,
    drawn: Sequence[int] = DRAWN,
    *,
    benchmark: str | None = None,
    errored: Errored = "drop",
    margin: float = DEFAULT_MARGIN,
    at: date | None = None,
) -> QuestionCurves:
    """Levels k = 1, 4, …: sample k times, answer with a right sample if there is one. See ``games.sampling.pass_at_k``.

    For providers that can check answers, with tests for instance. Tokens are k times those of one sample, without stopping at
    the first right one.

    Args:
        drawn: numbers of samples; a level that has too few samples everywhere is left out and noted.
        table, prices, benchmark, errored, margin, at: see ``given_levels``.

    Raises:
        InputError: a model has no price or no tokens.

    Example:
        >>> from games import PriceTable
        >>> from games.logs import logs_table
        >>> table = logs_table({
        ...     "question_id": ["a"] * 3 + ["b"] * 3, "model": "Ada", "answer": [*"xxy", *"yzz"],
        ...     "correct": [1, 1, 0, 0, 1, 1], "reward": [3, 2, 1, 3, 1, 2], "reasoning_tokens": [10, 20, 30, 40, 50, 60],
        ...     "billable_output_tokens": [100, 200, 300, 400, 500, 600]})
        >>> prices = PriceTable.from_frame(pd.DataFrame({"model": ["Ada"], "usd_per_million_tokens": [8.0]}))
        >>> pass_at_k_levels(table, prices, [1, 3]).market().accuracy.round(3).tolist()
        [[0.667, 1.0]]
    """
    counts = draw_counts(drawn)

    def make(block: Samples, notes: list[str]) -> list[Level]:
        right = np.nansum(block.correct, axis=1).astype(int)
        return _draw_levels(block, pass_at_k_accuracy(right, block.num_samples, drawn), counts, notes)

    return curves_of(table, prices, make, benchmark, errored, margin, at)


def _draw_levels(block: Samples, correct: np.ndarray, drawn: np.ndarray, notes: list[str]) -> list[Level]:
    """Levels of n samples: n times the tokens of one."""
    means = mean_usage(block)
    asked = block.num_samples > 0
    crowded = []
    for n in drawn.tolist():
        enough = block.num_samples >= n
        if enough.any() and not enough[asked].all():
            notes.append(
                f"{block.place}, level {n}: {(asked & ~enough).sum()} of {asked.sum()} questions have fewer than {n} samples; "
                "they are left out of this level"
            )
        if n > 1 and enough.any() and (2 * n > block.num_samples[enough]).any():
            crowded.append(str(n))
    if crowded:
        notes.append(
            f"{block.place}, level {', '.join(crowded)}: more than half of the {block.num_samples[asked].max()} samples of a "
            "question are drawn, so that the value rests on few independent draws; sample more"
        )
    return [Level(str(n), correct[:, k], *(n * mean for mean in means)) for k, n in enumerate(drawn.tolist())]

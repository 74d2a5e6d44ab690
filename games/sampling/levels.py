"""Levels that need no drawing: as the log has them, by quantiles of thinking tokens, or under a cap on tokens.

Every function reads the canonical table (``games.logs.logs_table``) and list prices (``games.PriceTable``), and returns
``QuestionCurves``, whose ``notes`` say what a reader should know: levels that rest on one sample a question, samples without
a score or tokens, what filters removed, odd prices. All are exact over the samples at hand.
"""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd

from games.errors import InputError
from games.logs.table import Errored
from games.market import DEFAULT_MARGIN
from games.prices import PriceTable
from games.sampling.assemble import Level, curves_of, known_mean, mean_usage
from games.sampling.effort import effort_weights
from games.sampling.question_curves import QuestionCurves
from games.sampling.samples import Samples
from games.sampling.token_caps import cap_generations

EFFORT_GROUPS = 5


def given_levels(
    table: pd.DataFrame,
    prices: PriceTable,
    *,
    benchmark: str | None = None,
    errored: Errored = "drop",
    margin: float = DEFAULT_MARGIN,
    at: date | None = None,
) -> QuestionCurves:
    """Levels as the log has them, such as reasoning efforts: one sample is one query.

    Args:
        table: canonical table, one row per generation.
        prices: list prices; input tokens are charged where both their number and their price are known.
        benchmark: which one to take where the table holds several.
        errored: ``"drop"`` leaves samples without a score out, ``"wrong"`` counts them as wrong.
        margin: price / cost − 1; the paper uses 0.25.
        at: day of the queries, for dated prices.

    Raises:
        InputError: a model has no price or no tokens, or the table cannot be used; the text says where and why.

    Example:
        >>> from games import PriceTable
        >>> from games.logs import logs_table
        >>> table = logs_table({
        ...     "question_id": ["a", "a", "b", "b"], "model": "Ada", "level": ["low", "high", "low", "high"],
        ...     "correct": [0, 1, 1, 1], "billable_output_tokens": [100, 900, 200, 500], "input_tokens": 50})
        >>> prices = PriceTable.from_frame(pd.DataFrame({
        ...     "model": ["Ada"], "usd_per_million_tokens": [8.0], "usd_per_million_input_tokens": [2.0]}))
        >>> curves = given_levels(table, prices)
        >>> curves.level_labels, curves.market().accuracy.tolist(), [f"{p:.4f}" for p in curves.market().price[0]]
        ((('low', 'high'),), [[0.5, 1.0]], ['0.0013', '0.0057'])
        >>> curves.notes
        ('Ada at low: one sample a question; difficulty and chance cannot be told apart', ...
    """

    def make(block: Samples, notes: list[str]) -> list[Level]:
        return [Level(block.level, known_mean(block.correct), *mean_usage(block))]

    return curves_of(table, prices, make, benchmark, errored, margin, at)


def effort_quantile_levels(
    table: pd.DataFrame,
    prices: PriceTable,
    groups: int = EFFORT_GROUPS,
    *,
    min_thinking: float | int = -np.inf,
    below_tokens: float | int = np.inf,
    whole_samples: bool = False,
    benchmark: str | None = None,
    errored: Errored = "drop",
    margin: float = DEFAULT_MARGIN,
    at: date | None = None,
) -> QuestionCurves:
    """Levels 1 to K: the samples of each question, cut into K groups by how long the model thought.

    For logs without an effort setting. The groups compare lucky and unlucky samples of one setting, not settings: read
    docs/theory/sampling.md on selection before you trust such a curve.

    Args:
        groups: K.
        min_thinking: samples that thought for no more than this many tokens are left out; the paper takes 5.
        below_tokens: samples of this many output tokens or more are left out; the paper takes the generation limit, 2048,
            which removes the unfinished ones. Both filters raise accuracy, since such samples are mostly wrong.
        whole_samples: cut as arXiv 2601.21839 does, see ``games.sampling.effort``.
        table, prices, benchmark, errored, margin, at: see ``given_levels``.

    Raises:
        InputError: a model has no thinking tokens, no price or no tokens.

    Example:
        >>> from games import PriceTable
        >>> from games.logs import logs_table
        >>> table = logs_table({
        ...     "question_id": ["a"] * 3 + ["b"] * 3, "model": "Ada", "answer": [*"xxy", *"yzz"],
        ...     "correct": [1, 1, 0, 0, 1, 1], "reward": [3, 2, 1, 3, 1, 2], "reasoning_tokens": [10, 20, 30, 40, 50, 60],
        ...     "billable_output_tokens": [100, 200, 300, 400, 500, 600]})
        >>> prices = PriceTable.from_frame(pd.DataFrame({"model": ["Ada"], "usd_per_million_tokens": [8.0]}))
        >>> effort_quantile_levels(table, prices, 3).market().tokens.round(1).tolist()
        [[250.0, 350.0, 450.0]]
    """

    def make(block: Samples, notes: list[str]) -> list[Level]:
        present = ~np.isnan(block.correct)
        known = present & ~np.isnan(block.reasoning_tokens)
        if not known.any():
            raise InputError(f"{block.place}: no sample has reasoning_tokens; take given_levels or token_cap_levels")
        if (unknown := int((present & ~known).sum())) > 0:
            notes.append(
                f"{block.place}: {unknown} of {present.sum()} samples have no thinking tokens; they are left out"
            )
        kept = known & (block.reasoning_tokens > min_thinking) & ~(block.output_tokens >= below_tokens)
        if (filtered := int((known & ~kept).sum())) > 0:
            wrong = 1 - block.correct[known & ~kept].mean()
            notes.append(
                f"{block.place}: the filters leave out {filtered} of {known.sum()} samples, {wrong:.0%} of them wrong; "
                "accuracy is that of the rest"
            )
        weights = effort_weights(np.where(kept, block.reasoning_tokens, np.nan), groups, whole_samples=whole_samples)
        values = (block.correct, block.output_tokens, block.input_tokens, block.surcharge())
        means = [_weighted_mean(x, weights) for x in values]
        return [Level(str(k + 1), *(mean[:, k] for mean in means)) for k in range(groups)]

    return curves_of(table, prices, make, benchmark, errored, margin, at)


def token_cap_levels(
    table: pd.DataFrame,
    prices: PriceTable,
    caps: Sequence[float | int],
    *,
    benchmark: str | None = None,
    errored: Errored = "drop",
    margin: float = DEFAULT_MARGIN,
    at: date | None = None,
) -> QuestionCurves:
    """Levels b: every generation is cut off after b output tokens. See ``games.sampling.token_caps``.

    Args:
        caps: b, in tokens, from least to most; ``inf`` for the uncapped model.
        table, prices, benchmark, errored, margin, at: see ``given_levels``.

    Raises:
        InputError: a cap is not positive, or a model has no price or no tokens, or only recorded costs, which no cap cuts.

    Example:
        >>> from games import PriceTable
        >>> from games.logs import logs_table
        >>> table = logs_table({
        ...     "question_id": ["a"] * 3 + ["b"] * 3, "model": "Ada", "answer": [*"xxy", *"yzz"],
        ...     "correct": [1, 1, 0, 0, 1, 1], "reward": [3, 2, 1, 3, 1, 2], "reasoning_tokens": [10, 20, 30, 40, 50, 60],
        ...     "billable_output_tokens": [100, 200, 300, 400, 500, 600]})
        >>> prices = PriceTable.from_frame(pd.DataFrame({"model": ["Ada"], "usd_per_million_tokens": [8.0]}))
        >>> token_cap_levels(table, prices, [250, np.inf]).market().accuracy.round(3).tolist()
        [[0.333, 0.667]]
    """

    def make(block: Samples, notes: list[str]) -> list[Level]:
        if prices.price(block.model, block.seller, at=at).recorded:
            raise InputError(f"{block.place}: what a cut-off answer costs was not recorded; give a list price")
        capped = cap_generations(block.correct, block.output_tokens, caps)
        given = known_mean(block.input_tokens)
        extra = [known_mean(block.surcharge(cap)) for cap in caps]
        return [
            Level(f"{cap:.12g}", capped.correct[:, k], capped.tokens[:, k], given, extra[k])
            for k, cap in enumerate(caps)
        ]

    return curves_of(table, prices, make, benchmark, errored, margin, at)


def _weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean of each question's known values in every group; nan where a group has none."""
    known = ~np.isnan(values)
    mass = np.einsum("qs,qsk->qk", known, weights)
    total = np.einsum("qs,qsk->qk", np.where(known, values, 0.0), weights)
    return np.where(mass > 0, total / np.where(mass > 0, mass, 1.0), np.nan)

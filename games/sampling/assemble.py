"""Read a table, make the levels of every model, question by question, and join them with prices to ``QuestionCurves``."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date

import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Float

from games.errors import InputError
from games.logs.table import Errored
from games.market import DEFAULT_MARGIN
from games.prices import ListPrice, PriceTable
from games.sampling.bills import bill_of
from games.sampling.question_curves import QuestionCurves
from games.sampling.samples import Samples, sample_blocks


@dataclass(frozen=True)
class Level:
    """One level of one model, question by question.

    Args:
        label: name of the level.
        correct: probability of a right answer, ``[questions]``; nan where the question was not measured at this level.
        output_tokens: mean billable output tokens per query; nan where unknown.
        input_tokens: mean input tokens per query; nan where unknown.
        surcharge: mean dollars per query beside tokens × list prices; nan where unknown.
    """

    label: str
    correct: Float[np.ndarray, " questions"]
    output_tokens: Float[np.ndarray, " questions"]
    input_tokens: Float[np.ndarray, " questions"]
    surcharge: Float[np.ndarray, " questions"]


def known_mean(values: Float[np.ndarray, "questions samples"]) -> Float[np.ndarray, " questions"]:
    """Mean of each row's known values; nan where none is known.

    Example:
        >>> known_mean(np.array([[1.0, 3.0, np.nan], [np.nan, np.nan, np.nan]])).tolist()
        [2.0, nan]
    """
    count = (~np.isnan(values)).sum(axis=1)
    return np.where(count > 0, np.nansum(values, axis=1) / np.maximum(count, 1), np.nan)


def mean_usage(block: Samples) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean output tokens, input tokens and surcharge of one sample, for every question; nan where unknown."""
    return known_mean(block.output_tokens), known_mean(block.input_tokens), known_mean(block.surcharge())


def curves_of(
    table: pd.DataFrame,
    prices: PriceTable,
    make: Callable[[Samples, list[str]], list[Level]],
    benchmark: str | None,
    errored: Errored,
    margin: float,
    at: date | None,
) -> QuestionCurves:
    """Read the table, make the levels of every block, and put them together."""
    read = sample_blocks(table, benchmark=benchmark, errored=errored)
    notes = list(read.notes)
    for block in read.blocks:
        if block.num_samples.max() == 1:
            notes.append(f"{block.place}: one sample a question; difficulty and chance cannot be told apart")
    notes += _different_questions(read.blocks)
    measured = []
    for block in read.blocks:
        price = prices.price(block.model, block.seller, at=at)
        if price.recorded:
            notes += _unknown_costs(block)
        elif price.usd_per_million_cached_tokens is None and not any(
            tier.usd_per_million_cached_tokens is not None for tier in price.tiers
        ):
            notes += _full_price_cached(block, price)
        billed = replace(block, bill=bill_of(price, block.input_tokens, block.cost, block.cached_tokens))
        measured.append((billed, make(billed, notes)))
    return assemble(measured, read.questions, prices, margin=margin, at=at, notes=notes)


def _different_questions(blocks: Sequence[Samples]) -> list[str]:
    """Say so where models or levels answered different questions."""
    answered = np.array([block.num_samples > 0 for block in blocks])
    number, common = answered.sum(axis=1), int(answered.all(axis=0).sum())
    if common == answered.shape[1]:
        return []
    span = f"{number.min()}" if number.min() == number.max() else f"{number.min()} to {number.max()}"
    cure = "keep the common ones with common_questions(table)" if common else "no number here compares like with like"
    return [
        f"models and levels answered {span} of {answered.shape[1]} questions each, and only {common} in common: they are "
        f"compared on different questions; {cure}"
    ]


def _full_price_cached(block: Samples, price: ListPrice) -> list[str]:
    """Say so where cached input tokens are charged in full, since no price of theirs is known."""
    read = float(np.nansum(block.cached_tokens))
    if read == 0 or not price.usd_per_million_input_tokens:
        return []
    return [
        f"{block.place}: {read:,.0f} of {np.nansum(block.input_tokens):,.0f} input tokens were read from a cache and are "
        "charged in full, for their price is not known; give usd_per_million_cached_tokens in the table of prices"
    ]


def _unknown_costs(block: Samples) -> list[str]:
    """Say so where a sample's cost was not recorded; refuse where none was."""
    present = ~np.isnan(block.correct)
    unknown = int((present & np.isnan(block.cost)).sum())
    if unknown == present.sum():
        raise InputError(f"{block.place}: no sample has a recorded cost (cost_usd); give a list price")
    if unknown == 0:
        return []
    return [
        f"{block.place}: the cost of {unknown} of {present.sum()} samples is not recorded; the mean of the others stands in"
    ]


def assemble(
    measured: Sequence[tuple[Samples, Sequence[Level]]],
    questions: tuple[str, ...],
    prices: PriceTable,
    *,
    margin: float = DEFAULT_MARGIN,
    at: date | None = None,
    notes: Sequence[str] = (),
) -> QuestionCurves:
    """Join the levels of all models. Providers keep the order of their first block, levels go from least to most tokens.

    Levels of a model whose log has several levels of its own are labelled ``own level x label``. Levels that no question
    measured are left out. Where a measured question's tokens are unknown, the mean of the level's known ones stands in.

    Args:
        measured: blocks of samples, each with the levels made of it.
        questions: names.
        prices: list prices by model and seller.
        margin: price / cost − 1.
        at: day of the queries, for dated prices.
        notes: what is already known to be noteworthy.

    Raises:
        InputError: a model has no price, no tokens, or no level that a question measured.
    """
    remarks = list(notes)
    names = list(dict.fromkeys(block.name for block, _ in measured))
    rows: list[list[Level]] = []
    lists: list[ListPrice] = []
    for name in names:
        own = [(block, levels) for block, levels in measured if block.name == name]
        price = prices.price(own[0][0].model, own[0][0].seller, at=at)
        lists.append(price)
        remarks.extend(price.warnings)
        priced_input = bool(price.usd_per_million_input_tokens)
        levels = []
        for block, made in own:
            for level in made:
                if np.isnan(level.correct).all():
                    remarks.append(f"{block.place}: no question can measure level {level.label}; it is left out")
                    continue
                label = level.label if len(own) == 1 or level.label == block.level else f"{block.level} x{level.label}"
                levels.append(_filled(level, label, block, priced_input, remarks))
        if not levels:
            raise InputError(
                f"{name}: no level is measured by any question; ask for fewer samples, or leave the model out"
            )
        rows.append(sorted(levels, key=lambda level: float(np.nanmean(level.output_tokens))))
    width = max(map(len, rows))
    arrays = np.full((4, len(questions), len(rows), width), np.nan)
    for i, levels in enumerate(rows):
        for k, level in enumerate(levels):
            arrays[:, :, i, k] = level.correct, level.output_tokens, level.input_tokens, level.surcharge
    answered = ~np.isnan(arrays[0])
    correct, output_tokens, input_tokens, surcharge = np.where(answered, arrays, 0.0)
    return QuestionCurves(
        correct=jnp.asarray(correct),
        output_tokens=jnp.asarray(output_tokens),
        input_tokens=jnp.asarray(input_tokens),
        answered=jnp.asarray(answered),
        mask=jnp.asarray(np.arange(width) < np.array([[len(levels)] for levels in rows])),
        price_per_million=jnp.array([price.usd_per_million_tokens for price in lists], float),
        input_price_per_million=jnp.array([price.usd_per_million_input_tokens or 0.0 for price in lists], float),
        surcharge=jnp.asarray(surcharge),
        margin=jnp.asarray(margin, float),
        providers=tuple(names),
        level_labels=tuple(tuple(level.label for level in levels) for levels in rows),
        questions=questions,
        notes=tuple(dict.fromkeys(remarks)),
    )


def _filled(level: Level, label: str, block: Samples, priced_input: bool, remarks: list[str]) -> Level:
    """The level with tokens wherever a question measured it."""
    measured = ~np.isnan(level.correct)
    unknown = measured & np.isnan(level.output_tokens)
    if unknown.sum() == measured.sum():
        raise InputError(
            f"{block.place}: no sample has billable_output_tokens, so that levels have no price; add the column to the log, "
            "or give a token counter to the reader"
        )
    if unknown.any():
        remarks.append(
            f"{block.place}, level {label}: tokens of {unknown.sum()} of {measured.sum()} questions are unknown; the mean of "
            "the others stands in"
        )
    given = level.input_tokens
    if np.isnan(given[measured]).all():
        given = np.zeros_like(given)
        if priced_input:
            remarks.append(
                f"{block.place}: input tokens are unknown and cost nothing here, though the vendor charges them"
            )
    extra = np.where(np.isnan(level.surcharge[measured]).all(), 0.0, level.surcharge)
    means = (_with_mean(values, measured) for values in (level.output_tokens, given, extra))
    return Level(label, level.correct, *means)


def _with_mean(values: Float[np.ndarray, " questions"], measured: np.ndarray) -> Float[np.ndarray, " questions"]:
    """Values of the measured questions, their mean where unknown; nan where not measured."""
    return np.where(measured, np.where(np.isnan(values), np.nanmean(values[measured]), values), np.nan)

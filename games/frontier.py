"""The market of commercial models: effort levels that vendors sell, their measured accuracy and what a query costs.

Three benchmarks of public evaluations, each reduced to one row per model and level: ``gpqa-diamond`` (science questions
written by experts), ``aider-polyglot`` (programming tasks, two tries) and ``aime-2025`` (competition mathematics). A query
costs output tokens × list price + input tokens × list price of input, or what was recorded where the benchmark recorded
it. Provenance, credit and licence stand in ``games/data/README.md`` and in each scenario's ``source``.

A level without a recorded cost, or without a count of tokens, is left out and counted.
"""

from functools import cache
from importlib.resources import as_file, files

import jax.numpy as jnp
import numpy as np
import pandas as pd

from games.errors import InputError, unknown_name
from games.market import DEFAULT_MARGIN, Market
from games.sampling.question_curves import QuestionCurves
from games.tables import read_table

PREFIX = "frontier/"
# The median price of one more correct answer over the effort steps that vendors sell, see ``price_of_accuracy``.
FRONTIER_VALUE_PER_CORRECT = {"gpqa-diamond": 3.0, "aider-polyglot": 0.6, "aime-2025": 0.25}
_CREDIT = {
    "gpqa-diamond": (
        "Epoch AI, 'AI Benchmarking Hub', epoch.ai/benchmarks, CC BY 4.0, reduced; list prices at run date from "
        "genai-prices 0.2.3"
    ),
    "aider-polyglot": "polyglot leaderboard of Aider-AI/aider, Apache-2.0, reduced; recorded cost of both tries",
    "aime-2025": "eth-sri/matharena.ai, MIT, AIME 2025 I, reduced",
}


def frontier_names() -> tuple[str, ...]:
    """Names of the scenarios of commercial models, for ``load_scenario``.

    Example:
        >>> frontier_names()
        ('frontier/gpqa-diamond', 'frontier/aider-polyglot', 'frontier/aime-2025')
    """
    return tuple(PREFIX + benchmark for benchmark in FRONTIER_VALUE_PER_CORRECT)


def frontier_levels(name: str) -> pd.DataFrame:
    """The table behind a scenario of commercial models, one row per model and level, levels from least to most effort.

    Args:
        name: one of ``frontier_names()``.

    Returns:
        Columns ``model, provider, level_kind, level, questions, samples, errors, accuracy`` (of the samples that were
        scored), ``tokens`` and ``input_tokens`` (means per query; output as billed, thinking included),
        ``usd_per_query``, ``usd_per_million_tokens``, ``usd_per_million_input_tokens``, ``dated`` (day of the run) and
        ``left_out``: why the scenario does not hold the level, empty where it does.

    Raises:
        InputError: no such scenario; the text suggests the nearest name.

    Example:
        >>> table = frontier_levels("frontier/aider-polyglot")
        >>> table.left_out.value_counts().to_dict()
        {'no count of tokens': 29, '': 22, 'no recorded cost': 18}
    """
    benchmark = _benchmark(name)
    table = _data("frontier_levels.csv")
    table = table[table["benchmark"] == benchmark].drop(columns="benchmark").reset_index(drop=True)
    priced, counted = table["usd_per_query"] > 0, table["tokens"] > 0
    reasons = np.where(priced, np.where(counted, "", "no count of tokens"), "no recorded cost")
    return table.assign(left_out=reasons)


def frontier_market(name: str, *, margin: float = DEFAULT_MARGIN) -> Market:
    """The market behind a scenario of commercial models; every model is a provider.

    Args:
        name: one of ``frontier_names()``.
        margin: price / cost − 1. Vendors' costs are not public: 0.25 is the paper's assumption.

    Example:
        >>> market = frontier_market("frontier/gpqa-diamond")
        >>> market.num_providers, int(market.mask.sum()), market.level_labels[market.providers.index("gpt-5.1")]
        (31, 47, ('medium', 'high'))
    """
    table = frontier_levels(name)
    groups = [(str(model), rows) for model, rows in table[table["left_out"] == ""].groupby("model", sort=False)]

    def padded(column: str) -> np.ndarray:
        array = np.zeros((len(groups), max(len(rows) for _, rows in groups)))
        for i, (_, rows) in enumerate(groups):
            array[i, : len(rows)] = rows[column]
        return array

    price = jnp.asarray(padded("usd_per_query"))
    market = Market(
        accuracy=jnp.asarray(padded("accuracy")),
        tokens=jnp.asarray(padded("tokens")),
        price=price,
        cost=price,
        mask=jnp.asarray(padded("samples") > 0),
        providers=tuple(model for model, _ in groups),
        level_labels=tuple(tuple(rows["level"]) for _, rows in groups),
    )
    return market.with_margin(margin)


def frontier_source(name: str) -> str:
    """Credit and licence of a scenario of commercial models, and how many levels were left out.

    Example:
        >>> frontier_source("frontier/aime-2025")
        'eth-sri/matharena.ai, MIT, AIME 2025 I, reduced; left out: 2 of 16 levels (no recorded cost: 2)'
    """
    reasons = frontier_levels(name)["left_out"]
    counts = reasons[reasons != ""].value_counts()
    told = ", ".join(f"{reason}: {count}" for reason, count in counts.items())
    without = f"; left out: {counts.sum()} of {len(reasons)} levels ({told})" if len(counts) else ""
    return _CREDIT[_benchmark(name)] + without


def load_question_curves(name: str, *, margin: float = DEFAULT_MARGIN) -> QuestionCurves:
    """The curves behind a scenario question by question, for error bars; no texts of questions, only codes.

    Their market weighs questions alike; that of ``load_scenario`` weighs samples alike, as the published tables do. The two
    differ where samples of hard questions ended in an error: by less than 0.01 in accuracy. MathArena counts tokens per level
    only, so that there every question has its level's mean.

    Args:
        name: ``frontier/gpqa-diamond`` (198 questions) or ``frontier/aime-2025`` (15 questions).
        margin: price / cost − 1.

    Raises:
        InputError: no such scenario, or one that was published without its questions.

    Example:
        >>> curves = load_question_curves("frontier/gpqa-diamond")
        >>> curves.num_questions, curves.num_providers, int(curves.mask.sum())
        (198, 31, 47)
    """
    benchmark = _benchmark(name)
    questions = _data("frontier_questions.csv.gz")
    questions = questions[questions["benchmark"] == benchmark]
    if questions.empty:
        raise InputError(
            f"question curves of {name!r}: published without its questions; {PREFIX}gpqa-diamond and {PREFIX}aime-2025 "
            "have them, and the level table has counts of samples for a parametric bootstrap"
        )
    market = frontier_market(name, margin=margin)
    table = frontier_levels(name)
    columns = (table[c] for c in ("model", "level", "tokens", "input_tokens"))
    means = {(model, level): (output, given) for model, level, output, given in zip(*columns, strict=True)}
    place = {
        (model, level): (i, k)
        for i, (model, labels) in enumerate(zip(market.providers, market.level_labels, strict=True))
        for k, level in enumerate(labels)
    }
    codes = sorted(questions["question"].unique())
    shape = (len(codes), *market.mask.shape)
    correct, output, given, answered = np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape, bool)
    row_of = {code: q for q, code in enumerate(codes)}
    for key, rows in questions.groupby(["model", "level"], sort=False):
        model, level = (str(part) for part in key)
        if (model, level) not in place:
            continue
        i, k = place[model, level]
        q = rows["question"].map(row_of).to_numpy()
        scored = rows["samples"].to_numpy()
        answered[q, i, k] = scored > 0
        correct[q, i, k] = rows["correct"].to_numpy() / np.maximum(scored, 1)
        mean_output, mean_given = means[model, level]
        output[q, i, k] = rows["tokens"].fillna(mean_output)
        given[q, i, k] = rows["input_tokens"].fillna(mean_given)
    rates = table[table["left_out"] == ""].groupby("model", sort=False).first().loc[list(market.providers)]
    return QuestionCurves(
        correct=jnp.asarray(correct),
        output_tokens=jnp.asarray(output),
        input_tokens=jnp.asarray(given),
        answered=jnp.asarray(answered),
        mask=market.mask,
        price_per_million=jnp.asarray(rates["usd_per_million_tokens"].to_numpy(float)),
        input_price_per_million=jnp.asarray(rates["usd_per_million_input_tokens"].to_numpy(float)),
        margin=jnp.asarray(margin),
        providers=market.providers,
        level_labels=market.level_labels,
        questions=tuple(codes),
        notes=(frontier_source(name),),
    )


def price_of_accuracy(market: Market, *, baseline: float = 0.1) -> pd.DataFrame:
    """What one more correct answer costs at every step from a level to the next one of the same provider.

    Users gain from a step where a correct answer is worth more to them than Δprice / ((1 − baseline) · Δaccuracy): the value
    per correct answer at which q − p is the same on both sides, for quality linear in accuracy. The median over steps is the
    value at which half of the steps on sale are worth their price, and the default of the ``frontier/`` scenarios.

    Args:
        market: N providers.
        baseline: worth of any answer, as a fraction of a correct one.

    Returns:
        Columns ``provider, level, next_level, price_step`` (dollars per query), ``accuracy_step`` and ``usd_per_correct``:
        ``inf`` where the step costs more and gains nothing, 0 where it costs no more and loses nothing, ``nan`` where both
        fall.

    Example:
        >>> market = Market.from_arrays(accuracy=[[0.5, 0.7]], tokens=[[100, 1000]], price_per_million=20)
        >>> price_of_accuracy(market).usd_per_correct.round(6).tolist()
        [0.1]
    """
    rows = []
    for i, (name, labels) in enumerate(zip(market.providers, market.level_labels, strict=True)):
        for k in range(len(labels) - 1):
            dearer = float(market.price[i, k + 1] - market.price[i, k])
            better = float(market.accuracy[i, k + 1] - market.accuracy[i, k])
            if dearer > 0 and better > 0:
                cost = dearer / ((1 - baseline) * better)
            elif dearer > 0:
                cost = np.inf
            else:
                cost = 0.0 if better >= 0 else np.nan
            rows.append((name, labels[k], labels[k + 1], dearer, better, cost))
    columns = ["provider", "level", "next_level", "price_step", "accuracy_step", "usd_per_correct"]
    return pd.DataFrame(rows, columns=columns)


def _benchmark(name: str) -> str:
    if name not in frontier_names():
        raise unknown_name("frontier scenario", name, frontier_names())
    return name.removeprefix(PREFIX)


@cache
def _data(name: str) -> pd.DataFrame:
    with as_file(files("games") / "data" / name) as path:
        return read_table(path)

"""From the canonical table of generations to arrays: one block of questions × samples for each model and given level."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from games.errors import InputError, unknown_name
from games.logs.table import COLUMNS, LATER, Errored, refuse_duplicates, settle_unscored
from games.sampling.bills import Bill

_CELL = ["provider", "model", "level_kind", "level"]


@dataclass(frozen=True)
class Samples:
    """All samples of one model at one level of its log; nan where a question has fewer samples, or a value is unknown.

    Args:
        name: of the provider in a market.
        model: as in the table, for its price.
        seller: as in the table; ``None`` where unknown.
        level: as in the table.
        correct: 1 right, 0 wrong, ``[questions, samples]``.
        answer: a code, equal for equal answers; −1 for none.
        reward: score of a reward model.
        output_tokens: billable output tokens.
        input_tokens: tokens of the prompt.
        reasoning_tokens: thinking tokens.
        cost: recorded dollars.
        cached_tokens: those of the prompt that were read from a cache.
        bill: what samples cost beside tokens × list prices; None where that is nothing.
    """

    name: str
    model: str
    seller: str | None
    level: str
    correct: Float[np.ndarray, "questions samples"]
    answer: Int[np.ndarray, "questions samples"]
    reward: Float[np.ndarray, "questions samples"]
    output_tokens: Float[np.ndarray, "questions samples"]
    input_tokens: Float[np.ndarray, "questions samples"]
    reasoning_tokens: Float[np.ndarray, "questions samples"]
    cost: Float[np.ndarray, "questions samples"]
    cached_tokens: Float[np.ndarray, "questions samples"]
    bill: Bill | None = None

    def surcharge(self, most_tokens: float | int = np.inf) -> Float[np.ndarray, "questions samples"]:
        """Dollars of every sample beside tokens × list prices, where it is cut off after so many output tokens."""
        if self.bill is None:
            return np.zeros(self.output_tokens.shape)
        return self.bill.surcharge(np.minimum(self.output_tokens, most_tokens))

    @property
    def num_samples(self) -> Int[np.ndarray, " questions"]:
        """Samples of each question."""
        return (~np.isnan(self.correct)).sum(axis=1)

    @property
    def place(self) -> str:
        """Model and level, for messages."""
        return _place(self.name, self.level)


@dataclass(frozen=True)
class SampleBlocks:
    """All blocks of a table.

    Args:
        questions: names, in the order in which the table first has them.
        blocks: one for each model and level; those of a model need not be neighbours.
        notes: what became of samples without a score.
    """

    questions: tuple[str, ...]
    blocks: tuple[Samples, ...]
    notes: tuple[str, ...]


def sample_blocks(table: pd.DataFrame, *, benchmark: str | None = None, errored: Errored = "drop") -> SampleBlocks:
    """Arrange the canonical table by question and sample.

    Args:
        table: one row per generation, as ``games.logs.logs_table`` makes it.
        benchmark: which one to take where the table holds several.
        errored: ``"drop"`` leaves samples without a score out, ``"wrong"`` counts them as wrong answers.

    Raises:
        InputError: not the canonical table, several benchmarks and none named, duplicates, or no scored sample.

    Example:
        >>> from games.logs import logs_table
        >>> table = logs_table({"question_id": ["a", "a", "b"], "model": "Ada", "correct": [1, 0, None]})
        >>> found = sample_blocks(table, errored="wrong")
        >>> found.questions, found.blocks[0].correct.tolist(), found.notes
        (('a', 'b'), [[1.0, 0.0], [0.0, nan]], ('Ada: 1 of 3 samples failed or have no score; they count as wrong',))
    """
    missing = [column for column in COLUMNS if column not in table.columns and column not in LATER]
    if missing:
        raise InputError(f"samples: column {missing[0]!r} is missing; build the table with games.logs.logs_table")
    if errored not in ("drop", "wrong"):
        raise InputError(f"samples: errored is {errored!r}; curves need 'drop' or 'wrong'")
    table = _one_benchmark(table.reset_index(drop=True), benchmark)
    refuse_duplicates(table)
    keys = _cells(table)
    notes = _unscored_notes(table, keys, errored)
    table = settle_unscored(table.assign(_cell=keys["cell"]), errored)
    if table.empty:
        raise InputError(
            "samples: no sample has a score; fill the column 'correct', or count unscored samples as wrong"
        )
    question, questions = pd.factorize(table["question_id"])
    position = table.groupby(["_cell", "question_id"], sort=False).cumcount().to_numpy()
    cell = table["_cell"].to_numpy()
    described = keys.drop_duplicates("cell").set_index("cell")
    blocks = []
    for code in pd.unique(cell):
        rows = np.flatnonzero(cell == code)
        shape = (len(questions), int(position[rows].max()) + 1)
        name, model, seller, level = described.loc[code, ["name", "model", "provider", "label"]]
        blocks.append(_block(table.iloc[rows], (question[rows], position[rows]), shape, (name, model, seller, level)))
    return SampleBlocks(tuple(map(str, questions)), tuple(blocks), notes)


def _one_benchmark(table: pd.DataFrame, benchmark: str | None) -> pd.DataFrame:
    """The rows of one benchmark; refuses to guess where there are several."""
    known = table["benchmark"].unique().tolist()
    if benchmark is None:
        if len(known) > 1:
            raise InputError(f"samples: holds several benchmarks ({', '.join(known)}); name one with benchmark")
        return table
    if benchmark not in known:
        raise unknown_name("benchmark", benchmark, known)
    return table[table["benchmark"] == benchmark].reset_index(drop=True)


def _cells(table: pd.DataFrame) -> pd.DataFrame:
    """For every row: the number of its model and level, the provider's name, and the level's label.

    A model that several sell is named after its seller too, a level that several kinds of level share after its kind.
    """
    cells = table[_CELL].astype(object).where(table[_CELL].notna(), None)
    cells = cells.assign(cell=cells.groupby(_CELL, dropna=False, sort=False).ngroup())
    distinct = cells.drop_duplicates("cell")
    sellers = distinct.drop_duplicates(["model", "provider"]).groupby("model")["model"].transform("size")
    several = set(distinct.loc[sellers.index[sellers > 1], "model"])
    name = np.where(
        distinct["model"].isin(several),
        distinct["model"] + " (" + distinct["provider"].fillna("unknown seller").astype(str) + ")",
        distinct["model"],
    )
    shared = distinct.assign(name=name).duplicated(["name", "level"], keep=False)
    label = np.where(shared, distinct["level_kind"] + " " + distinct["level"], distinct["level"])
    described = distinct.assign(name=name, label=label).set_index("cell")[["name", "label"]]
    return cells.join(described, on="cell")


def _unscored_notes(table: pd.DataFrame, keys: pd.DataFrame, errored: Errored) -> tuple[str, ...]:
    """How many samples of each model and level have no score, and what becomes of them."""
    outcome = "they are left out" if errored == "drop" else "they count as wrong"
    unscored = table["correct"].isna().groupby(keys["cell"], sort=False).agg(["sum", "size"])
    notes = []
    for code, row in unscored[unscored["sum"] > 0].iterrows():
        first = keys[keys["cell"] == code].iloc[0]
        place = _place(first["name"], first["label"])
        notes.append(f"{place}: {row['sum']} of {row['size']} samples failed or have no score; {outcome}")
    return tuple(notes)


def _block(
    rows: pd.DataFrame,
    index: tuple[np.ndarray, np.ndarray],
    shape: tuple[int, int],
    names: tuple[str, str, str | None, str],
) -> Samples:
    """The samples of one model and level."""

    def spread(values: np.ndarray) -> np.ndarray:
        result = np.full(shape, np.nan)
        result[index] = values
        return result

    def numbers(column: str) -> np.ndarray:
        return spread(rows[column].to_numpy(dtype=float, na_value=np.nan))

    name, model, seller, level = names
    answer = np.full(shape, -1)
    answer[index] = pd.factorize(rows["answer"])[0]
    return Samples(
        name=name,
        model=model,
        seller=seller,
        level=level,
        correct=numbers("correct"),
        answer=answer,
        reward=numbers("reward"),
        output_tokens=numbers("billable_output_tokens"),
        input_tokens=numbers("input_tokens"),
        reasoning_tokens=numbers("reasoning_tokens"),
        cost=numbers("cost_usd"),
        cached_tokens=numbers("cached_tokens") if "cached_tokens" in rows else spread(np.full(len(rows), np.nan)),
    )


def _place(name: str, level: str) -> str:
    return name if level == "default" else f"{name} at {level}"

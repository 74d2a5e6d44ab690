"""Questions that all models and levels answered."""

import numpy as np
import pandas as pd

from games.errors import InputError
from games.logs.table import CELL, Errored, settle_unscored


def common_questions(table: pd.DataFrame, *, errored: Errored = "drop") -> pd.DataFrame:
    """The rows of the questions that every model answered at every level, benchmark by benchmark.

    Models that answered different questions are compared on those, and a harder set looks like a weaker model.

    Args:
        table: the canonical table.
        errored: what becomes of generations without a score: with ``"drop"`` a question counts as answered where one has a
            score, else where there is any.

    Raises:
        InputError: no question of a benchmark was answered by all.

    Example:
        >>> from games.logs import logs_table
        >>> table = logs_table({"question_id": ["a", "b", "b", "c"], "model": ["Ada", "Ada", "Bell", "Bell"], "correct": 1})
        >>> common_questions(table)[["question_id", "model"]].values.tolist()
        [['b', 'Ada'], ['b', 'Bell']]
    """
    answered = settle_unscored(table, errored)
    keep = np.zeros(len(table), bool)
    for benchmark, rows in answered.groupby("benchmark", sort=False):
        cells = rows.groupby(list(CELL), dropna=False, sort=False).ngroup()
        number = cells.groupby(rows["question_id"], sort=False).nunique()
        common = number.index[number == cells.nunique()]
        if common.empty:
            raise InputError(
                f"benchmark {benchmark}: no question was answered by all {cells.nunique()} models and levels; leave the models "
                "out that answered others"
            )
        keep |= ((table["benchmark"] == benchmark) & table["question_id"].isin(common)).to_numpy(dtype=bool)
    return table[keep].reset_index(drop=True)

"""Seconds to read logs at full size, and whether their aggregate is the published one.

    python benchmarks/ingest.py SAMPLES.csv.gz [LEVELS.csv]

SAMPLES: one row per generation, columns benchmark, question_id, provider, model, level_kind, level, epoch, correct,
answer_code, input_tokens, reasoning_tokens, billable_output_tokens. LEVELS: per model and level n_questions, n_samples,
n_error_samples, n_correct, accuracy (4 decimals) and mean tokens (1 decimal). Without SAMPLES, logs are made up.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.timing import show
from games.logs import CELL, convert_logs, read_logs, read_table

COLUMNS = {"sample_index": "epoch", "answer": "answer_code"}
LEVEL = ("benchmark", "model", "level_kind", "level")
MEANS = ("input_tokens", "billable_output_tokens", "reasoning_tokens")


def main(samples: str | Path | None = None, levels: str | Path | None = None, *, rows: int = 100_000) -> None:
    """Print seconds of reading and converting and, where LEVELS is given, the largest differences from it."""
    with tempfile.TemporaryDirectory() as folder:
        if samples is None:
            samples = invented(Path(folder, "invented.csv.gz"), rows)
        start = time.perf_counter()
        logs = read_logs(samples, columns=COLUMNS, errored="keep")
        reading = time.perf_counter() - start
        output = Path(folder, "market.parquet")
        start = time.perf_counter()
        convert_logs(samples, output, columns=COLUMNS, errored="keep")
        converting = time.perf_counter() - start
        pd.testing.assert_frame_equal(read_table(output), logs.table)
    print(logs.report)
    show("Ingestion", ["", "seconds"], [["read", f"{reading:.2f}"], ["to Parquet", f"{converting:.2f}"]])
    if levels is not None:
        differences = compare(aggregate(logs.table), pd.read_csv(levels, dtype={"level": str}))
        show("Against the published levels", ["column", "largest difference", "rounding"], differences)


def aggregate(table: pd.DataFrame) -> pd.DataFrame:
    """Counts, accuracy and mean tokens per model and level; failed and unscored generations do not count as wrong."""
    groups = table.groupby(list(CELL), dropna=False, sort=False)
    frame = groups.agg(
        n_questions=("question_id", "nunique"),
        n_samples=("correct", "size"),
        n_scored=("correct", "count"),
        n_correct=("correct", "sum"),
        **{f"mean_{name}": (name, "mean") for name in MEANS},
    ).reset_index()
    return frame.assign(
        n_error_samples=frame["n_samples"] - frame["n_scored"], accuracy=frame["n_correct"] / frame["n_scored"]
    )


def compare(ours: pd.DataFrame, published: pd.DataFrame) -> list[list[str]]:
    """Largest difference per column, and the half unit of the last digit that it may have; raises where it is more."""
    both = ours.merge(published, on=list(LEVEL), suffixes=("", "_published"), validate="one_to_one")
    if len(both) != len(ours):
        raise ValueError(f"{len(ours) - len(both)} levels are not in the published table")
    rows = []
    for name in ("n_questions", "n_samples", "n_error_samples", "n_correct", "accuracy", *(f"mean_{m}" for m in MEANS)):
        rounding = 0.0 if name.startswith("n_") else 0.00005 if name == "accuracy" else 0.05
        one, other = (both[c].to_numpy(dtype=float, na_value=np.nan) for c in (name, f"{name}_published"))
        if (np.isnan(one) != np.isnan(other)).any():
            raise ValueError(f"{name} is missing on one side only")
        largest = float(np.nanmax(np.abs(one - other), initial=0.0))
        rows.append([name, f"{largest:.2g}", f"{rounding:g}"])
        if largest > rounding * (1 + 1e-6) + 1e-9 * np.nanmax(np.abs(other), initial=0.0) * (rounding > 0):
            raise ValueError(f"{name}: differs by {largest:g}, more than the rounding of {rounding:g}")
    return rows


def invented(path: Path, rows: int) -> Path:
    """Made-up logs in the same columns."""
    key = np.random.default_rng(0)
    number = np.arange(rows)
    pd.DataFrame(
        {
            "benchmark": "invented",
            "question_id": [f"q{k:05}" for k in number // 8 % 1000],
            "provider": "Acme",
            "model": [f"model-{k}" for k in number // 8000],
            "level_kind": "default",
            "level": "default",
            "epoch": number % 8,
            "correct": key.integers(0, 2, rows),
            "answer_code": key.integers(0, 4, rows),
            "input_tokens": 300,
            "reasoning_tokens": key.integers(0, 500, rows),
            "billable_output_tokens": key.integers(500, 2000, rows),
        }
    ).to_csv(path, index=False)
    return path


if __name__ == "__main__":
    main(*sys.argv[1:3])

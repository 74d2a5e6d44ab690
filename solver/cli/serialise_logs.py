"""JSON of the commands on evaluation logs."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from games.market_file import MarketFile
from games.prices import ListPrice
from games.sampling.question_curves import QuestionCurves
from solver.cli.serialise import Document, new_document

if TYPE_CHECKING:
    import xarray as xr


def ingest_document(path: Path, made: MarketFile, curves: Mapping[str, QuestionCurves]) -> Document:
    """JSON of ``ttc-games ingest``."""
    assert made.report is not None
    read = made.report.as_dict()
    return new_document(
        "ingest",
        {
            "file": str(path),
            **{name: read[name] for name in ("rows", "errored", "unscored", "dropped", "bad_lines")},
            "files": read["files"],
            "read": read["levels"],
            "errored_as": made.errored,
            "margin": made.margin,
            "level_kind": made.levels.kind,
            "numbers": list(made.levels.numbers),
            "prices": [_price(price) for price in made.prices.prices],
            "benchmarks": [
                {
                    "benchmark": name,
                    "num_questions": each.num_questions,
                    "providers": list(each.providers),
                    "num_levels": [len(labels) for labels in each.level_labels],
                }
                for name, each in curves.items()
            ],
            "warnings": list(dict.fromkeys([*read["warnings"], *(note for c in curves.values() for note in c.notes)])),
        },
    )


def _price(price: ListPrice) -> Document:
    return {
        "model": price.model,
        "provider": price.provider,
        "usd_per_million_tokens": price.usd_per_million_tokens,
        "usd_per_million_input_tokens": price.usd_per_million_input_tokens,
        "usd_per_million_cached_tokens": price.usd_per_million_cached_tokens,
        "dated": None if price.dated is None else price.dated.isoformat(),
        "source": price.source,
        "recorded": price.recorded,
    }


def curves_document(name: str, source: str, curves: QuestionCurves, intervals: "xr.Dataset") -> Document:
    """JSON of ``ttc-games curves``."""
    price = np.asarray(curves.market().price)
    return new_document(
        "curves",
        {
            "market": name,
            "source": source,
            "confidence": float(intervals.attrs["level"]),
            "num_questions": curves.num_questions,
            "curves": [
                {
                    "provider": provider,
                    "usd_per_million_tokens": float(curves.price_per_million[i]),
                    "usd_per_million_input_tokens": float(curves.input_price_per_million[i]),
                    "measured": [_level(intervals, i, k, label, price[i, k]) for k, label in enumerate(labels)],
                }
                for i, (provider, labels) in enumerate(zip(curves.providers, curves.level_labels, strict=True))
            ],
            "warnings": list(curves.notes),
        },
    )


def _level(intervals: "xr.Dataset", i: int, k: int, label: str, price: Any) -> Document:
    known = int(intervals.num_questions[i, k]) > 1
    return {
        "level": label,
        "accuracy": float(intervals.accuracy[i, k]),
        "accuracy_interval": intervals.accuracy_interval.values[i, k].tolist() if known else None,
        "tokens": float(intervals.tokens[i, k]),
        "tokens_interval": intervals.tokens_interval.values[i, k].tolist() if known else None,
        "price": float(price),
        "num_answered": int(intervals.num_questions[i, k]),
        "effective_answers": float(intervals.effective_answers[i, k]),
    }

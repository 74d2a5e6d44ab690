"""Levels that a flat table holds in a column of its own or within another one: read where asked for, never pooled silently."""

import json

import pandas as pd
import pytest

from games import InputError
from games.logs import convert_logs, read_logs
from games.logs.efforts import NAMES

EFFORTS = ("low", "high")


def records(cell):
    """One model at two efforts, two questions each, and one of a single effort."""
    rows = [("Ada", effort, q) for effort in EFFORTS for q in ("a", "b")] + [("Bell", "low", "a")]
    return [
        {"question_id": q, "model": model, "correct": 1, "billable_output_tokens": 9, "sample_index": k} | cell(effort)
        for k, (model, effort, q) in enumerate(rows)
    ]


def written(path, rows):
    if path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    elif path.suffix == ".parquet":
        pd.DataFrame(rows).to_parquet(path)
    else:
        frame = pd.DataFrame(rows)
        if "metadata" in frame:
            frame["metadata"] = frame["metadata"].map(json.dumps)
        frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_a_column_of_efforts_is_not_pooled_silently(name, tmp_path):
    path = written(tmp_path / "runs.csv", records(lambda effort: {name: effort}))
    told = read_logs(path).report.warnings
    assert told == (
        f"column '{name}' holds several efforts of one model (Ada: low, high), which are pooled into one level; read them as "
        f"levels with columns={{'level': '{name}'}}",
    )
    logs = read_logs(path, columns={"level": name})
    assert logs.report.warnings == ()
    assert logs.table["level"].tolist() == ["low", "low", "high", "high", "low"]
    assert read_logs(path, constants={"level": "all"}).report.warnings == ()


def test_efforts_in_files_and_pieces_of_their_own(tmp_path):
    """One file an effort, read row by row: the same model all the same. One effort a model is nothing to warn of."""
    rows = records(lambda effort: {"effort": effort})
    written(tmp_path / "a.csv", rows[:2])
    written(tmp_path / "b.jsonl", rows[2:])
    report = convert_logs(tmp_path, tmp_path / "m.parquet", chunk_rows=1)
    assert len([text for text in report.warnings if "several efforts of one model (Ada: low, high)" in text]) == 1
    assert read_logs(tmp_path / "a.csv").report.warnings == ()


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (("low", "high"), ("low", "high")),
        ((1024, 4096), ("1024", "4096")),
        ((0.5, 2.0), ("0.5", "2")),
        ((False, True), ("False", "True")),
    ],
)
def test_fields_within_fields_whatever_their_type(kind, values, labels, tmp_path):
    of = dict(zip(EFFORTS, values, strict=True))
    rows = records(lambda effort: {"metadata": {"run": {"reasoning_effort": of[effort]}}})
    path = written(tmp_path / f"runs.{kind}", rows)
    assert any("'metadata.run.reasoning_effort' holds several efforts" in w for w in read_logs(path).report.warnings)
    for chunk in (1, 1000):
        convert_logs(
            path, tmp_path / "out.parquet", columns={"level": "metadata.run.reasoning_effort"}, chunk_rows=chunk
        )
        level = read_logs(tmp_path / "out.parquet").table["level"].tolist()
        assert level == [labels[0]] * 2 + [labels[1]] * 2 + [labels[0]]


def test_lists_and_blanks_within_fields(tmp_path):
    rows = records(lambda effort: {"metadata": {"tags": [effort, 1]}, "cost": {"usd": 0.5}})
    rows[1]["cost"] = None
    logs = read_logs(written(tmp_path / "r.jsonl", rows), columns={"level": "metadata.tags", "cost_usd": "cost.usd"})
    assert logs.table["level"].iloc[0] == '["low", 1]'
    assert logs.table["cost_usd"].isna().tolist() == [False, True, False, False, False]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_wrong_path_is_named_with_the_nearest(kind, tmp_path):
    path = written(tmp_path / f"runs.{kind}", records(lambda effort: {"metadata": {"effort": effort}}))
    for column in ("level", "reward"):
        with pytest.raises(
            InputError, match=r"wants \w+ from 'metadata\.efort', which is not there .*'metadata\.effort'"
        ):
            read_logs(path, columns={column: "metadata.efort"})

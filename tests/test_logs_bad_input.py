"""Damaged and wrong logs are refused with the file, the line and the remedy, and nothing is left half-written."""

import json
import random
import sys
import zipfile
from pathlib import Path

import jaxtyping
import pandas as pd
import pytest

from games import InputError
from games.logs import convert_logs, logs_table, read_logs, read_report, read_table, refuse_duplicates, write_table
from games.logs.zip_zstd import read_members

FIXTURES = Path(__file__).parent / "fixtures" / "logs"
SAMPLES = "samples_sums_2026-01-01T00-00-00.000000.jsonl"
EVAL = (FIXTURES / "effort-low.eval").read_bytes()
LOG = json.loads((FIXTURES / "thinking-apart.json").read_text("utf-8"))
CSV = "question_id,model,sample_index,correct,billable_output_tokens\n"
ROW = {"question_id": "a", "model": "Ada", "sample_index": 0, "correct": 1, "billable_output_tokens": 9}


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def lines(*rows) -> bytes:
    return "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows).encode()


def changed(**parts) -> bytes:
    return json.dumps({**LOG, **parts}).encode()


def scored(value) -> bytes:
    return changed(samples=[{**LOG["samples"][0], "scores": {"graded": {"value": value}}}])


MAP = {"columns": {"sample_index": "epoch"}}
LM_EVAL = {"scorer": lambda response, document: True, "count_tokens": len}
DOCUMENT = {"doc_id": 0, "resps": [["It is 5"]], "filtered_resps": ["5"], "filter": "none", "target": "5"}

# What is wrong: the file's name and contents, options, what the message says of the place and of the remedy.
FILES = {
    "zip cut off": ("log.eval", EVAL[: len(EVAL) // 2], {}, "log.eval: the zip archive is damaged or cut off", "copy"),
    "zip damaged": (
        "log.eval",
        flipped(EVAL, 150),
        {},
        "log.eval: the zip archive is damaged or cut off (header",
        "copy",
    ),
    "zip is none": ("log.eval", b"hello", {}, "log.eval: the zip archive is damaged or cut off (File is not", "copy"),
    "gzip cut off": ("runs.csv.gz", b"\x1f\x8b\x08\x00abc", {}, "runs.csv.gz, after line 0: the gzip file is", "copy"),
    "Parquet cut off": ("runs.parquet", b"PAR1abcd", {}, "runs.parquet: not a readable Parquet file", "write or copy"),
    "Latin-1": (
        "runs.csv",
        (CSV + "a,Ada,0,1,9\nb,Adä,0,1,9\n").encode("latin-1"),
        {},
        "runs.csv, line 3: byte 0xe4 at column 5 is not UTF-8",
        "save the file as UTF-8",
    ),
    "Latin-1 in a JSON log": (
        "log.json",
        b'{"eval":\n "\xe4"}',
        {},
        "log.json, line 2: byte 0xe4 is not UTF-8",
        "copy",
    ),
    "UTF-16": (
        "runs.jsonl",
        json.dumps(ROW).encode("utf-16"),
        {},
        "runs.jsonl: is UTF-16, not UTF-8",
        "save it as UTF-8",
    ),
    "garbage": (
        "runs.jsonl",
        lines(ROW, "", "{]", ROW),
        {},
        "runs.jsonl, line 3: not JSON (Expecting property name",
        "bad_lines='count'",
    ),
    "not an object": ("runs.jsonl", lines(ROW, "[1]"), {}, "runs.jsonl, line 2: a JSON list, not an object", "mend"),
    "nested": ("runs.jsonl", lines(ROW, "[" * 10**5), {}, "runs.jsonl, line 2: not JSON", "mend the line"),
    "garbage in a JSON log": ("log.json", b'{"eval":\n oops}', {}, "log.json, line 2: not JSON", "copy the log again"),
    "mixed types": (
        "runs.jsonl",
        lines(ROW, {**ROW, "sample_index": 1, "billable_output_tokens": "many"}),
        {},
        "runs.jsonl, line 2: billable_output_tokens is many",
        "it must be a finite number, not negative",
    ),
    "a flag for a count": (
        "runs.jsonl",
        lines(ROW, {**ROW, "sample_index": True}),
        {},
        "runs.jsonl, line 2: sample_index is True",
        "whole number",
    ),
    "partial score": (
        "runs.jsonl",
        lines(ROW, {**ROW, "sample_index": 1, "correct": 0.5}),
        {},
        "runs.jsonl, line 2: correct is 0.5",
        "threshold",
    ),
    "score out of range": (
        "runs.jsonl",
        lines({**ROW, "correct": 7}),
        {"threshold": 0.5},
        "runs.jsonl, line 1: correct is 7",
        "it must lie within [0, 1], as the threshold 0.5 does; give one on the scale of the scores",
    ),
    "a score without a threshold": (
        "runs.jsonl",
        lines({**ROW, "correct": 7}),
        {},
        "runs.jsonl, line 1: correct is 7",
        "for other scores say from which threshold on they are right",
    ),
    "a word without a meaning": (
        "runs.jsonl",
        lines({**ROW, "correct": "great"}),
        {"threshold": 0.5},
        "runs.jsonl, line 1: correct is great",
        "it must be 1 or 0, true or false, yes or no, correct or incorrect",
    ),
    "no column of scores": (
        "runs.jsonl",
        lines({k: v for k, v in ROW.items() if k != "correct"} | {"grade": 10}),
        {},
        "runs.jsonl: no usable generation (1 row read, 0 failed, 1 not scored, 0 bad lines); no column 'correct', found are",
        "say which one it is with columns={'correct': ...}, and for scores from where on they are right with threshold=",
    ),
    "no column of scores, counted as wrong": (
        "runs.jsonl",
        lines({k: v for k, v in ROW.items() if k != "correct"}),
        {"errored": "wrong"},
        "Ada: none of 1 generation has a score, and counted as wrong they would make a level that is right in 0 %",
        "say which one it is with columns={'correct': ...}",
    ),
    "one model unscored, counted as wrong": (
        "runs.csv",
        (CSV + "a,Ada,0,1,9\na,Bell,0,,9\n").encode(),
        {"errored": "wrong"},
        "Bell: none of 1 generation has a score",
        "score them first",
    ),
    "all failed": (
        "runs.csv",
        (CSV.replace("correct", "correct,error") + "a,Ada,0,,lost,9\n").encode(),
        {},
        "runs.csv: no usable generation (1 row read, 1 failed, 0 not scored, 0 bad lines)",
        "check why they failed, or count failures with errored='wrong'",
    ),
    "no question": (
        "runs.csv",
        (CSV + "a,Ada,0,1,9\n,Ada,0,1,9\n").encode(),
        {},
        "runs.csv, line 3: question_id is missing",
        "give every row one",
    ),
    "no model column": (
        "runs.jsonl",
        lines({"question_id": "a"}),
        {},
        "runs.jsonl: no column 'model'",
        "columns={'model'",
    ),
    "duplicates": (
        "runs.csv",
        (CSV + "a,Ada,0,1,9\nb,Ada,0,1,9\na,Ada,0,0,7\n").encode(),
        {},
        "runs.csv, line 4: the same sample (question, sample_index, model, level) as ",
        "duplicates='renumber'",
    ),
    "duplicates in a log": (
        "log.json",
        changed(samples=[LOG["samples"][0], LOG["samples"][1], LOG["samples"][0]]),
        {},
        "log.json, sample 3: the same sample (question, sample_index, model, level) as ",
        "duplicates='renumber'",
    ),
    "unknown column in the file": (
        "runs.csv",
        (CSV.replace("sample_index", "epochs") + "a,Ada,0,1,9\n").encode(),
        MAP,
        "runs.csv: the column map wants sample_index from 'epoch', which is not there",
        "did you mean 'epochs'",
    ),
    "unknown field of the objects": (
        "runs.jsonl",
        lines(ROW),
        MAP,
        "runs.jsonl: the column map wants sample_index from 'epoch', which is not there",
        "known are",
    ),
    "unknown column of the table": (
        "runs.csv",
        CSV.encode(),
        {"columns": {"samples_index": "epoch"}},
        "unknown column of the logs table, in columns 'samples_index'",
        "did you mean 'sample_index'",
    ),
    "thinking for the bill": (
        "runs.csv",
        (CSV + "a,Ada,0,1,9\n").replace("billable_output", "reasoning").encode(),
        {"columns": {"billable_output_tokens": "reasoning_tokens"}},
        "runs.csv: thinking tokens alone are never the bill",
        "map billable_output_tokens to all output tokens",
    ),
    "header only": (
        "runs.csv",
        CSV.encode(),
        {},
        "runs.csv: no usable generation (0 rows read",
        "check that the files",
    ),
    "all unscored": (
        "runs.csv",
        (CSV + "a,Ada,0,,9\n").encode(),
        {},
        "runs.csv: no usable generation (1 row read, 0 failed, 1 not scored, 0 bad lines)",
        "score them first, or check that the files are logs with scores",
    ),
    "all lines bad": (
        "runs.jsonl",
        b"oops\n\nalas\n",
        {"bad_lines": "count"},
        "runs.jsonl: no usable generation (0 rows read, 0 failed, 0 not scored, 2 bad lines)",
        "runs.jsonl, line 1: not JSON",
    ),
    "empty": ("runs.csv", b"", {}, "runs.csv: the file is empty", "leave it out"),
    "ragged": ("runs.csv", (CSV + "a,Ada,0,1\n").encode(), {}, "runs.csv, line 2: has 4 fields, the header 5", "mend"),
    "quote left open": (
        "runs.csv",
        (CSV + 'a,Ada,0,1,"9\n').encode(),
        {},
        "runs.csv, line 2: not CSV",
        "double quotes",
    ),
    "column twice": ("runs.csv", b"model,question_id,model\n", {}, "runs.csv, line 1: column 'model' stands", "rename"),
    "unknown kind": ("runs.xlsx", b"x", {}, "runs.xlsx: cannot tell what kind of log", "one of csv, jsonl"),
    "unknown format": ("runs.csv", b"x", {"format": "cvs"}, "unknown format of logs 'cvs'", "did you mean 'csv'"),
    "no eval": ("log.json", b'{"results": 1}', {}, "log.json: no log of Inspect AI", "check the file"),
    "no samples": ("log.json", changed(samples=None), {}, "log.json: holds no samples", "log_samples off"),
    "sample without epoch": ("log.json", changed(samples=[{"id": 1}]), {}, "log.json, sample 1: has no id or", "check"),
    "half right": ("log.json", scored("P"), {}, "log.json, sample 1: correct is 0.5", "threshold"),
    "unknown grade": (
        "log.json",
        scored("great"),
        {},
        "log.json, sample 1: correct is great",
        "it must be 1 or 0, true",
    ),
    "score in parts": ("log.json", scored({"a": 1}), {}, "log.json, sample 1: score graded has the parts a", "score="),
    "score is a list": ("log.json", scored([1, 0]), {}, "log.json, sample 1: score graded is a list", "single values"),
    "unknown score": ("log.json", scored(1), {"score": "grade"}, "log.json, sample 1: unknown score", "mean 'graded'"),
    "usage is a list": (
        "log.json",
        changed(samples=[{**LOG["samples"][0], "model_usage": [1]}]),
        {},
        "1: model_usage is",
        "check",
    ),
    "plan is a word": ("log.json", changed(plan="x"), {}, "log.json: plan is 'x', not an object", "check the log"),
    "empty objects": ("runs.jsonl", b"{}", {"format": "jsonl"}, "runs.jsonl: no column 'question_id'", "columns="),
    "several scores": (
        "log.json",
        changed(samples=[{**LOG["samples"][0], "scores": {"a": {"value": 1}, "b": {"value": 1}}}]),
        {},
        "log.json, sample 1: has several scores (a, b)",
        "name one with score=",
    ),
    "usage is text": (
        "log.json",
        changed(samples=[{**LOG["samples"][0], "model_usage": {"mockllm/bell": {"output_tokens": "x"}}}]),
        {},
        "log.json, sample 1: output_tokens is x",
        "it must be a finite number",
    ),
    "lm-eval without functions": (
        SAMPLES,
        (FIXTURES / SAMPLES).read_bytes(),
        {},
        f"{SAMPLES}: a log of lm-eval holds no token counts and one score per document",
        "scorer=lambda response, document",
    ),
    "lm-eval without a model": (SAMPLES, lines(DOCUMENT), LM_EVAL, "does not say which model", "constants={'model'"),
    "lm-eval, two filters": (
        SAMPLES,
        (FIXTURES / SAMPLES).read_bytes(),
        {**LM_EVAL, "constants": {"model": "ada"}},
        f"{SAMPLES}, line 5: the documents stand there under several filters (first, vote)",
        "name one with filter=",
    ),
    "lm-eval, unknown filter": (
        SAMPLES,
        (FIXTURES / SAMPLES).read_bytes(),
        {**LM_EVAL, "constants": {"model": "ada"}, "filter": "votes"},
        f"{SAMPLES}: unknown filter 'votes'",
        "did you mean 'vote'",
    ),
    "lm-eval, choices": (
        SAMPLES,
        lines({**DOCUMENT, "resps": [[["-1.0", "False"]], [["-2.0", "False"]]]}),
        {**LM_EVAL, "constants": {"model": "ada"}},
        f"{SAMPLES}, line 1: holds log-likelihoods of choices",
        "only generation tasks",
    ),
    "lm-eval, garbage": (
        SAMPLES,
        lines(DOCUMENT, "oops"),
        {**LM_EVAL, "constants": {"model": "ada"}},
        f"{SAMPLES}, line 2: not JSON",
        "bad_lines='count'",
    ),
    "a bad line of the paper's": (
        "paper.jsonl",
        lines({"qid": 1, "correct": [1], "model_name": "a"}, {"qid": 2, "correct": [1], "model_name": None}),
        {"bad_lines": "refuse"},
        "paper.jsonl, line 2: model_name is missing",
        "bad_lines='count'",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_the_message_names_place_and_remedy_and_nothing_is_written(case, tmp_path):
    name, contents, options, place, remedy = FILES[case]
    path, output = tmp_path / name, tmp_path / "out" / "market.parquet"
    path.write_bytes(contents)
    output.parent.mkdir()
    output.write_bytes(b"what was there before")
    with pytest.raises(InputError) as caught:
        convert_logs(path, output, **options)
    message = str(caught.value)
    assert place in message
    assert remedy in message
    assert "\n" not in message
    assert output.read_bytes() == b"what was there before"
    assert [file.name for file in output.parent.iterdir()] == ["market.parquet"]
    with pytest.raises(InputError) as again:
        read_logs(path, **options)
    assert str(again.value) == message


def test_an_error_in_the_last_file_leaves_nothing(tmp_path):
    """Pieces were written to the temporary file by then."""
    (tmp_path / "a.csv").write_text(CSV + "".join(f"q{k},Ada,0,1,9\n" for k in range(50)))
    (tmp_path / "b.csv").write_text(CSV + "q3,Ada,0,1,9\n")
    output = tmp_path / "market.parquet"
    with pytest.raises(InputError, match=r"b\.csv, line 2: the same sample .* as .*a\.csv, line 5"):
        convert_logs([tmp_path / "a.csv", tmp_path / "b.csv"], output, chunk_rows=10)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.csv", "b.csv"]


def test_an_interrupted_reading_leaves_nothing(tmp_path):
    (tmp_path / "a.csv").write_text(CSV + "a,Ada,0,1,9\n")

    def interrupt(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert_logs(tmp_path / "a.csv", tmp_path / "market.parquet", progress=interrupt)
    assert [file.name for file in tmp_path.iterdir()] == ["a.csv"]


def test_bad_lines_that_are_counted(tmp_path):
    path = tmp_path / "runs.jsonl"
    path.write_bytes(lines(ROW, "oops", {**ROW, "question_id": "b"}, *["{" for _ in range(20)]))
    report = read_logs(path, bad_lines="count").report
    assert (report.rows, report.bad_lines, len(report.files[0].bad_lines)) == (2, 21, 5)
    assert f"{path}, line 2: not JSON" in str(report)
    (tmp_path / "runs.csv").write_text(CSV + "a,Ada,0,1\nb,Ada,0,1,9\n")
    assert read_logs(tmp_path / "runs.csv", bad_lines="count").report.bad_lines == 1


@pytest.mark.parametrize("option", [{"errored": "ignore"}, {"duplicates": "keep"}, {"bad_lines": "skip"}])
def test_unknown_values_of_options(option, monkeypatch):
    """The type checker of the tests would see them first."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(InputError, match=f"unknown value of {next(iter(option))} '.*': known are"):
        read_logs(FIXTURES / "effort-low.eval", **option)


def test_places(tmp_path):
    with pytest.raises(InputError, match=r"gone\.csv: no such file; check the path"):
        read_logs(tmp_path / "gone.csv")
    with pytest.raises(InputError, match="no logs; name files or folders with"):
        read_logs(tmp_path)
    with pytest.raises(InputError, match=r"gone/market\.parquet: cannot be written"):
        convert_logs(FIXTURES / "effort-low.eval", tmp_path / "gone" / "market.parquet")
    with pytest.raises(InputError, match=r"gone\.parquet: no such file"):
        read_table(tmp_path / "gone.parquet")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(InputError, match="no table of logs, column 'benchmark' is missing"):
        read_table(tmp_path / "other.parquet")
    assert read_report(tmp_path / "other.parquet") is None


def test_a_run_that_did_not_end(tmp_path):
    with zipfile.ZipFile(tmp_path / "log.eval", "w") as log:
        log.writestr("_journal/start.json", "{}")
    with pytest.raises(InputError, match=r"holds no header\.json; the run did not end"):
        read_logs(tmp_path / "log.eval")


@pytest.mark.parametrize("at", range(0, len(EVAL), 97))
def test_any_damaged_byte_is_found_or_harmless(at, tmp_path):
    """Every byte counts: flipped, the log is refused, or reads as before (a time, a flag, a member not read)."""
    path = tmp_path / "log.eval"
    path.write_bytes(flipped(EVAL, at))
    names = ("header.json", "summaries.json")
    try:
        members = read_members(path, names)
    except InputError:
        return
    whole = read_members(FIXTURES / "effort-low.eval", names)
    assert all(members.get(name, whole[name]) == whole[name] for name in names)


@pytest.mark.parametrize(("package", "name"), [("pyarrow", "runs.parquet"), ("zstandard", "log.eval")])
def test_a_missing_extra_is_named(package, name, tmp_path, monkeypatch):
    (tmp_path / name).write_bytes(EVAL)
    for module in [m for m in sys.modules if m.partition(".")[0] == package]:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf'{package} is not installed; run: pip install "ttc-games\[logs\]"'):
        read_logs(tmp_path / name)


def test_tables_in_memory(tmp_path):
    table = logs_table({"question_id": ["a", "a"], "model": "Ada", "sample_index": [0, 0], "correct": [1, 0]})
    with pytest.raises(InputError, match=r"table, row 1: repeats row 0 \(question a, sample 0, model Ada"):
        refuse_duplicates(table)
    with pytest.raises(InputError, match="column 'model' is missing, found are question_id"):
        logs_table({"question_id": ["a"]})
    with pytest.raises(InputError, match="table, row 0: reward is inf; it must be a finite number"):
        logs_table({"question_id": ["a"], "model": "Ada", "reward": [float("inf")]})
    write_table(table, tmp_path / "t.parquet", note={"why": "test"})
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.parquet"), table)


def places_in(value, path=()):
    """Every part of a JSON value, as the keys that lead to it."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places_in(value[key], (*path, key))


def replaced(value, path, part):
    if not path:
        return part
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], part)
    return copy


PAPER = {"qid": 7, "correct": [1, 0], "rewards": [0.5, None], "num_tokens": [[9, 10], [1, 3]], "model_name": "m"}
SHORT = {**LOG, "samples": [LOG["samples"][k] for k in (0, 6, 11)], "results": None, "stats": None, "reductions": None}


@pytest.mark.parametrize(
    ("name", "record", "options"),
    [
        ("log.json", SHORT, {}),
        ("paper.jsonl", PAPER, {"format": "paper", "bad_lines": "refuse"}),
        ("samples.jsonl", DOCUMENT, {"format": "lm-eval", "constants": {"model": "m"}, **LM_EVAL}),
        ("runs.jsonl", ROW, {"format": "jsonl"}),
    ],
)
def test_junk_anywhere_is_read_or_refused_in_one_line(name, record, options, tmp_path, full):
    """Any part of a log replaced by something else: it is read, or refused by name; no other error escapes."""
    junk = [None, -3, 2.5, float("nan"), "x", [1], {}, {"a": 1}, True, [None]]
    cases = [(path, part) for path in places_in(record) for part in junk]
    chosen = cases if full else random.Random(0).sample(cases, 30)
    refused = 0
    for path, part in chosen:
        (tmp_path / name).write_text(json.dumps(replaced(record, path, part)), encoding="utf-8")
        try:
            read_logs(tmp_path / name, **options)
        except InputError as error:
            refused += 1
            # A bad option, such as an unknown name, would be refused whatever the file says.
            if name not in str(error) or "\n" in str(error):
                raise
    assert 0 < refused < len(chosen)

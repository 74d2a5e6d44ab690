"""Evaluation logs: every reader against what was written, by the tools themselves or by hand."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import ingest
from games.logs import COLUMNS, cells, convert_logs, logs_table, read_logs, read_report, read_table, settle_unscored
from games.logs.inspect_log import level_of
from games.logs.names import two_names
from games.logs.zip_zstd import ZSTD, read_members

FIXTURES = Path(__file__).parent / "fixtures" / "logs"
SAMPLES = FIXTURES / "samples_sums_2026-01-01T00-00-00.000000.jsonl"
# The order in which the mock model was called: sum-3 fails in epoch 2, before the call.
CALLS = [(f"sum-{q}", e) for e in (1, 2, 3) for q in (1, 2, 3, 4) if (q, e) != (3, 2)]
TARGETS = {"sum-1": "5", "sum-2": "8", "sum-3": "13", "sum-4": "17"}

# Each log: model, level, thinking tokens, the calls answered wrongly, calls of its own model per sample.
INSPECT = {
    "effort-low.eval": ("ada", "reasoning_effort", "low", 20, (0, 1, 4, 9), 1),
    "effort-high.eval": ("ada", "reasoning_effort", "high", 200, (4,), 1),
    "thinking-apart.json": ("bell", "thinking_budget", "1024", 300, (2, 3), 1),
    "own-grader.eval": ("cora", "default", "default", 0, (1,), 2),
}


@pytest.mark.parametrize("name", INSPECT)
def test_logs_that_inspect_wrote(name):
    model, kind, level, thinking, wrong, calls_each = INSPECT[name]
    logs = read_logs(FIXTURES / name, errored="keep")
    table = logs.table.set_index(["question_id", "sample_index"])
    assert set(table["model"]) == {model}
    assert set(table["provider"]) == {"mockllm"}
    assert set(zip(table["level_kind"], table["level"], strict=True)) == {(kind, level)}
    assert set(table["benchmark"]) == {"sums"}
    assert len(table) == 12
    for number, key in enumerate(CALLS):
        row, call = table.loc[key], number * calls_each
        assert row["billable_output_tokens"] == 10 + call + thinking, key
        assert row["reasoning_tokens"] == thinking
        assert row["input_tokens"] == 14
        if key == ("sum-4", 3):  # the grader failed
            assert pd.isna(row["correct"])
            assert pd.isna(row["error"])
        else:
            assert row["answer"] == ("0" if call in wrong else TARGETS[key[0]])
            assert row["correct"] == (call not in wrong)
    failed = table.loc[("sum-3", 2)]
    assert failed["error"] == "RuntimeError('the connection was lost')"
    assert failed[["correct", "answer", "billable_output_tokens"]].isna().all()
    assert (logs.report.rows, logs.report.errored, logs.report.unscored, logs.report.dropped) == (12, 1, 1, 0)


@pytest.mark.parametrize("name", ["effort-low.eval", "effort-high.eval"])
def test_tokens_add_up_to_what_inspect_counted(name):
    """The log's own total for the evaluated model; the grader's, far larger, is not in it."""
    header = json.loads(read_members(FIXTURES / name, ("header.json",))["header.json"])
    usage = header["stats"]["model_usage"]
    table = read_logs(FIXTURES / name, errored="keep").table
    for column, key in (("billable_output_tokens", "output_tokens"), ("input_tokens", "input_tokens")):
        assert table[column].sum() == usage["mockllm/ada"][key]
    assert usage["mockllm/judge"]["output_tokens"] > 10 * usage["mockllm/ada"]["output_tokens"] / 5


def test_the_fixtures_are_zstd_members():
    with zipfile.ZipFile(FIXTURES / "effort-low.eval") as log:
        assert {info.compress_type for info in log.infolist()} == {ZSTD}
    assert sum(path.stat().st_size for path in FIXTURES.iterdir()) < 200_000


def test_what_becomes_of_failures():
    path = FIXTURES / "effort-high.eval"
    drop, wrong = read_logs(path), read_logs(path, errored="wrong")
    assert (len(drop.table), drop.report.dropped) == (10, 2)
    assert (len(wrong.table), wrong.report.dropped) == (12, 0)
    assert drop.table["correct"].sum() == wrong.table["correct"].sum() == 9
    assert "1 failed and 1 not scored: dropped" in str(drop.report)
    assert "1 failed and 1 not scored: counted as wrong" in str(wrong.report)
    kept = read_logs(path, errored="keep").table
    pd.testing.assert_frame_equal(settle_unscored(kept, "wrong"), wrong.table)
    assert cells(kept)[["samples", "errored", "unscored"]].to_numpy().tolist() == [[12, 1, 1]]


def test_level_of_a_run():
    def header(model=None, plan=None, step=None):
        steps = [{"solver": "generate", "params": step or {}}]
        return {"eval": {"model_generate_config": model or {}}, "plan": {"steps": steps, "config": plan or {}}}

    assert level_of(header()) == ("default", "default")
    assert level_of(header(model={"reasoning_effort": "high"})) == ("reasoning_effort", "high")
    # The task's configuration overrides the model's, the solver's own both.
    assert level_of(header(model={"reasoning_effort": "high"}, plan={"reasoning_effort": "low"}))[1] == "low"
    assert level_of(header(plan={"reasoning_effort": "low"}, step={"reasoning_effort": "medium"}))[1] == "medium"
    assert level_of(header(plan={"reasoning_tokens": 0})) == ("thinking_budget", "0")


def test_cached_prompts_are_prompts(tmp_path):
    log = json.loads((FIXTURES / "thinking-apart.json").read_text("utf-8"))
    usage = log["samples"][0]["model_usage"]["mockllm/bell"]
    usage.update(input_tokens=4, input_tokens_cache_read=8, input_tokens_cache_write=2)
    (tmp_path / "log.json").write_text(json.dumps(log), encoding="utf-8")
    first = read_logs(tmp_path / "log.json").table.iloc[0]
    assert (first["input_tokens"], first["cached_tokens"], first["billable_output_tokens"]) == (14, 8, 310)


def test_scores_of_inspect(tmp_path):
    path = tmp_path / "log.json"
    log = json.loads((FIXTURES / "thinking-apart.json").read_text("utf-8"))
    for k, sample in enumerate(log["samples"]):
        if sample["scores"]:
            sample["scores"] = {
                "strict": {"value": {"exact": k % 2, "near": 1}, "answer": "a"},
                "partial": {"value": "P"},
            }
    path.write_text(json.dumps(log), encoding="utf-8")
    exact = read_logs(path, score="strict.exact").table
    assert exact["correct"].tolist() == [k % 2 == 1 for k in range(12) if k != 6]
    assert set(exact["answer"]) == {"a"}
    assert read_logs(path, score="strict.near").table["correct"].all()
    assert read_logs(path, score="partial", threshold=0.5).table["correct"].all()
    assert not read_logs(path, score="partial", threshold=0.6).table["correct"].any()


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("yes", "no"), ("Yes", "NO"), ("true", "false"), ("correct", "incorrect"), ("right", "wrong"), ("pass", "fail"),
     ("passed", "failed"), ("y", "n"), ("T", "F"), ("C", "I"), ("1", "0"), ("1.0", "0.0"), (1, 0), (True, False)],
)  # fmt: skip
def test_words_for_right_and_wrong(right, wrong, tmp_path):
    """In a table of one's own and as the score of a log of Inspect AI."""
    assert logs_table({"question_id": ["a", "b"], "model": "Ada", "correct": [right, wrong]})["correct"].tolist() == [
        True,
        False,
    ]
    log = json.loads((FIXTURES / "thinking-apart.json").read_text("utf-8"))
    for sample, value in zip(log["samples"][:2], (right, wrong), strict=True):
        sample["scores"] = {"graded": {"value": value}}
    (tmp_path / "log.json").write_text(json.dumps({**log, "samples": log["samples"][:2]}), encoding="utf-8")
    assert read_logs(tmp_path / "log.json").table["correct"].tolist() == [True, False]


def test_scores_on_any_scale():
    """Where the threshold lies beyond 1, a score of 1 is one like others; without a threshold it is a right answer."""
    rows = {"question_id": list("abcd"), "model": "Ada", "correct": [10, 7, 1, 0]}
    assert logs_table(rows, threshold=7)["correct"].tolist() == [True, True, False, False]
    below = logs_table(rows | {"correct": ["-3", "yes", "-1", ""]}, threshold=-2)["correct"]
    assert below[:3].tolist() == [False, True, True]
    assert pd.isna(below[3])
    assert logs_table(rows | {"correct": [1, 0, 0.4, 0.6]}, threshold=0.5)["correct"].tolist() == [
        True,
        False,
        False,
        True,
    ]


def zipped(path, header, samples):
    """A log with deflated members, as inspect_ai wrote them before zstd."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as log:
        log.writestr("header.json", json.dumps(header))
        log.writestr("summaries.json", json.dumps(samples))
        log.writestr("samples/sum-1_epoch_1.json", "not even JSON: only header and summaries are read")


def test_a_retried_run_replaces_the_first(tmp_path):
    members = read_members(FIXTURES / "effort-low.eval", ("header.json", "summaries.json"))
    header, samples = (json.loads(text) for text in members.values())
    early = {**header, "status": "error", "eval": {**header["eval"], "created": "2026-01-01T00:00:00+00:00"}}
    zipped(tmp_path / "a.eval", header, samples)
    zipped(tmp_path / "b.eval", early, samples[:5])
    logs = read_logs(tmp_path, errored="keep")
    pd.testing.assert_frame_equal(logs.table, read_logs(FIXTURES / "effort-low.eval", errored="keep").table)
    assert [Path(file.path).name for file in logs.report.files] == ["a.eval"]
    assert any(
        "b.eval: passed over" in warning and "a.eval is a later run" in warning for warning in logs.report.warnings
    )
    alone = read_logs(tmp_path / "b.eval").report.warnings
    assert alone == (f"{tmp_path / 'b.eval'}: the run ended with status 'error': questions may be missing",)


def scorer(response, document):
    return response.split()[-1] == document["target"]


def words(text):
    return len(text.split())


@pytest.mark.parametrize("kept", ["first", "vote"])
def test_samples_that_lm_eval_wrote(kept):
    logs = read_logs(SAMPLES, filter=kept, scorer=scorer, count_tokens=words, answer_of=lambda text: text.split()[-1])
    table = logs.table
    assert set(table["benchmark"]) == {"sums"}
    assert set(table["model"]) == {"ada"}  # from the results beside the samples
    assert [tuple(x) for x in table[["question_id", "sample_index"]].to_numpy()] == [
        (str(q), k) for q in range(4) for k in range(3)
    ]
    assert table["correct"].tolist() == [k % 5 != 0 for k in range(12)]
    assert table["billable_output_tokens"].tolist() == [3 if k % 5 else 6 for k in range(12)]
    assert table["answer"].iloc[:3].tolist() == ["me", "5", "5"]
    assert (table["input_tokens"] == 5).all()


def test_a_folder_of_everything():
    progress = []
    logs = read_logs(FIXTURES, filter="vote", scorer=scorer, count_tokens=words, progress=progress.append)
    assert len(logs.report.files) == 5
    assert logs.report.rows == 60
    assert any("results_2026" in w and "no log of a known kind" in w for w in logs.report.warnings)
    # The same model from the two tools, once with a provider and once without.
    assert any(w.startswith("'ada' stands under 'mockllm' and no provider") for w in logs.report.warnings)
    assert [p.fraction for p in progress] == [1.0] * 5
    assert [p.rows for p in progress] == [12, 24, 36, 48, 60]
    assert logs.report.levels_frame()["samples"].sum() == 60
    assert type(logs.report).from_dict(json.loads(json.dumps(logs.report.as_dict()))) == logs.report


PAPER = [
    {
        "qid": 7,
        "correct": [1, 0, True],
        "explanations": ["so A", "so B", "so A"],
        "rewards": [0.5, -1, None],
        "num_tokens": [[90, 100], [10, 30], [5, 6]],
        "model_name": "meta/ada",
    },
    {
        "qid": 8,
        "correct": [0],
        "explanations": ["so C"],
        "rewards": [2.5],
        "num_tokens": [44],
        "model_name": "meta/ada",
    },
]
BAD = [
    '{"qid": 9, "correct": [1',
    json.dumps({"qid": 9, "correct": [1, 0], "num_tokens": [3], "model_name": "a"}),
    json.dumps({"qid": 9, "correct": ["maybe"], "num_tokens": [3], "model_name": "a"}),
    json.dumps({"qid": 9, "correct": [1], "num_tokens": [[9, 3]], "model_name": "a"}),
    json.dumps({"qid": 9, "correct": [1]}),
    "[1, 2]",
]


def test_the_lists_of_the_paper(tmp_path):
    path = tmp_path / "paper.jsonl"
    good = [json.dumps(record) for record in PAPER]
    path.write_text("\n".join([good[0], *BAD[:3], "", *BAD[3:], good[1]]), encoding="utf-8")
    logs = read_logs(path, answer_of=lambda text: text[-1], constants={"benchmark": "AIME"})
    table = logs.table
    assert logs.report.files[0].format == "paper"
    assert table["question_id"].tolist() == ["7", "7", "7", "8"]
    assert table["sample_index"].tolist() == [0, 1, 2, 0]
    assert table["correct"].tolist() == [True, False, True, False]
    assert table["answer"].tolist() == ["A", "B", "A", "C"]
    assert table["billable_output_tokens"].tolist() == [100, 30, 6, 44]
    assert table["reasoning_tokens"].isna().tolist() == [False, False, False, True]
    assert table["reward"].isna().tolist() == [False, False, True, False]
    assert set(table["model"]) == {"meta/ada"}
    assert logs.report.bad_lines == 6
    told = logs.report.files[0].bad_lines
    assert [line.partition(":")[0] for line in told] == ["line 2", "line 3", "line 6", "line 7", "line 8"]
    assert "num_tokens has 1 entries, correct has 2" in told[1]
    assert "more thinking than tokens" in told[2]


def invented(rows):
    """A table with everything that text formats may stumble over."""
    key = np.random.default_rng(3)
    texts = ['a "quoted" word', "comma, here", "two\nlines\n\nand a gap", "ünïcode", "007", "NA", "1e5", " x "]
    return pd.DataFrame(
        {
            "benchmark": "tricky, name",
            "question_id": [f"{k // 4:03}" for k in range(rows)],
            "provider": [None if k % 3 == 0 else "Acme" for k in range(rows)],
            "model": [f"model-{k % 3}" for k in range(rows)],
            "sample_index": [k % 4 for k in range(rows)],
            "answer": [texts[k % len(texts)].strip() for k in range(rows)],
            "correct": [None if k % 7 == 0 else bool(k % 2) for k in range(rows)],
            "reward": key.normal(size=rows),
            "billable_output_tokens": [None if k % 5 == 0 else 10.0 * k for k in range(rows)],
            "error": ["lost" if k % 7 == 0 else None for k in range(rows)],
        }
    )


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "jsonl", "jsonl.gz", "parquet"])
@pytest.mark.parametrize("chunk_rows", [7, 1000])
def test_flat_tables_come_back_as_they_were(kind, chunk_rows, tmp_path):
    frame = invented(50)
    path, output = tmp_path / f"runs.{kind}", tmp_path / "market.parquet"
    renamed = frame.rename(columns={"sample_index": "epoch", "question_id": "Frage"})
    if kind.startswith("csv"):
        renamed.to_csv(path, index=False)
    elif kind.startswith("jsonl"):
        renamed.to_json(path, orient="records", lines=True, double_precision=15, force_ascii=False)
    else:
        renamed.to_parquet(path)
    columns = {"sample_index": "epoch", "question_id": "Frage"}
    report = convert_logs(path, output, columns=columns, errored="keep", chunk_rows=chunk_rows)
    back = read_table(output)
    pd.testing.assert_frame_equal(back, logs_table(frame), check_exact=False, rtol=1e-14)
    assert dict(back.dtypes.astype(str)) == COLUMNS
    assert report.rows == 50
    assert (report.errored, report.unscored) == (8, 0)
    assert read_report(output) == report
    if chunk_rows == 1000:
        logs = read_logs(path, columns=columns, errored="keep")
        pd.testing.assert_frame_equal(logs.table, back)
        assert logs.report == report


def test_a_table_is_read_back_by_the_readers_too(tmp_path):
    """A table that `convert_logs` wrote is a log itself, so that tables can be put together."""
    convert_logs(FIXTURES / "effort-low.eval", tmp_path / "a.parquet", errored="keep")
    convert_logs(FIXTURES / "effort-high.eval", tmp_path / "b.parquet", errored="keep")
    both = read_logs(tmp_path, errored="keep").table
    straight = read_logs([FIXTURES / "effort-low.eval", FIXTURES / "effort-high.eval"], errored="keep").table
    pd.testing.assert_frame_equal(both, straight)


def test_output_tokens_make_the_bill(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(
        "question_id,model,correct,input_tokens,output_tokens,total_tokens\na,Ada,1,14,10,324\na,Ada,0,14,30,44\n"
    )
    logs = read_logs(path)
    assert logs.table["billable_output_tokens"].tolist() == [310, 30]
    rest = "a guess in 1 row, 300 tokens: tokens of the total that are neither input nor output are billed as output"
    assert len(logs.report.warnings) == 1
    assert logs.report.warnings[0].startswith(f"{path}: {rest}")
    path.write_text("question_id,model,correct,output_tokens\na,Ada,1,10\n")
    assert "if thinking is billed beside them, give total_tokens" in read_logs(path).report.warnings[0]
    path.write_text("question_id,model,correct\na,Ada,1\n")
    assert "no column billable_output_tokens" in read_logs(path).report.warnings[0]


def test_samples_numbered_anew(tmp_path):
    path = tmp_path / "runs.jsonl"
    rows = [
        {"question_id": q, "model": "Ada", "sample_index": 0, "correct": 1, "billable_output_tokens": 1}
        for q in "aabaab"
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    convert_logs([path], tmp_path / "market.parquet", duplicates="renumber", chunk_rows=2)
    assert read_table(tmp_path / "market.parquet")["sample_index"].tolist() == [0, 1, 0, 2, 3, 1]


def test_one_model_under_two_names(tmp_path):
    path = tmp_path / "runs.csv"
    names = ["gpt-5", "GPT-5-2025-08-07", "gpt-5-mini"]
    path.write_text(
        "question_id,provider,model,correct,billable_output_tokens\n" + "".join(f"a,openai,{n},1,9\n" for n in names)
    )
    warnings = read_logs(path).report.warnings
    cure = "merge them with aliases={'GPT-5-2025-08-07': 'gpt-5'}"
    assert warnings == (f"'gpt-5' and 'GPT-5-2025-08-07' (openai) look like one model; if so, {cure}",)
    merged = read_logs(path, aliases={"GPT-5-2025-08-07": "gpt-5"}, duplicates="renumber")
    assert merged.report.warnings == ()
    assert merged.table["model"].tolist() == ["gpt-5", "gpt-5", "gpt-5-mini"]
    one_seller = read_logs(path, aliases={"openai/gpt-5-mini": "small", "azure/gpt-5": "other"}).table
    assert one_seller["model"].tolist() == ["gpt-5", "GPT-5-2025-08-07", "small"]
    assert two_names([("together", "gpt-oss-120b"), ("groq", "gpt-oss-120b")]) == []


def test_ingest_benchmark(capsys, tmp_path):
    """The full check of real logs, on invented ones: their aggregate, rounded, is the published table."""
    path = ingest.invented(tmp_path / "runs.csv.gz", 4000)
    frame = pd.read_csv(path)
    frame.loc[::50, "correct"] = np.nan
    frame.to_csv(path, index=False)
    published = frame.groupby(["benchmark", "model", "level_kind", "level"], as_index=False).agg(
        n_questions=("question_id", "nunique"),
        n_samples=("epoch", "size"),
        n_error_samples=("correct", lambda c: c.isna().sum()),
        n_correct=("correct", "sum"),
        accuracy=("correct", lambda c: round(c.mean(), 4)),
        mean_input_tokens=("input_tokens", lambda t: round(t.mean(), 1)),
        mean_billable_output_tokens=("billable_output_tokens", lambda t: round(t.mean(), 1)),
        mean_reasoning_tokens=("reasoning_tokens", lambda t: round(t.mean(), 1)),
    )
    published.to_csv(tmp_path / "levels.csv", index=False)
    ingest.main(path, tmp_path / "levels.csv")
    assert "0 failed and 80 not scored" in capsys.readouterr().out
    wrong = published.assign(accuracy=published["accuracy"] + 0.001)
    with pytest.raises(ValueError, match="accuracy: differs by"):
        ingest.compare(ingest.aggregate(read_logs(path, columns=ingest.COLUMNS, errored="keep").table), wrong)


MEMORY = """
import resource, sys
from pathlib import Path
from games.logs import convert_logs

def peak():
    status = Path("/proc/self/status")
    if status.exists():  # on Linux ru_maxrss starts at the parent's
        return 1024 * int(status.read_text().partition("VmHWM:")[2].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

convert_logs(sys.argv[1], sys.argv[3], chunk_rows=int(sys.argv[4]))
before = peak()
convert_logs(sys.argv[2], sys.argv[3], chunk_rows=int(sys.argv[4]))
print(peak() - before)
"""


def test_memory_does_not_grow_with_the_log(full, tmp_path):
    """10^6 rows: peak memory grows by the bookkeeping of duplicates, far less than by the rows (1 kB each as objects)."""
    rows, chunk = (1_000_000, 20_000) if full else (60_000, 2_000)
    paths = tmp_path / "first.jsonl", tmp_path / "long.jsonl"
    for path, count in zip(paths, (4 * chunk, rows), strict=True):
        with path.open("w", encoding="utf-8") as file:
            for k in range(count):
                row = {"question_id": f"q{k // 8}", "model": f"model-{k % 8}", "correct": k % 2, "sample_index": 0}
                file.write(json.dumps({**row, "answer": f"{k}", "billable_output_tokens": k, "note": "x" * 200}) + "\n")
    command = [sys.executable, "-c", MEMORY, *map(str, paths), str(tmp_path / "market.parquet"), str(chunk)]
    grown = int(
        subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1]).stdout
    )
    assert len(pd.read_parquet(tmp_path / "market.parquet", columns=["correct"])) == rows
    assert grown < 200 * rows

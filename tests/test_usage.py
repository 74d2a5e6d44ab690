"""Usage as vendors and versions log it: every convention, what the total tells, and guesses with their amounts."""

import json
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from games import InputError
from games.logs import convert_logs, read_logs, read_table, write_table, zip_zstd
from games.logs.conventions import COLUMN_NAMES, INSPECT, Convention, column_convention, inspect_convention
from games.logs.usage import read_usage

NAMES = ("input_tokens", "output_tokens", "total_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
KEPT = ["input_tokens", "cached_tokens", "billable_output_tokens"]
# One query as it was: 300 fresh prompt tokens, 700 read from a cache, 40 written to it, 90 of answer, 60 of thinking.
FRESH, READ, WRITTEN, ANSWER, THOUGHT = 300, 700, 40, 90, 60
TRUE = [FRESH + READ + WRITTEN, READ, ANSWER + THOUGHT]


def logged(*rows):
    return pd.DataFrame(rows, columns=NAMES, dtype="Float64")


def as_logged(convention, *, total=True):
    """The query in the counts of a convention."""
    given = FRESH + (READ + WRITTEN if convention.cached == "inside" else 0)
    output = ANSWER + (0 if convention.thinking == "total" else THOUGHT)
    all_of_it = FRESH + READ + WRITTEN + ANSWER + THOUGHT * (2 if convention.thinking == "twice" else 1)
    return (given, output, all_of_it if total else None, READ, WRITTEN, THOUGHT)


def versions(row):
    """The first and the last version of a row."""
    first = row.since or "0.3.42"
    if not row.before:
        return [first, "0.3.260"]
    *start, last = row.before.split(".")
    return [first, ".".join([*start, str(int(last) - 1)])]


@pytest.mark.parametrize("total", [True, False])
@pytest.mark.parametrize(
    ("adapter", "version", "convention"),
    [
        (adapter, version, row.convention)
        for row in INSPECT
        for adapter in (row.adapters or ("my-adapter",))
        for version in versions(row)
    ],
)
def test_every_row_of_the_table_of_conventions(adapter, version, convention, total):
    """With the total or without, the query comes out as it was, and nothing is guessed where the vendor is known."""
    assert inspect_convention(f"{adapter}/m", version) == convention
    read = read_usage(logged(as_logged(convention, total=total)), inspect_convention(f"{adapter}/m", version))
    assert read.tokens[KEPT].to_numpy().tolist() == [TRUE]
    assert read.guesses == ()


@pytest.mark.parametrize(("names", "convention"), COLUMN_NAMES)
def test_every_row_of_the_table_of_column_names(names, convention):
    for name in names:
        assert column_convention(["input_tokens", name]) == convention
        read = read_usage(logged(as_logged(convention, total=False)), convention)
        assert read.tokens[KEPT].to_numpy().tolist() == [TRUE]
        assert read.guesses == ()


CACHED_WORDS = {"inside": "inside the input", "outside": "outside the input", None: "unknown"}
THINKING_WORDS = {
    "inside": "inside the output",
    "total": "only in the total",
    "twice": "inside the output, and a second time in the total",
    None: "unknown",
}


def span(row):
    if row.since and row.before:
        return f"{row.since} to before {row.before}"
    return f"from {row.since}" if row.since else f"before {row.before}"


def test_the_page_lists_the_tables_that_are_used():
    page = (Path(__file__).parents[1] / "docs/how-to/read-logs.md").read_text("utf-8")
    for head, rows in (
        (
            "| adapter | versions | cached tokens | thinking tokens |\n|---|---|---|---|\n",
            [((", ".join(row.adapters) or "any other"), span(row), row.convention) for row in INSPECT],
        ),
        (
            "| columns | cached tokens | thinking tokens |\n|---|---|---|\n",
            [(", ".join(f"`{name}`" for name in names), convention) for names, convention in COLUMN_NAMES],
        ),
    ):
        lines = [
            f"| {' | '.join(first)} | {CACHED_WORDS[convention.cached]} | {THINKING_WORDS[convention.thinking]} |\n"
            for *first, convention in rows
        ]
        assert head + "".join(lines) + "\n" in page


def test_logs_without_a_version():
    """What all versions of an adapter have in common."""
    assert inspect_convention("anthropic/m", None) == Convention("outside", None)
    assert inspect_convention("openai/m", "unknown") == Convention(None, "inside")
    assert inspect_convention("my-adapter/m", None) == Convention()
    assert inspect_convention("my-adapter/m", "0.3.100") == Convention()


def test_the_total_tells_against_the_vendor():
    """An adapter of somebody's own, or a version that was changed: the counts themselves decide."""
    for row in (Convention(a, b) for a in ("inside", "outside") for b in ("inside", "total")):
        for believed in (Convention("inside", "inside"), Convention("outside", "inside"), Convention(None, "total")):
            read = read_usage(logged(as_logged(row)), believed)
            assert read.tokens[KEPT].to_numpy().tolist() == [TRUE], (row, believed)


@pytest.mark.parametrize(
    ("row", "convention", "right", "guess"),
    [
        # Public logs: cached inside the prompt, thinking only in the total, cached outside the prompt.
        ((15235, 281, 15516, 9088, None, 0), Convention(), (15235, 9088, 281), None),
        ((1000, 100, 1250, 50, None, 150), Convention(), (1000, 50, 250), None),
        ((50, 100, 1100, 950, None, None), Convention(), (1000, 950, 100), None),
        ((14, 30, 44, None, None, None), Convention(), (14, None, 30), None),
        # Nobody says what the rest of the total is.
        ((1000, 10, 1310, None, None, None), Convention(), (1000, None, 310), "neither input nor output"),
        # Thinking in the total beside the output: once too often, or not at all in the output.
        ((1000, 500, 1800, None, None, 300), Convention(None, "twice"), (1000, None, 500), None),
        ((1000, 500, 1800, None, None, 300), Convention(None, "total"), (1000, None, 800), None),
        ((1000, 500, 1800, None, None, 300), Convention(), (1000, None, 800), "may be counted twice"),
        ((1000, 100, 1400, None, None, 300), Convention(None, "twice"), (1000, None, 400), None),
        # Prompts of tools stand in the total only.
        ((100, 50, 200, None, None, 30), Convention("outside", "total"), (120, None, 80), "that of tools"),
        # No total: more cached than input tokens can only be outside; else it is a guess.
        ((50, 100, None, 950, None, None), Convention(), (1000, 950, 100), None),
        ((50, 100, None, 950, None, None), Convention("inside", None), (1000, 950, 100), None),
        ((1000, 100, None, 50, None, None), Convention(), (1000, 50, 100), "part of the input tokens"),
        ((1000, 100, None, 50, None, None), Convention("outside", None), (1050, 50, 100), None),
        ((10, 20, None, None, None, 90), Convention(), (10, None, 110), "more thinking than output tokens"),
        ((10, 20, None, None, None, 90), Convention(None, "inside"), (10, None, 20), None),
        ((10, 20, None, None, None, 5), Convention(None, "total"), (10, None, 25), None),
        # A total with neither reading: as little of it as can be is left unexplained, unless the vendor is known.
        ((1000, 100, 1250, 60, None, None), Convention(), (1060, 60, 190), "prompt beside the input"),
        ((1000, 100, 1250, 60, None, None), Convention("inside", None), (1000, 60, 250), "neither input nor output"),
        ((1000, 100, 1110, 60, None, None), Convention("outside", None), (1000, 60, 110), "neither input nor output"),
        # Totals that are none.
        ((14, 10, 0, None, None, None), Convention(), (14, None, 10), "less than input and output"),
        ((14, 10, 20, None, None, None), Convention(), (14, None, 10), "less than input and output"),
        ((14, None, 50, None, None, None), Convention(), (14, None, 36), None),
        ((None, 10, 30, None, None, None), Convention(), (None, None, 10), None),
        ((14, None, None, None, None, None), Convention(), (14, None, None), None),
        # Zero usage is missing usage; an empty answer is not.
        ((0, 0, 0, 0, None, None), Convention(), (None, None, None), "all counts are zero"),
        ((14, 0, 14, None, None, None), Convention(), (14, None, 0), None),
        ((None,) * 6, Convention(), (None, None, None), None),
    ],
)
def test_readings(row, convention, right, guess):
    read = read_usage(logged(row), convention)
    assert [None if pd.isna(x) else x for x in read.tokens[KEPT].iloc[0]] == list(right)
    told = [str(each) for each in read.guesses]
    assert any(guess in text for text in told) if guess else told == [], told


def test_guesses_hold_amounts_and_are_told_once(tmp_path):
    """Two files, three pieces: one line, with the rows and tokens of all."""
    head = "question_id,model,correct,sample_index,input_tokens,output_tokens,total_tokens\n"
    (tmp_path / "a.csv").write_text(head + "".join(f"q{k},ada,1,0,1000,10,1310\n" for k in range(5)))
    (tmp_path / "b.csv").write_text(head + "q9,ada,1,0,1000,10,2010\nq8,ada,0,0,1000,10,1010\n")
    report = convert_logs(tmp_path, tmp_path / "m.parquet", chunk_rows=3)
    assert [text for text in report.warnings if "guess" in text] == [
        f"{tmp_path / 'a.csv'} and 1 more file: a guess in 6 rows, 2,500 tokens: tokens of the total that are neither input "
        "nor output are billed as output, as thinking that is not counted there (the first: input 1,000, output 10, "
        "total 1,310)"
    ]


def flat(tmp_path, text, **options):
    path = tmp_path / "log.csv"
    path.write_text(text)
    logs = read_logs(path, **options)
    return logs.table[KEPT].iloc[0].tolist(), logs.report.warnings


def test_flat_tables_of_vendors(tmp_path):
    """The same two queries under the names of three vendors; the map, where it is given, and the names by themselves."""
    openai = "question_id,model,correct,prompt_tokens,completion_tokens,total_tokens\nq1,ada,1,1000,10,1310\n"
    mapped = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"}
    for columns in (mapped, {}):
        found, warnings = flat(tmp_path, openai, columns=columns)
        assert (found[0], found[2]) == (1000, 310)
        assert any("300 tokens" in text for text in warnings)
    assert any("input_tokens from prompt_tokens, output_tokens from completion_tokens" in text for text in warnings)
    head = "question_id,model,correct,"
    outside = head + "input_tokens,cache_read_input_tokens,output_tokens,total_tokens\nq1,ada,1,50,950,100,1100\n"
    assert flat(tmp_path, outside)[0] == [1000, 950, 100]
    # The names alone tell: Anthropic's cached tokens stand beside the input, OpenAI's within.
    assert flat(tmp_path, outside.replace(",total_tokens", ",other"))[0] == [1000, 950, 100]
    beside = head + "input_tokens,cache_read_input_tokens,output_tokens\nq1,ada,1,1000,50,100\n"
    assert flat(tmp_path, beside)[0] == [1050, 50, 100]
    assert flat(tmp_path, beside.replace("cache_read_input_tokens", "cached_tokens"))[0] == [1000, 50, 100]
    gemini = head + "prompt_token_count,candidates_token_count,thoughts_token_count\nq1,ada,1,1000,50,30\n"
    found, _ = flat(tmp_path, gemini)
    assert (found[0], found[2]) == (1000, 80)


def test_a_settled_bill_is_not_changed_and_what_it_leaves_out_is_named(tmp_path):
    text = "question_id,model,correct,prompt_tokens,completion_tokens,total_tokens\nq1,ada,1,1000,10,1310\n"
    columns = {"input_tokens": "prompt_tokens", "billable_output_tokens": "completion_tokens"}
    found, warnings = flat(tmp_path, text, columns=columns)
    assert (found[0], found[2]) == (1000, 10)
    assert any("300 tokens: the total holds tokens that are neither input nor billed output" in w for w in warnings)
    cached = "question_id,model,correct,input_tokens,cached_tokens,billable_output_tokens,total_tokens\nq,a,1,50,950,9,1009\n"
    assert flat(tmp_path, cached)[0] == [1000, 950, 9]


def inspect_log(path, usages, version="0.3.95", model="acme/ada"):
    samples = [
        {"id": f"q{k}", "epoch": 1, "scores": {"match": {"value": "C"}}, "model_usage": {model: usage}}
        for k, usage in enumerate(usages)
    ]
    spec = {"task": "quiz", "model": model, "model_generate_config": {}, "packages": {"inspect_ai": version}}
    path.write_text(json.dumps({"eval": spec, "plan": {"config": {}}, "samples": samples}))
    return path


def test_logs_of_inspect_with_cached_prompts_and_thinking(tmp_path):
    inside = {"input_tokens": 15235, "output_tokens": 281, "total_tokens": 15516, "input_tokens_cache_read": 9088}
    thinking = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1250, "reasoning_tokens": 150}
    path = inspect_log(tmp_path / "log.json", [inside, {**thinking, "input_tokens_cache_read": 50}])
    logs = read_logs(path)
    assert logs.table[KEPT].to_numpy().tolist() == [[15235, 9088, 281], [1000, 50, 250]]
    assert logs.report.warnings == ()


def test_vendor_and_version_decide_for_a_log_where_the_total_does_not(tmp_path):
    twice = {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1800, "reasoning_tokens": 300}
    for model, version, billed in (
        ("anthropic/m", "0.3.80", 500),
        ("anthropic/m", "0.3.88", 800),
        ("google/m", "0.3.80", 800),
    ):
        path = inspect_log(tmp_path / "log.json", [twice], version, model)
        assert read_logs(path).table["billable_output_tokens"].tolist() == [billed], (model, version)
    bare = {"input_tokens": 1000, "output_tokens": 10, "input_tokens_cache_read": 50}
    for version, prompt in (("0.3.183", 1000), ("0.3.184", 1050)):
        path = inspect_log(tmp_path / "log.json", [bare], version, "openai/gpt-4o")
        assert read_logs(path).table["input_tokens"].tolist() == [prompt]


def test_zero_usage_is_missing_usage(tmp_path):
    zero = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    some = {"input_tokens": 10, "output_tokens": 200, "total_tokens": 210}
    logs = read_logs(inspect_log(tmp_path / "log.json", [zero, some]))
    assert logs.table["billable_output_tokens"].mean() == 200
    assert logs.report.levels[0].without_tokens == 1
    assert "a guess in 1 row: all counts are zero, as where no usage was recorded" in logs.report.warnings[0]


def test_cached_tokens_come_back_and_older_tables_do_without(tmp_path):
    table = read_logs(
        inspect_log(tmp_path / "log.json", [{"input_tokens": 9, "output_tokens": 1, "input_tokens_cache_read": 4}])
    ).table
    write_table(table, tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet")["cached_tokens"].tolist() == [4]
    assert read_logs(tmp_path / "t.parquet").table["input_tokens"].tolist() == [9]
    pd.read_parquet(tmp_path / "t.parquet").drop(columns="cached_tokens").to_parquet(tmp_path / "old.parquet")
    old = read_table(Path(tmp_path / "old.parquet"))
    assert old["cached_tokens"].isna().all()
    assert old.drop(columns="cached_tokens").equals(table.drop(columns="cached_tokens"))


SPEC = {"task": "quiz", "model": "acme/ada", "model_generate_config": {}, "packages": {"inspect_ai": "0.3.43"}}
WHOLE = {"input_tokens": 287, "output_tokens": 202, "total_tokens": 489}
ANSWER_ONLY = {"input_tokens": 52, "output_tokens": 61, "total_tokens": 113}
GRADING = {"input_tokens": 235, "output_tokens": 141, "total_tokens": 376}


def eval_log(path, samples, *, spec=SPEC, dropped=(), **header):
    """A ``.eval`` log whose summaries are the samples without the parts named, and without what only samples have."""
    summaries = [{k: v for k, v in s.items() if k not in ("events", "output", *dropped)} for s in samples]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as log:
        log.writestr("header.json", json.dumps({"eval": spec, "plan": {"config": {}}, **header}))
        log.writestr("summaries.json", json.dumps(summaries))
        for sample in samples:
            log.writestr(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", json.dumps(sample))
    return path


def sample(k=1, **parts):
    return {"id": f"q{k}", "epoch": 1, "scores": {"match": {"value": "CI"[k % 2], "answer": "A"}}, **parts}


def call(usage, **more):
    return {"event": "model", "model": "acme/ada", "output": {"usage": usage}, **more}


SPANS = [
    {"event": "span_begin", "id": "a", "parent_id": None, "type": "solvers"},
    call(ANSWER_ONLY, span_id="a"),
    {"event": "span_begin", "id": "b", "parent_id": None, "type": "scorers"},
    {"event": "span_begin", "id": "c", "parent_id": "b", "type": None},
    call(GRADING, span_id="c"),
]
STEPS = [
    {"event": "step", "action": "begin", "type": "solver", "name": "generate"},
    call(ANSWER_ONLY),
    {"event": "step", "action": "end", "type": "solver", "name": "generate"},
    {"event": "step", "action": "begin", "type": "scorer", "name": "graded"},
    call(GRADING),
    {"event": "step", "action": "end", "type": "scorer", "name": "graded"},
]
USAGE = {"model_usage": {"acme/ada": WHOLE, "acme/judge": GRADING}}
GRADED = {**SPEC, "scorers": [{"name": "model_graded_qa", "options": {}}]}
OTHER = {**SPEC, "scorers": [{"name": "inspect_ai/model_graded_qa", "options": {"model": "acme/judge"}}]}
ROLE = {**SPEC, "model_roles": {"grader": {"model": "acme/ada"}}}


@pytest.mark.parametrize(
    ("parts", "spec", "dropped", "right", "guess"),
    [
        (USAGE, SPEC, (), (287, 202), None),
        (USAGE, SPEC, ("model_usage",), (287, 202), None),
        (USAGE, SPEC, ("model_usage", "scores"), (287, 202), None),
        ({"output": {"usage": WHOLE}}, SPEC, (), (287, 202), "that of its last call"),
        ({"events": [call(ANSWER_ONLY), call(GRADING)]}, SPEC, (), (287, 202), None),
        # The model graded as well: the calls within a scorer are not those of the answer.
        ({**USAGE, "events": SPANS}, SPEC, (), (52, 61), None),
        ({**USAGE, "events": STEPS}, SPEC, (), (52, 61), None),
        ({**USAGE, "events": STEPS}, SPEC, ("model_usage",), (52, 61), None),
        ({**USAGE, "events": [call(ANSWER_ONLY), call(GRADING, role="grader")]}, ROLE, (), (52, 61), None),
        ({**USAGE, "output": {"usage": ANSWER_ONLY}}, GRADED, (), (52, 61), "376 tokens: the model also graded"),
        ({**USAGE, "output": {"usage": ANSWER_ONLY}}, ROLE, (), (52, 61), "input 52 of 287, output 61 of 202"),
        ({**USAGE, "role_usage": {"grader": GRADING}}, ROLE, (), (52, 61), None),
        # Another model graded, or nobody: several calls are the answer.
        ({**USAGE, "output": {"usage": ANSWER_ONLY}}, OTHER, (), (287, 202), None),
        ({**USAGE, "output": {"usage": ANSWER_ONLY}}, SPEC, (), (287, 202), None),
    ],
)
@pytest.mark.parametrize("form", ["eval", "json"])
def test_where_a_log_holds_the_usage_of_the_answer(parts, spec, dropped, right, guess, form, tmp_path):
    samples = [sample(1, **parts), sample(2, **parts)]
    path = tmp_path / f"log.{form}"
    if form == "eval":
        eval_log(path, samples, spec=spec, dropped=dropped)
    else:
        path.write_text(json.dumps({"eval": spec, "plan": {"config": {}}, "samples": samples}))
    logs = read_logs(path)
    assert logs.table[["input_tokens", "billable_output_tokens"]].to_numpy().tolist() == [list(right)] * 2
    assert logs.table["correct"].tolist() == [False, True]
    assert logs.table["answer"].tolist() == ["A", "A"]
    told = [text for text in logs.report.warnings if "guess" in text]
    assert (len(told) == 1 and "in 2 rows" in told[0] and guess.replace("376", "752") in told[0]) if guess else not told


def test_usage_that_only_the_header_holds(tmp_path):
    bare = [sample(k) for k in range(4)]
    stats = {"stats": {"model_usage": {"acme/ada": {"input_tokens": 400, "output_tokens": 808, "total_tokens": 1208}}}}
    logs = read_logs(eval_log(tmp_path / "log.eval", bare, **stats))
    assert logs.table["billable_output_tokens"].tolist() == [202] * 4
    assert "a guess in 4 rows, 808 tokens: only the header holds usage" in logs.report.warnings[0]
    # Where the model graded itself, the header's total is not that of the answers.
    graded = read_logs(eval_log(tmp_path / "log.eval", bare, spec=GRADED, **stats))
    assert graded.table["billable_output_tokens"].isna().all()


def test_samples_are_read_only_where_they_are_needed(tmp_path, monkeypatch):
    """Summaries that hold the usage are the fast path: of the samples one at most is opened."""
    opened = []
    member = zip_zstd._member

    def noted(archive, path, name):
        if name.startswith("samples/"):
            opened.append(name)
        return member(archive, path, name)

    monkeypatch.setattr(zip_zstd, "_member", noted)
    samples = [sample(k, **USAGE) for k in range(5)]
    read_logs(eval_log(tmp_path / "new.eval", samples))
    assert opened == ["samples/q0_epoch_1.json"]
    opened.clear()
    read_logs(eval_log(tmp_path / "roles.eval", [{**s, "role_usage": {"grader": GRADING}} for s in samples], spec=ROLE))
    assert opened == []
    opened.clear()
    read_logs(eval_log(tmp_path / "old.eval", samples, dropped=("model_usage",)))
    assert len(opened) == 5


def test_a_damaged_sample_that_is_needed_is_named(tmp_path):
    path = eval_log(tmp_path / "old.eval", [sample(1, **USAGE)], dropped=("model_usage",))
    with zipfile.ZipFile(path, "a") as log:
        log.writestr("samples/q2_epoch_1.json", "{oops")
    with pytest.raises(
        InputError, match=r"old\.eval, samples/q2_epoch_1\.json, line 1: not JSON .*; copy the log again"
    ):
        read_logs(path)

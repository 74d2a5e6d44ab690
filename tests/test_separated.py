"""Tables with semicolons, tabs and decimal commas: read where they can mean one thing, refused with the reason otherwise."""

import gzip

import pytest

from games import InputError, Market, PriceTable
from games.logs import read_logs
from games.tables import read_table
from solver.cli.segment_files import read_segments

CURVES = "model,level,accuracy,tokens\nAda,1,0.62,300\nAda,4,0.71,1200.5\n"
PRICES = "model,usd_per_million_tokens\nAda,0.2\n"


def written(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


def with_commas(text, separator):
    return text.replace(",", separator).replace(".", ",")


@pytest.mark.parametrize("separator", [";", "\t"])
def test_the_same_market_of_commas_and_points(separator, tmp_path):
    expected = Market.from_csv(written(tmp_path, "a.csv", CURVES), written(tmp_path, "b.csv", PRICES))
    for change in (lambda text: with_commas(text, separator), lambda text: text.replace(",", separator)):
        found = Market.from_csv(written(tmp_path, "c.csv", change(CURVES)), written(tmp_path, "d.csv", change(PRICES)))
        assert found.accuracy.tolist() == expected.accuracy.tolist()
        assert found.price.tolist() == expected.price.tolist()
        assert PriceTable.from_file(tmp_path / "d.csv").price("Ada").usd_per_million_tokens == 0.2


def test_segments_and_logs_are_read_so_too(tmp_path):
    segments = read_segments(written(tmp_path, "s.csv", "segment;weight;value_per_correct\nmany;0,75;0,02\n"))
    assert (segments.weight, segments.value_per_correct) == ((0.75,), (0.02,))
    log = written(tmp_path, "log.csv", "question_id;model;correct;billable_output_tokens\na;Ada;1;90\n")
    assert read_logs(log).table["billable_output_tokens"].tolist() == [90.0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "model;level,accuracy\nAda;1,2\n",
            "line 1: cannot tell the separator, for the header has comma and semicolon",
        ),
        (
            "model;tokens\nAda;1,200\n",
            "line 2: tokens is 1,200; cannot tell a decimal comma from a separator of thousands",
        ),
        ("model;accuracy\nAda;0,5\nBell;0.5\n", "line 3: accuracy is 0.5, while other lines have commas"),
        (
            "model,accuracy\nAda,0,5\n",
            "line 2: has more cells than the header; is a decimal comma taken for the separator",
        ),
        ("model,accuracy\nAda,1\nBell,0,5\n", "the separator must be a semicolon or a tab"),
    ],
)
def test_what_can_mean_two_things_is_refused(text, words, tmp_path):
    with pytest.raises(InputError, match=words):
        read_table(written(tmp_path, "t.csv", text))


def test_thousands_are_told_by_a_cell_that_is_none(tmp_path):
    """Where one cell of the file has a decimal comma, the others have one too."""
    frame = read_table(written(tmp_path, "t.csv", "model;accuracy;tokens\nAda;0,5;1,200\n"))
    assert frame["tokens"].tolist() == [1.2]


def test_packed_tables_are_read(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"model;accuracy\nAda;0,5\n"))
    assert read_table(path)["accuracy"].tolist() == [0.5]


def test_text_with_commas_stays_text(tmp_path):
    frame = read_table(written(tmp_path, "t.csv", "model;level\nAda;1,2\nAda;high\n"))
    assert frame["level"].tolist() == ["1,2", "high"]

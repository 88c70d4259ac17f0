"""The table of a batch: rows of several batches in one folder."""

import csv

import pytest

from pmrnet.batch_table import COLUMNS, BatchTable
from pmrnet.errors import InputError


def statuses(path):
    with path.open(newline="") as stream:
        return {row["name"]: row["status"] for row in csv.DictReader(stream)}


def test_batches_at_the_same_time_keep_each_others_rows(tmp_path):
    path = tmp_path / "out" / "results.csv"
    one, two = BatchTable(path, ["a", "b"]), BatchTable(path, ["c", "d"])
    one.write()
    two.write()
    assert statuses(path) == dict.fromkeys("abcd", "pending")
    one.failed("a", "why")
    one.write()
    two.failed("d", "why")
    two.write()
    one.failed("b", "why")
    one.write()
    assert statuses(path) == {"a": "failed", "b": "failed", "c": "pending", "d": "failed"}
    assert [p.name for p in path.parent.iterdir()] == ["results.csv"]


def test_of_its_own_pairs_a_batch_believes_itself(tmp_path):
    path = tmp_path / "results.csv"
    one = BatchTable(path, ["a"])
    one.failed("a", "why")
    one.write()
    two = BatchTable(path, ["a", "b"])
    two.write()
    assert statuses(path) == {"a": "pending", "b": "pending"}


def test_a_table_that_excel_has_saved(tmp_path):
    path = tmp_path / "results.csv"
    BatchTable(path, ["a"]).write()
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    BatchTable(path, ["b"]).write()
    assert statuses(path) == {"a": "pending", "b": "pending"}


def test_a_table_that_became_another_file_is_not_overwritten(tmp_path):
    path = tmp_path / "results.csv"
    table = BatchTable(path, ["a"])
    path.write_text("mine\n")
    with pytest.raises(InputError, match="found another file"):
        table.write()
    assert path.read_text() == "mine\n"


@pytest.mark.parametrize(
    "text", ["my,own\n1,2\n", ",".join(COLUMNS) + "\n" + "," * len(COLUMNS) + "\n"]
)
def test_a_foreign_table_is_refused(tmp_path, text):
    """One with other columns, and one with a cell too many."""
    path = tmp_path / "results.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=r"results\.csv: expected the table of an earlier batch"):
        BatchTable(path, ["a"])
    assert path.read_text() == text

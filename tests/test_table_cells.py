from types import SimpleNamespace

import pytest

from fake_subjects import tiny_protocol
from pmrnet.summary import ALL, Statistic, Summary
from pmrnet.table_cells import NONE, cells_of, number
from pmrnet.table_rows import PaperRow, Row

NAN = float("nan")
PROTOCOL = tiny_protocol()
COLUMNS = ("Left", "Right", ALL)


def measured(name, dice, hd95=NAN, folding=0.0, sdlogj=0.0, seconds=NAN):
    summary = Summary(
        dice={column: Statistic(dice, 0.01, dice, dice) for column in COLUMNS},
        hd95={column: Statistic(hd95, 0.2, hd95, hd95) for column in COLUMNS},
        folding=folding,
        folding_brain=folding,
        sdlogj=sdlogj,
        seconds=seconds,
    )
    return Row(name, name, "make it"), summary, SimpleNamespace(provenance={})


def best(rows):
    """Titles of the rows that are marked, by column."""
    head, body = cells_of(PROTOCOL, rows)
    return {
        title: [line[0].text for line in body if line[place].best]
        for place, title in enumerate(head)
    }


def test_more_overlap_is_better_and_less_of_the_rest():
    rows = [
        measured("a", 0.60, 5.1, 0.001, 0.30, 2.0),
        measured("b", 0.72, 5.0, 0.002, 0.20, 1.0),
        measured("c", 0.71, 6.0, 0.003, 0.25, 3.0),
    ]
    found = best(rows)
    assert found["Left"] == found["All labels"] == found["HD95, mm"] == ["b"]
    assert found["SDlogJ"] == ["b"]
    assert found["Seconds"] == []  # measured under other loads
    assert found["Folding, %"] == ["a"]
    assert found["Method"] == found["Source"] == found["Parameters"] == []


def test_what_looks_alike_is_marked_alike():
    found = best([measured("a", 0.7101), measured("b", 0.7104), measured("c", 0.7096)])
    assert found["Left"] == ["a", "b", "c"]
    assert best([measured("a", 0.7101), measured("b", 0.7106)])["Left"] == ["b"]


def test_a_method_without_a_deformation_is_not_praised_for_folding_nothing():
    rows = [
        measured("affine", 0.6),
        measured("a", 0.7, 4, 0.01, 0.2, 1),
        measured("b", 0.7, 4, 0.02, 0.3, 2),
    ]
    assert best(rows)["Folding, %"] == best(rows)["SDlogJ"] == ["a"]


def test_nothing_is_best_where_there_is_nothing_to_compare():
    assert not any(best([measured("a", 0.7, 3.0, 0.1, 0.1, 1.0)]).values())
    paper = PaperRow("Ours", {"Left": 0.9, "Right": 0.9}, "somewhere")
    assert not any(best([measured("a", 0.7), paper, (Row("b", "b", ""), None, None)]).values())


def test_paper_rows_do_not_compete():
    paper = PaperRow("Ours", {"Left": 0.9, "Right": 0.9}, "somewhere")
    assert best([measured("a", 0.7), paper, measured("b", 0.6)])["Left"] == ["a"]


@pytest.mark.parametrize(
    ("value", "digits", "text"), [(0.12345, 3, "0.123"), (1e6, 0, "1000000"), (NAN, 2, NONE)]
)
def test_numbers(value, digits, text):
    assert number(value, digits) == text

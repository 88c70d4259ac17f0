from pathlib import Path

import pandas as pd
import pytest

from fake_subjects import tiny_protocol
from pmrnet.errors import InputError
from pmrnet.protocol import Protocol
from pmrnet.tables import Row, build_table
from test_summary import store

PROTOCOL = tiny_protocol()
ROWS = [
    Row("affine", "Affine", "make evaluate METHOD=affine"),
    Row("net", "PMR-Net", "make evaluate METHOD=net"),
    Row("later", "Later", "make evaluate METHOD=later"),
]
PAPER = "method,Left,Right,source\nOurs,0.7,0.812,printed in Table 1\n"


@pytest.fixture
def folder(tmp_path):
    store(tmp_path / "results" / "affine", seconds=None, folding=0.0, folding_brain=0.0, sdlogj=0.0)
    store(tmp_path / "results" / "net")
    (tmp_path / "paper.csv").write_text(PAPER)
    return tmp_path


def build(folder, rows=ROWS, protocol=PROTOCOL, paper="paper.csv", **more):
    paper_csv = folder / paper if paper else None
    return build_table(protocol, rows, folder / "results", folder / "out", paper_csv, **more)


def lines_of(text, title):
    """The cells of the table lines that begin with this title."""
    lines = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines()]
    return [line for line in lines if line[0] == title]


def test_markdown_by_hand(folder):
    text = build(folder)
    assert text == (folder / "out" / "table1.md").read_text()
    header, intervals_header = lines_of(text, "Method")
    assert header == [
        *("Method", "Source", "Left", "Right", "All labels"),
        *("Folding, %", "in brain, %", "SDlogJ", "Seconds"),
    ]
    assert intervals_header == ["Method", "Left", "Right", "All labels"]
    means, intervals = lines_of(text, "PMR-Net")
    # Left, by pair: .2, .5, .5, .5, .5, .7; Right: .9, .7, .7, .7, .7; all: .4, .5, .5, .5, .5, .6
    assert means == [
        *("PMR-Net", "measured", "0.483 ± 0.160", "0.740 ± 0.089", "0.500 ± 0.063"),
        *("2.5000", "0.2500", "0.125", "0.50"),
    ]
    assert len(intervals) == 4
    low, high = map(float, intervals[1].split(" to "))
    assert 0.2 <= low < 0.483 < high <= 0.7
    affine, _ = lines_of(text, "Affine")
    assert affine[5:] == ["0.0000", "0.0000", "0.000", "–"]  # noqa: RUF001


def test_rows_keep_their_order_and_say_what_is_missing(folder):
    text = build(folder)
    titles = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("|")]
    assert titles[2:6] == ["Affine", "PMR-Net", "Later", "Ours"]
    (later,) = lines_of(text, "Later")
    assert later[1] == "not yet run"
    assert "- Later not yet run: `make evaluate METHOD=later`\n" in text
    assert not any(later[2:])


def test_paper_rows_are_marked_and_carry_their_source(folder):
    text = build(folder)
    (ours,) = lines_of(text, "Ours")
    assert ours[:4] == ["Ours", "paper", "0.700", "0.812"]
    assert "- Ours: printed in Table 1" in text


def test_the_text_names_protocol_and_provenance(folder):
    text = build(folder, title="Table 1 of the paper")
    assert text.startswith("# Table 1 of the paper\n")
    assert f"Protocol tiny, hash {PROTOCOL.hash}: 6 ordered pairs of 3 test subjects" in text
    assert (
        "- PMR-Net: pmrnet 0.0; commit 0123456789ab; weights wwwwwwwwwwww; Abacus, 2 cores; "
        "2020-01-02" in text
    )


def test_all_lines_of_a_table_are_equally_long(folder):
    tables = [block for block in build(folder).split("\n\n") if block.startswith("|")]
    assert len(tables) == 2
    for table in tables:
        assert len({len(line) for line in table.splitlines()}) == 1


def test_csv_has_every_number(folder):
    build(folder, name="table9")
    table = pd.read_csv(folder / "out" / "table9.csv").set_index("title")
    assert table.index.tolist() == ["Affine", "PMR-Net", "Later", "Ours"]
    row = table.loc["PMR-Net"]
    assert row["Left mean"] == pytest.approx(2.9 / 6, abs=1e-6)
    assert row["Left low"] < row["Left mean"] < row["Left high"]
    assert row["folding_percent"] == pytest.approx(2.5)
    assert row["protocol_hash"] == PROTOCOL.hash
    assert table.loc["Ours", "Right mean"] == 0.812
    assert table.loc["Ours", "source"] == "paper: printed in Table 1"
    assert table.loc["Later", "source"] == "not yet run"
    assert table.loc["Later", "Left mean":].isna().all()


def test_without_paper_rows_and_without_any_result(folder):
    assert "paper" not in build(folder, paper=None).lower()
    text = build(folder, rows=ROWS[2:], paper=None)
    assert "not yet run" in text
    assert "confidence" not in text
    assert "Measured:" not in text


def test_results_of_two_protocols_are_not_mixed(folder):
    other = tiny_protocol(test=("p", "q", "r"), validation=("c", "x"))
    store(folder / "results" / "later", protocol=other)
    with pytest.raises(InputError, match=f"{PROTOCOL.hash}.*{other.hash}"):
        build(folder)
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    "content", ["method,Left,source\nOurs,0.7,x\n", PAPER.replace("0.7", "high"), ""]
)
def test_a_paper_file_that_does_not_fit_is_refused(folder, content):
    (folder / "paper.csv").write_text(content)
    with pytest.raises(InputError, match=r"paper\.csv"):
        build(folder)
    with pytest.raises(InputError, match=r"nowhere\.csv"):
        build(folder, paper="nowhere.csv")


def test_the_papers_printed_rows_of_lpba40(tmp_path):
    root = Path(__file__).parents[1]
    paper = root / "experiments" / "lpba40" / "paper_table1.csv"
    text = build_table(Protocol.load("lpba40"), [], tmp_path, tmp_path / "out", paper)
    printed = {
        "UtilzReg": "0.691 0.617 0.612 0.665 0.665 0.710 0.692",
        "VoxelMorph": "0.669 0.610 0.605 0.652 0.663 0.700 0.689",
        "FAIM": "0.676 0.617 0.608 0.658 0.675 0.710 0.696",
        "Baseline-1": "0.677 0.637 0.617 0.635 0.622 0.549 0.601",
        "Baseline-2": "0.702 0.661 0.648 0.664 0.665 0.602 0.682",
        "Our Method": "0.711 0.661 0.660 0.679 0.691 0.711 0.701",
    }
    for title, numbers in printed.items():
        (line,) = lines_of(text, title)
        assert line[1] == "paper"
        assert " ".join(line[2:9]) == numbers

import dataclasses
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from fake_subjects import provenance, tiny_protocol
from pmrnet.errors import InputError
from pmrnet.methods import METHODS
from pmrnet.protocol import Protocol
from pmrnet.table_cells import NONE
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
        *("HD95, mm", "Folding, %", "in brain, %", "SDlogJ", "Seconds"),
        *("Parameters", "Steps", "Training, s", "Memory, GiB"),
    ]
    assert intervals_header == ["Method", "Left", "Right", "All labels"]
    means, intervals = lines_of(text, "PMR-Net")
    # Left, by pair: .2, .5, .5, .5, .5, .7; Right: .9, .7, .7, .7, .7; all: .4, .5, .5, .5, .5, .6
    assert means == [
        # Affine has the same Dice here, and shares the best.
        *("PMR-Net", "measured", "**0.483 ± 0.160**", "**0.740 ± 0.089**", "**0.500 ± 0.063**"),
        *(NONE, "2.5000", "0.2500", "0.125", "0.50"),
        *[NONE] * 4,
    ]
    assert len(intervals) == 4
    assert len(set(intervals)) == 4  # each column its own
    low, high = map(float, intervals[1].split(" to "))
    # Percentiles of resampled means, all within 0.2 to 0.7, stretched 2.69 times for 3 subjects.
    assert 0.483 - 2.69 * 0.283 <= low < 0.35 < 0.55 < high <= 0.483 + 2.69 * 0.217
    affine, _ = lines_of(text, "Affine")
    assert affine[5:] == [NONE, "0.0000", "0.0000", "0.000", *[NONE] * 5]


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


def test_an_evaluation_that_went_on_elsewhere_names_both_machines(folder):
    path = folder / "results" / "net" / "result.json"
    stored = json.loads(path.read_text())
    starts = [
        {"machine": {"cpu": cpu, "cores": 2}, "git": {"commit": 12 * commit, "dirty": False}}
        for cpu, commit in (("Abacus", "a"), ("Slide rule", "b"))
    ]
    stored["provenance"]["starts"] = starts
    path.write_text(json.dumps(stored))
    text = build(folder)
    assert "; Abacus, 2 cores, then Slide rule, 2 cores; 2020-01-02" in text
    assert "; commit aaaaaaaaaaaa, then bbbbbbbbbbbb; " in text


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
    assert row["folding_brain_percent"] == pytest.approx(0.25)
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


def test_costs_and_hd95_stand_in_the_same_row(folder):
    cost = {"parameters": 1234567, "training_seconds": 98.6, "peak_memory_gib": 3.21}
    record = provenance() | {"cost": cost, "steps": 10000}
    hd95 = [[1, 2.0], [2, float("nan")], [3, 4.0], [4, 6.0]]
    store(folder / "results" / "later", provenance=record, hd95=hd95)
    text = build(folder)
    row, _ = lines_of(text, "Later")
    assert row[5] == "4.00 ± 0.00"
    assert row[10:] == ["1234567", "10000", "99", "3.2"]
    table = pd.read_csv(folder / "out" / "table1.csv").set_index("title").loc["Later"]
    assert table["parameters"] == 1234567
    assert table["steps"] == 10000
    assert table["training_seconds"] == 98.6
    assert table["peak_memory_gib"] == 3.2
    assert table["HD95 All labels mean"] == 4
    assert table["HD95 Left mean"] == 2  # without the label that a volume lacks
    assert table["HD95 Left low"] == table["HD95 Left high"] == 2


def test_a_paper_row_stands_below_the_measured_row_of_its_method(folder):
    (folder / "paper.csv").write_text(PAPER + "Theirs,0.6,0.7,printed too\n")
    named = [dataclasses.replace(ROWS[1], paper="Ours"), ROWS[0]]
    text = build(folder, rows=named)
    titles = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("|")]
    assert titles[2:6] == ["PMR-Net", "Ours", "Affine", "Theirs"]
    table = pd.read_csv(folder / "out" / "table1.csv")
    assert table["title"].tolist() == ["PMR-Net", "Ours", "Affine", "Theirs"]


def test_lost_numbers_are_said_to_be_lost(folder):
    (folder / "paper.csv").write_text(
        "method,Left,Right,numbers,source\nOurs,0.7,0.812,printed,Table 1\nTheirs,,,lost,Table 2\n"
    )
    text = build(folder)
    (theirs,) = lines_of(text, "Theirs")
    assert theirs[:5] == ["Theirs", "paper", "lost", "lost", NONE]
    assert "known no more:\n\n- Theirs: Table 2\n" in text
    table = pd.read_csv(folder / "out" / "table1.csv").set_index("title")
    assert table.loc["Theirs", "source"] == "paper (lost): Table 2"
    assert table.loc["Theirs", "Left mean":].isna().all()
    assert table.loc["Ours", "Left mean"] == 0.7


def test_files_come_out_the_same_and_depend_on_the_results_alone(folder, monkeypatch):
    def files():
        return {path.name: path.read_bytes() for path in (folder / "out").iterdir()}

    build(folder, references=["net"])
    first = files()
    assert sorted(first) == [
        *("significance.csv", "significance.md", "table1.csv", "table1.md", "table1.tex"),
    ]
    shutil.rmtree(folder / "out")
    monkeypatch.chdir(folder)
    build(folder, references=["net"])
    assert files() == first


@pytest.mark.parametrize("references", [[], ["later"], ["no-such", "later"]])
def test_there_is_no_significance_without_a_measured_reference(folder, references):
    build(folder, references=references)
    assert not list((folder / "out").glob("significance*"))
    build(folder, rows=ROWS[:1], references=["affine"])
    assert not list((folder / "out").glob("significance*"))


def test_further_references_have_files_of_their_own(folder):
    build(folder, references=["later", "net", "affine"])
    names = {path.stem for path in (folder / "out").glob("significance*")}
    assert names == {"significance-net", "significance-affine"}
    text = (folder / "out" / "significance-net.md").read_text()
    assert "score of PMR-Net less that of the other" in text


def test_results_of_two_preparations_of_the_data_are_not_mixed(folder):
    path = folder / "results" / "net" / "result.json"
    result = json.loads(path.read_text())
    result["identity"]["data_sha256"] = "0" * 64
    path.write_text(json.dumps(result))
    with pytest.raises(InputError, match="those of affine and net are of different ones"):
        build(folder)
    assert not (folder / "out").exists()


def test_the_training_is_told_by_its_machine(folder):
    path = folder / "results" / "net" / "result.json"
    result = json.loads(path.read_text())
    result["provenance"]["cost"] = {"steps": 12_500, "training_machines": ["H100", "EPYC"]}
    path.write_text(json.dumps(result))
    text = build(folder)
    assert "12500" in lines_of(text, "PMR-Net")[0]
    assert "; trained on H100, then EPYC\n" in text


def test_results_of_two_protocols_are_not_mixed(folder):
    other = tiny_protocol(test=("p", "q", "r"), validation=("c", "x"))
    store(folder / "results" / "later", protocol=other)
    with pytest.raises(InputError, match=f"{PROTOCOL.hash}.*{other.hash}"):
        build(folder)
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    "content",
    [
        "method,Left,source\nOurs,0.7,x\n",
        PAPER.replace("0.7", "high"),
        PAPER.replace("0.7", ""),
        "method,Left,Right,numbers,source\nOurs,,,gone,x\n",
        "",
    ],
)
def test_a_paper_file_that_does_not_fit_is_refused(folder, content):
    (folder / "paper.csv").write_text(content)
    with pytest.raises(InputError, match=r"paper\.csv"):
        build(folder)
    with pytest.raises(InputError, match=r"nowhere\.csv"):
        build(folder, paper="nowhere.csv")


def test_the_papers_second_table_is_lost(tmp_path):
    root = Path(__file__).parents[1]
    paper = root / "experiments" / "mindboggle" / "paper_table2.csv"
    for name in ("mindboggle", "oasis-trt"):
        text = build_table(Protocol.load(name), [], tmp_path, tmp_path / "out", paper)
        for method in METHODS.values():
            if method.paper:
                (line,) = lines_of(text, method.paper)
                assert line[1:7] == ["paper", *["lost"] * 5]


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

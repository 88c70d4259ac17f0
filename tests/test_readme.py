"""The tables of README and docs/results.md are those that are stored."""

import json
import re
from pathlib import Path
from statistics import median

import pandas as pd
import pytest

from pmrnet.methods import SHOWN
from pmrnet.table_cells import number

ROOT = Path(__file__).resolve().parents[1]
REGIONS = ["Frontal", "Parietal", "Occipital", "Temporal", "Cingulate"]


@pytest.mark.parametrize(
    ("stored", "first", "columns", "shown"),
    [
        (
            "lpba40/table1.csv",
            "| Method | Source | Frontal |",
            [*REGIONS, "Putamen", "Hippocampus", "All labels"],
            SHOWN,
        ),
        ("oasis-trt-dkt31/table.csv", "| Method | Frontal |", [*REGIONS, "All labels"], None),
    ],
)
def test_tables_have_the_rows_with_scores(stored, first, columns, shown):
    table = pd.read_csv(ROOT / "experiments" / stored)
    table = table[table["Frontal mean"].notna()]
    if shown is not None:
        printed = table["source"].str.startswith("paper")
        table = table[printed | table["method"].isin(shown)]
    expected = []
    for _, row in table.iterrows():
        source = [row["source"].split(":")[0]] if "Source" in first else []
        scores = [row[f"{column} mean"] for column in columns]
        cells = [number(score, 3) for score in scores]
        expected.append([row["title"], *source, *cells, number(row["folding_percent"], 4)])
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(first)) + 2
    stop = next(i for i in range(start, len(lines)) if not lines[i].startswith("|"))
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[start:stop]]
    assert sorted(found) == sorted(expected)


def test_page_of_results_has_the_scores_on_another_scanner():
    """Cell by cell: Dice in the table are those of the methods named here, in its order."""
    methods = {
        "PMR-Net, trained on LPBA40": "pmrnet@lpba40 pmrnet-1mm@lpba40 pmrnet-refined@lpba40",
        "the same with more convolutions": "pmrnet-deep@lpba40 pmrnet-grown@lpba40 "
        "pmrnet-grown-two-passes@lpba40 pmrnet-grown-coarse-to-fine@lpba40 "
        "pmrnet-grown-coarse-to-fine-three-passes@lpba40 "
        "pmrnet-grown-coarse-to-fine-six-passes@lpba40 "
        "pmrnet-deep-refined@lpba40",
        "PMR-Net, trained there, on 12 subjects": "pmrnet pmrnet-refined",
        "the same with more convolutions, trained there": "pmrnet-deep pmrnet-deep-refined",
        "VoxelMorph, trained on LPBA40": "voxelmorph@lpba40 voxelmorph-1mm@lpba40",
        "VoxelMorph, trained there": "voxelmorph",
        "FAIM, trained on LPBA40": "faim@lpba40",
        "FAIM, trained there": "faim",
        "general-purpose weights, two passes": "general@lpba40 general-three-passes@lpba40 "
        "general-refined@lpba40",
        "general-purpose 1 mm weights, two passes": "general-1mm@lpba40 "
        "general-1mm-three-passes@lpba40 general-1mm-coarse-to-fine@lpba40 "
        "general-1mm-refined@lpba40",
    }
    table = pd.read_csv(ROOT / "experiments/oasis-trt/table2.csv").dropna(subset="method")
    dice = table.set_index("method")["All labels mean"]
    page = (ROOT / "docs/results.md").read_text(encoding="utf-8")
    rows = page.partition("| | at 2 mm |")[2].partition("\n\n")[0].splitlines()[2:]
    assert len(rows) == len(methods)
    for row, (title, names) in zip(rows, methods.items(), strict=True):
        first, _, cells = row.removeprefix("| ").partition(" |")
        assert first == title
        assert re.findall(r"0\.\d{3}", cells) == [number(dice[n], 3) for n in names.split()]


def both_scores(method):
    """Dice over all labels on LPBA40, and of the weights that LPBA40 trained on OASIS-TRT-20."""
    elsewhere = method if method == "syn" else f"{method}@lpba40"
    rows = (("lpba40/table1.csv", method), ("oasis-trt/table2.csv", elsewhere))
    return [
        number(
            pd.read_csv(ROOT / "experiments" / name)
            .dropna(subset="method")
            .set_index("method")
            .loc[row, "All labels mean"],
            3,
        )
        for name, row in rows
    ]


def test_choices_have_the_scores_of_the_tables():
    methods = {
        "the default": "general-three-passes",
        "`--weights lpba40-general-1mm`": "general-1mm-three-passes",
        "`--refine`": "general-three-passes-refined",
        "ANTs SyN, for comparison": "syn",
    }
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("| | Dice on LPBA40 |")) + 2
    for line, (title, method) in zip(lines[start:], methods.items(), strict=False):
        assert line.startswith(f"| {title}")
        assert [cell.strip() for cell in line.split("|")[2:4]] == both_scores(method)
    assert lines[start + len(methods)] == ""
    gained = " and ".join(both_scores("general-1mm-coarse-to-fine"))
    assert f"which gives {gained} in place of" in " ".join(lines)


def test_the_symmetric_ways_have_the_scores_of_the_tables():
    plain, refined, symmetric, symmetric_refined = (
        " and ".join(both_scores(f"general-three-passes{way}"))
        for way in ("", "-refined", "-symmetric", "-symmetric-refined")
    )
    page = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert (
        f"It has {symmetric} in place of the default's {plain}, with `--refine` "
        f"{symmetric_refined} in place of {refined};"
    ) in page


def test_times_of_a_user_are_those_measured():
    measured = json.loads((ROOT / "experiments/bench/registration.json").read_text())
    ways = ("all but the report", "with report", "with report, `--refine`")
    fine = "with report, `--weights lpba40-general-1mm`"
    cold = {way: median(t["wall"] for t in of) for way, of in measured["cold"].items()}
    batch = {way: median(of["seconds"][1:]) for way, of in measured["batch"].items()}
    starts = [t for of in measured["cold"].values() for t in of]
    memory = max(of["gib"] for of in [*starts, *measured["batch"].values()])
    alone = [f"{cold[way]:.1f}" for way in (*ways, fine)]
    together = [f"{batch[way]:.1f}" for way in (*ways, fine)]
    page = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert (
        f"`pmrnet register` in a new process {alone[0]} s and with the report {alone[1]} s, with "
        f"`--refine` {alone[2]} s, with the weights at 1 mm {alone[3]} s; `pmrnet batch` "
        f"{', '.join(together[:3])} and {together[3]} s a pair; {memory:.1f} GiB at most"
    ) in page
    _, default, refined, finer = (f"{cold[way]:.0f} seconds" for way in (*ways, fine))
    choices = page.partition("| | Dice on LPBA40 |")[2].partition("ANTs SyN, for comparison")[0]
    first, _, others = choices.partition("`--weights")
    second, _, third = others.partition("`--refine`")
    assert default in first
    assert finer in second
    assert refined in third
    least = max(t["gib"] for t in measured["cold"]["with report"])
    assert f"Two brains to register, {default} and {least:.1f} GiB of memory" in page

"""The README's tables are those that are stored."""

from pathlib import Path

import pandas as pd
import pytest

from pmrnet.table_cells import number

ROOT = Path(__file__).resolve().parents[1]
REGIONS = ["Frontal", "Parietal", "Occipital", "Temporal", "Cingulate"]


@pytest.mark.parametrize(
    ("stored", "first", "columns"),
    [
        (
            "lpba40/table1.csv",
            "| Method | Source | Frontal |",
            [*REGIONS, "Putamen", "Hippocampus", "All labels"],
        ),
        ("oasis-trt-dkt31/table.csv", "| Method | Frontal |", [*REGIONS, "All labels"]),
    ],
)
def test_tables_have_all_rows_with_scores(stored, first, columns):
    table = pd.read_csv(ROOT / "experiments" / stored)
    table = table[table["Frontal mean"].notna()]
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

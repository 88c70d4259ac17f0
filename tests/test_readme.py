"""The README's tables are those that are stored."""

from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
DASH = "\N{EN DASH}"  # no score
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
        cells = [DASH if pd.isna(score) else f"{score:.3f}" for score in scores]
        folding = row["folding_percent"]
        cells.append(DASH if pd.isna(folding) else f"{folding:.4f}")
        expected.append([row["title"], *source, *cells])
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(first)) + 2
    stop = next(i for i in range(start, len(lines)) if not lines[i].startswith("|"))
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[start:stop]]
    assert sorted(found) == sorted(expected)

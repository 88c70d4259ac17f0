"""The paper's tables: all rows are there, and the stored ones are those of the stored results."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from pmrnet import workflow
from pmrnet.methods import METHODS

ROOT = Path(__file__).resolve().parents[1]


def test_the_papers_tables_have_all_rows_whatever_was_run(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "data_splits", tmp_path / "data_splits")
    for name in ("lpba40", "mindboggle"):
        folder = tmp_path / "experiments" / name
        folder.mkdir(parents=True)
        for paper in (ROOT / "experiments" / name).glob("paper_*.csv"):
            shutil.copy(paper, folder)
    monkeypatch.chdir(tmp_path)
    for dataset, name in workflow.PAPER_TABLES.items():
        text = workflow.table(dataset)
        table = pd.read_csv(tmp_path / "experiments" / dataset / f"{name}.csv")
        methods = table["method"].dropna()
        here = ~methods.str.contains("@")
        own = [m for m, shown in METHODS.items() if shown.home in (None, dataset)]
        assert methods[here].tolist() == own
        networks = [f"{m}@lpba40" for m, shown in METHODS.items() if shown.trained or shown.uses]
        assert methods[~here].tolist() == ([] if dataset == "lpba40" else networks)
        assert (table["source"] == "not yet run").sum() == len(methods)
        assert table["source"].str.startswith("paper").sum() == 6
        assert f"`make evaluate DATASET={dataset} METHOD=syn`" in text
        assert f"`make train evaluate DATASET={dataset} METHOD=faim`" in text
        assert (tmp_path / "experiments" / dataset / f"{name}.tex").is_file()


@pytest.mark.parametrize("dataset", ["lpba40", "mindboggle-dkt31", "oasis-trt", "oasis-trt-dkt31"])
def test_the_stored_tables_are_those_of_the_stored_results(dataset, tmp_path, monkeypatch):
    for name in ("experiments", "data_splits"):
        shutil.copytree(ROOT / name, tmp_path / name)
    folder = tmp_path / "experiments" / dataset
    stored = {
        path.name: path.read_bytes()
        for pattern in ("table*.*", "significance*.*")
        for path in folder.glob(pattern)
    }
    for name in stored:
        (folder / name).unlink()
    monkeypatch.chdir(tmp_path)
    workflow.table(dataset)
    assert stored
    assert {name: (folder / name).read_bytes() for name in stored} == stored

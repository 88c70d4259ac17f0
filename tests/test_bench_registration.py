"""The benchmark of what a user waits for."""

import csv
import json
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest

from pmrnet.bench import registration
from pmrnet.bench.registration import main, markdown, timed
from pmrnet.errors import InputError


def test_times_of_a_process():
    """Asked for by a small process, whose own memory would count as the other's."""
    work = "import time; x = b'1' * (300 << 20); time.sleep(0.3)"
    script = (
        "import json, sys; from pmrnet.bench.registration import timed;"
        f"print(json.dumps(timed([sys.executable, '-c', {work!r}])))"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    found = json.loads(said.stdout)
    assert 0.3 <= found["wall"] < 10
    assert found["cpu"] < found["wall"] + 1
    assert 0.28 < found["gib"] < 0.6


def test_a_failure_is_told_with_what_it_said():
    with pytest.raises(InputError, match="status 3: no brain"):
        timed([sys.executable, "-c", "import sys; print('no brain'); sys.exit(3)"])


def test_runs_every_pair_and_stores_a_table(tmp_path, monkeypatch, capsys):
    """With a stand-in for the command, which notes how it was called."""
    script = tmp_path / "pmrnet.py"
    script.write_text(
        f"""
import csv, pathlib, sys
with open({str(tmp_path / "calls.csv")!r}, "a") as stream:
    csv.writer(stream).writerow(sys.argv[1:])
if sys.argv[1] == "batch":
    pairs = list(csv.DictReader(open(sys.argv[2])))
    out = pathlib.Path(sys.argv[4]); out.mkdir()
    lines = [f"{{row['name']}},{{3 + i}}" for i, row in enumerate(pairs)]
    (out / "results.csv").write_text("\\n".join(["name,seconds", *lines]))
"""
    )
    monkeypatch.setattr(registration, "_COMMAND", (sys.executable, str(script)))
    brains = []
    for name in "abc":
        path = tmp_path / name / "t1.nii.gz"
        path.parent.mkdir()
        nib.save(nib.Nifti1Image(np.zeros((7, 8, 9), np.uint8), np.eye(4)), path)
        brains.append(str(path))
    assert main([*brains, "--output", str(tmp_path / "bench")]) == 0
    with (tmp_path / "calls.csv").open() as stream:
        calls = list(csv.reader(stream))
    assert len(calls) == 3 * 4 + 4
    assert [tuple(c[1:3]) for c in calls[::4][:3]] == [
        (brains[0], brains[1]),
        (brains[1], brains[2]),
        (brains[2], brains[0]),
    ]
    ways = [[], [], ["lpba40-general-1mm"], ["--refine"]]
    assert ["--no-report" in c for c in calls] == [True, False, False, False] * 4
    for number, call in enumerate(calls):
        assert [word for word in call if word in ("lpba40-general-1mm", "--refine")] == ways[
            number % 4
        ]
    assert len({c[3] for c in calls[12:]}) == 4  # folders of the batches
    text = (tmp_path / "bench" / "registration.md").read_text()
    assert text in capsys.readouterr().out
    assert "7x8x9" in text
    assert "| `batch`, with report | 6 | 6.0 |" in text  # of 4 to 8, the first left out
    assert str(tmp_path) not in (tmp_path / "bench" / "registration.json").read_text()


def test_medians():
    times = [{"wall": w, "cpu": 2 * w, "gib": g} for w, g in ((30, 2), (31, 2.5), (50, 2.2))]
    batch = {"wall": 60, "cpu": 90, "gib": 2.8, "seconds": [20, 9, 11, 10]}
    record = {
        "machine": {"cores": 2, "cpu": "A CPU"},
        "created": "2026-01-02T03:04:05",
        "git": {"commit": "0123456789ab"},
        "data": {"images": {"a/t1.nii.gz": [7, 8, 9]}},
    }
    text = markdown(
        {
            "provenance": record,
            "load": {"before": 0.1, "after": 1.9},
            "cold": {"with report": times},
            "batch": {"with report": batch},
        }
    )
    assert "| `register`, cold, with report | 3 | 31.0 | 62.0 | 2.5 GiB |" in text
    assert "| `batch`, with report | 4 | 10.0 | 22.5 | 2.8 GiB |" in text


@pytest.mark.parametrize(
    ("brains", "sentence"),
    [(["a.nii.gz"], "three images or more, found 1"), (["a", "b", "c"], "no file a, b, c")],
)
def test_refused(brains, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(brains) == 2
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_is_no_image_is_refused(tmp_path, capsys):
    brains = [tmp_path / f"{name}.nii.gz" for name in "abc"]
    for path in brains:
        path.write_text("no image")
    assert main([str(path) for path in brains]) == 2
    assert f"{brains[0]}: expected" in capsys.readouterr().err

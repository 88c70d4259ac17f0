"""The benchmark of whole methods: who is timed on what, and what its table says."""

import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from pmrnet.bench import methods
from pmrnet.bench.methods import main, markdown, measure
from pmrnet.dataset import Dataset

ROOT = Path(__file__).resolve().parents[1]
RECORD = {
    "machine": {"cores": 2, "cpu": "A CPU"},
    "created": "2026-01-02T03:04:05",
    "git": {"commit": "0123456789ab"},
    "config": {
        "protocol": "lpba40",
        "split": "validation",
        "pairs": [["a", "b"], ["b", "a"], ["a", "c"]],
    },
    "data": {"dataset": "the images"},
}


def test_methods_take_turns_in_every_pair(monkeypatch):
    calls, clock = [], iter(range(100))
    monkeypatch.setattr(
        methods,
        "time",
        SimpleNamespace(
            perf_counter=lambda: float(next(clock)), process_time=lambda: 2.0 * next(clock)
        ),
    )

    def function(name, *pair):
        calls.append((name, *pair))
        return name

    scores = {("x", "a"): 0.5, ("x", "b"): 0.25, ("y", "a"): 0.75, ("y", "b"): 0.61234}
    functions = {name: partial(function, name) for name in "xy"}
    found = measure(
        functions,
        [("a", "b"), ("b", "a")],
        lambda moving, _, displacement: scores[displacement, moving],
    )
    assert calls == [("x", "a", "b"), ("y", "a", "b"), ("x", "b", "a"), ("y", "b", "a")]
    times = {"wall": [2.0, 2.0], "cpu": [4.0, 4.0]}
    assert found == {
        "x": {**times, "dice": [0.5, 0.25]},
        "y": {**times, "dice": [0.75, 0.6123]},
    }


def test_table():
    seconds = {
        "pmrnet": {"wall": [1.0, 2.0, 4.0], "cpu": [2.0, 2.0, 2.0], "dice": [0.6, 0.6, 0.9]},
        "syn": {"wall": [10.0, 10.0, 10.0], "cpu": [20.0, 30.0, 40.0], "dice": [0.1] * 3},
    }
    load = {"before": 0.1, "after": 1.9}
    text = markdown({"provenance": RECORD, "load": load, "measured": seconds})
    assert "| PMR-Net | 2.00 (1.0x) | 2.00 (1.0x) | 0.700 |" in text
    # Medians of the ratios 10, 5 and 2.5 of a pair each, not the ratio of medians.
    assert "| ANTs SyN | 10.00 (5.0x) | 30.00 (15.0x) | 0.100 |" in text
    assert "3 validation pairs of lpba40" in text
    assert "0.1, 1.9" in text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--pairs", "0"], "--pairs: expected 1 to 90 test pairs of lpba40, found 0"),
        (["--split", "validation", "--pairs", "21"], "1 to 20 validation pairs of lpba40"),
        (["--pairs", "91"], "found 91; give another number."),
        (["--methods", "pmrnet", "affine"], "found affine; leave them out."),
    ],
)
def test_what_cannot_be_timed_is_said(tmp_path, monkeypatch, capsys, arguments, sentence):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(Dataset, "subjects", lambda self, names: dict.fromkeys(names))
    ready = {"affine": None}
    monkeypatch.setattr(
        "pmrnet.method_run.method_run",
        lambda data, name, *_: SimpleNamespace(displacement=ready.get(name, "found")),
    )
    assert main([*arguments, "--output", str(tmp_path)]) == 2
    assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_module_runs_as_a_command():
    """What `make bench-methods` calls."""
    command = [sys.executable, "-m", "pmrnet.bench.methods", "--pairs", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--pairs: expected 1 to 90" in done.stderr

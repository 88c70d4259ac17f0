"""The benchmark runs and its report says what was measured; how fast, no test asks."""

import json
import subprocess
import sys
from importlib import metadata

import pytest

from pmrnet.bench import __main__ as command
from pmrnet.bench import measure
from pmrnet.bench.report import markdown

SECONDS = {"pmrnet": 0.25, "voxelmorph-miccai2018": 1.0, "voxelmorph-default": 3.0}


class FakeWorker:
    """Answers at once, on a machine that grows slower from round to round."""

    asked: tuple = ()
    slowdown = 1.0

    def __init__(self, contender, shape):
        self.contender = contender

    def ask(self, request, *arguments):
        FakeWorker.asked += ((self.contender, request, *arguments),)
        if request == "memory":
            return 2**30
        if request == "run":
            FakeWorker.slowdown *= 1.1 if self.contender == measure.OURS else 1
            return FakeWorker.slowdown * SECONDS.get(self.contender, 0.7)
        return "train_on_batch"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture
def measured(monkeypatch):
    monkeypatch.setattr(measure, "Worker", FakeWorker)
    monkeypatch.setattr(measure.time, "sleep", lambda _: None)
    FakeWorker.asked, FakeWorker.slowdown = (), 1.0
    return measure.measure((32, 48, 64), 3, lambda _: None)


def test_contenders_take_turns(measured):
    asked = [(name, rest) for name, *rest in FakeWorker.asked if "registration" in rest]
    once = [["prepare", "registration"], ["run", "registration", 1]]
    expected = [("pmrnet", request) for request in once]
    for other in measure.TASKS["registration"][1:]:
        times = measured["seconds"]["registration"][other]["times"]
        expected += [(other, request) for request in once]
        expected += 3 * [
            ("pmrnet", ["run", "registration", 4]),
            (other, ["run", "registration", times]),
        ]
    assert asked == expected
    seconds = measured["seconds"]["registration"]
    assert [len(of["rounds"]) for of in seconds.values()] == [9, 3, 3, 3]


def test_ratios_are_of_one_round_each(measured):
    """So that a drift of the machine, here a large one, does not enter them."""
    ratios = measured["ratios"]["training"]
    assert ratios["voxelmorph-miccai2018"]["rounds"] == pytest.approx([4.0] * 3, rel=1e-3)
    assert ratios["voxelmorph-default"]["median"] == pytest.approx(12.0, rel=1e-3)
    turns = measured["seconds"]["training"]["pmrnet"]
    assert turns["median"] == sorted(turns["rounds"])[4]
    assert turns["rounds"][-1] > 2 * turns["rounds"][0]
    first = measured["seconds"]["registration"]["pmrnet"]
    assert first["times"] == round(1 / (1.1 * 0.25))  # a turn of about a second


def test_report(measured):
    provenance = {
        "machine": {"cpu": "Abacus", "cores": 2},
        "created": "2020-01-02T03:04:05+00:00",
        "git": {"commit": "0123456789abcdef"},
        "config": {"rounds": 3},
    }
    load = {"before": 0.1, "after": 1.2}
    text = markdown({"provenance": provenance, "load": load, "measurements": [measured]})
    for part in ("2 cores of Abacus", "commit 012345678", "0.1, 1.2", "**32x48x64**"):
        assert part in text
    rows = {line.split("|")[1].strip(): line for line in text.splitlines() if "|" in line}
    assert "(4.0x)" in rows["training step"]
    assert "(12.0x)" in rows["training step"]
    assert "1.00 GiB" in rows["peak memory, training"]
    assert len({line.count("|") for line in rows.values()}) == 1


def test_shapes_are_multiples_of_16(capsys):
    with pytest.raises(SystemExit):
        command.main(["--shape", "160x192x100"])
    assert "expected three multiples of 16" in capsys.readouterr().err


def test_there_is_a_round_at_least(capsys):
    with pytest.raises(SystemExit):
        command.main(["--rounds", "0"])
    assert "argument --rounds: expected 1 or more, found 0" in capsys.readouterr().err


def test_without_voxelmorph_it_says_how_to_get_it(monkeypatch, capsys, tmp_path):
    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(command.metadata, "version", absent)
    assert command.main(["--quick", "--output", str(tmp_path)]) == 2
    assert 'pip install "voxelmorph==0.2"' in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_quick_run(voxelmorph, tmp_path):
    """All contenders in processes of their own; two tasks, since compiling takes the time."""
    tasks = ("registration", "warp_gradient")
    arguments = ["--quick", "--output", str(tmp_path), *(f"--task={task}" for task in tasks)]
    subprocess.run([sys.executable, "-m", "pmrnet.bench", *arguments], check=True)
    results = json.loads((tmp_path / "results.json").read_text())
    (measurement,) = results["measurements"]
    assert measurement["shape"] == [32, 32, 32]
    assert set(measurement["seconds"]) == set(tasks)
    for task in tasks:
        of = measurement["seconds"][task]
        assert set(of) == set(measure.TASKS[task])
        others = len(of) - 1
        for contender, turns in of.items():
            assert len(turns["rounds"]) == (2 * others if contender == measure.OURS else 2)
            assert turns["median"] > 0
    for peaks in measurement["memory"].values():
        assert 0 < peaks["baseline"] <= peaks["registration"]
    assert results["provenance"]["config"]["packages"]["voxelmorph"] == "0.2"
    assert (tmp_path / "results.md").read_text().count("|") > 20

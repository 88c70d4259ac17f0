"""Gains on training and on validation subjects: of which pairs, and what the table says."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fake_subjects import tiny_protocol
from pmrnet.bench import generalisation
from pmrnet.bench.generalisation import main, markdown, measure, pairs_in_turn
from pmrnet.dataset import Dataset

ROOT = Path(__file__).resolve().parents[1]


def test_every_subject_takes_part_alike():
    protocol = tiny_protocol(train=tuple("abcde"), validation=tuple("fg"))
    pairs = pairs_in_turn(protocol)
    assert len(set(pairs["train"])) == len(pairs["train"]) == 20
    for side in (0, 1):
        assert set(Counter(pair[side] for pair in pairs["train"]).values()) == {4}
    assert sorted(pairs["validation"]) == [("f", "g"), ("g", "f")]
    assert all(moving != fixed for of in pairs.values() for moving, fixed in of)


def test_no_test_subject_is_looked_at():
    protocol = Dataset.load(str(ROOT / "data_splits" / "lpba40.yaml")).protocol
    pairs = pairs_in_turn(protocol)
    assert sorted(pair[1] for pair in pairs["train"]) == sorted(protocol.train)
    assert len(set(pairs["validation"])) == 20
    seen = {name for of in pairs.values() for pair in of for name in pair}
    assert seen == {*protocol.train, *protocol.validation}


def test_scores_are_of_the_same_pair():
    def function(moving, fixed):
        return np.full((2, 3, 4, 3), 10.0 * moving + fixed)

    def score(moving, fixed, displacement):
        return 0.5 if not displacement.any() else float(displacement.flat[0]) / 100

    found = measure({"x": function}, [(1, 2), (3, 1)], score)
    assert found == {"affine": [0.5, 0.5], "x": [0.12, 0.31]}


def test_table():
    dice = {
        "train": {"affine": [0.5, 0.6, 0.7], "pmrnet": [0.6, 0.8, 0.8]},
        "validation": {"affine": [0.4, 0.5], "pmrnet": [0.45, 0.65]},
    }
    record = {
        "created": "2026-01-02T03:04:05",
        "git": {"commit": "0123456789ab"},
        "config": {"protocol": "lpba40", "methods": ["pmrnet"]},
        "data": {"dataset": "the images"},
    }
    text = markdown({"provenance": record, "dice": dice})
    # Gains 0.1, 0.2, 0.1 and 0.05, 0.15; standard errors of their means.
    assert "| PMR-Net | 0.1333 ± 0.0333 | 0.1000 ± 0.0500 |" in text
    assert "3 train and 2 validation pairs of lpba40" in text
    assert "(0.600 and 0.450)" in text


def test_too_few_subjects_and_what_does_not_move(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(Dataset, "subjects", lambda self, names: dict.fromkeys(names))
    monkeypatch.setattr(
        "pmrnet.method_run.method_run", lambda *_: SimpleNamespace(displacement=None)
    )
    assert main(["--methods", "affine", "--output", str(tmp_path)]) == 2
    assert "found affine; leave them out." in capsys.readouterr().err
    few = tiny_protocol(validation=("a",))
    monkeypatch.setattr(generalisation, "pairs_in_turn", lambda _: pairs_in_turn(few))
    assert main(["--output", str(tmp_path)]) == 2
    assert "expected two validation subjects or more, found 1" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["--methods"], ["--no-such"]])
def test_usage(arguments):
    with pytest.raises(SystemExit):
        main(arguments)

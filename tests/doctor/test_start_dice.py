"""Overlap before registration."""

import io

import numpy as np
import pytest
from rich.console import Console
from small_sets import AFFINE, LABELS, NAMES, SHAPE, labels_path, parcels, prepare, protocol_of

from pmrnet.data.volume import save_image
from pmrnet.doctor.prepared_findings import load_prepared
from pmrnet.doctor.start_dice import start_findings


@pytest.fixture
def findings(tmp_path):
    """Findings of a protocol's prepared subjects, and what was shown meanwhile."""

    def found(protocol):
        console = Console(file=io.StringIO())
        subjects = load_prepared(protocol, tmp_path / "prepared")
        return start_findings(protocol, subjects, console), console.file.getvalue()

    return found


def dice(a, b):
    return np.mean(
        [2 * ((a == k) & (b == k)).sum() / ((a == k).sum() + (b == k).sum()) for k in LABELS]
    )


def test_mean_dice_of_the_test_pairs(findings, tmp_path):
    protocol = protocol_of(tmp_path)
    shifted = AFFINE.copy()
    shifted[:3, 3] += 3 * AFFINE[:3, 2]  # three slices up, by the headers alone
    for name in NAMES:
        prepare(tmp_path, name, affine=shifted if name == "q" else AFFINE)
    (finding,), shown = findings(protocol)
    maps = {name: parcels(NAMES.index(name)) for name in "pqr"}
    up = np.zeros_like(maps["q"])
    up[..., 3:] = maps["q"][..., :-3]
    down = np.zeros_like(maps["p"])
    affine = np.mean([dice(maps[a], maps[b]) for a, b in ("pq", "qr", "rp")])
    down[..., :-3] = maps["p"][..., 3:]
    header = np.mean([dice(down, maps["q"]), dice(up, maps["r"]), dice(maps["r"], maps["p"])])
    assert finding.level == "ok"
    assert f"3 test pairs before registration: {affine:.2f} after the affine" in finding.what
    assert f"alignment, {header:.2f} where the files' headers" in finding.what
    assert "3/3" in shown


def test_labels_that_do_not_fit_together(findings, tmp_path):
    protocol = protocol_of(tmp_path)
    save_image(labels_path(tmp_path, "q"), parcels(1, (3, 1, 2)), AFFINE)
    save_image(labels_path(tmp_path, "r"), parcels(1, (2, 3, 1)), AFFINE)
    for name in NAMES:
        prepare(tmp_path, name)
    (finding,), _ = findings(protocol)
    assert finding.level == "warning"
    assert "left and right" in finding.advice


def test_labels_that_none_of_them_has(findings, tmp_path):
    protocol = protocol_of(tmp_path, labels={98: "x", 99: "y"})
    for name in NAMES:
        prepare(tmp_path, name)
    (finding,), _ = findings(protocol)
    assert finding.level == "warning"
    assert "0.00 after the affine" in finding.what


def test_labels_that_are_the_same(findings, tmp_path):
    protocol = protocol_of(tmp_path)
    save_image(labels_path(tmp_path, "q"), parcels(NAMES.index("p")), AFFINE)
    for name in NAMES:
        prepare(tmp_path, name)
    (_, alike), _ = findings(protocol)
    assert alike.level == "warning"
    assert alike.what == "Nearly the same labels before registration: p to q."
    assert "same_person" in alike.advice


def test_other_splits_where_the_test_has_no_pair(findings, tmp_path):
    protocol = protocol_of(tmp_path)
    for name in ("a", "b", "c", "d", "p"):
        prepare(tmp_path, name, labels=name != "d")
    (finding,), _ = findings(protocol)
    assert "2 train pairs" in finding.what


def test_at_most_ten_pairs_of_as_many_subjects_as_there_are(findings, tmp_path):
    many = [f"s{i:02d}" for i in range(14)]
    protocol = protocol_of(tmp_path)
    for name in many:
        save_image(tmp_path / "raw" / name / "t1.nii.gz", np.ones(SHAPE), AFFINE)
        save_image(labels_path(tmp_path, name), parcels(len(name)), AFFINE)
        prepare(tmp_path, name)
    protocol = type(protocol)(**{**vars(protocol), "test": tuple(many)})
    (finding, alike), _ = findings(protocol)
    assert "10 test pairs" in finding.what
    assert "s00 to s01, s01 to s02" in alike.what


def test_a_map_that_is_gone_is_told_of(findings, tmp_path):
    protocol = protocol_of(tmp_path)
    for name in NAMES:
        prepare(tmp_path, name)
    labels_path(tmp_path, "q").unlink()
    found, _ = findings(protocol)
    assert [f.level for f in found] == ["error", "error", "ok"]
    assert found[0].what.startswith("p to q: q: expected its labels at")
    assert "1 test pairs" in found[2].what


def test_nothing_to_score(findings, tmp_path):
    protocol = protocol_of(tmp_path)
    assert findings(protocol)[0] == []
    for name in NAMES:
        prepare(tmp_path, name)
    unlabelled = type(protocol)(**{**vars(protocol), "labels": {}, "groups": {}})
    assert findings(unlabelled)[0] == []

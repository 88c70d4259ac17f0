import json

import numpy as np
import pytest
from small_brains import CHEAP, NATIVE, small_brain

from pmrnet.data import alignment
from pmrnet.data.affine import AffineSettings
from pmrnet.data.alignment import align_to_template
from pmrnet.data.volume import Volume, canonical

BRAIN = Volume(small_brain(), NATIVE)
INPUTS = {
    "image": {"path": "/a", "sha256": "1"},
    "labels": {"path": "/l", "sha256": "2"},
    "mask": {"path": "/m", "sha256": "3"},
}
MATRIX = np.array([[1.1, 0.1, 0, 1 / 3], [0, 0.9, 0, -2], [0, 0, 1, 3], [0, 0, 0, 1]])


@pytest.fixture
def calls(monkeypatch):
    ran = []

    def stub(moving, fixed, settings, quick):
        ran.append((moving, fixed, settings, quick))
        return MATRIX

    monkeypatch.setattr(alignment, "estimate_affine", stub)
    return ran


def test_result_is_kept(tmp_path, calls):
    first = align_to_template(tmp_path, BRAIN, INPUTS, CHEAP)
    np.testing.assert_array_equal(first["template_to_subject"], MATRIX)
    moving, fixed, settings, quick = calls[0]
    assert not quick
    np.testing.assert_array_equal(moving.data, canonical(BRAIN).data)
    assert fixed.shape == (197, 233, 189)
    assert settings == CHEAP
    record = json.loads((tmp_path / "affine.json").read_text())
    np.testing.assert_array_equal(record["template_to_subject"], MATRIX)
    assert record["identity"]["inputs"] == {"image": {"sha256": "1"}, "mask": {"sha256": "3"}}
    assert record["identity"]["settings"]["levels"] == [16.0]
    assert record["versions"]["SimpleITK"]
    elsewhere = {role: entry | {"path": "/other"} for role, entry in INPUTS.items()}
    elsewhere["labels"] = {"path": "/l", "sha256": "corrected"}
    assert align_to_template(tmp_path, BRAIN, elsewhere, CHEAP) == first
    assert len(calls) == 1


@pytest.mark.parametrize(
    "change", ["image", "mask", "no mask", "native affine", "settings", "quick"]
)
def test_what_it_depends_on(tmp_path, calls, change):
    before = align_to_template(tmp_path, BRAIN, INPUTS, CHEAP)
    inputs, brain, settings = dict(INPUTS), BRAIN, CHEAP
    if change in inputs:
        inputs[change] = {"path": "/a", "sha256": "9"}
    elif change == "no mask":
        del inputs["mask"]
    elif change == "native affine":
        brain = Volume(BRAIN.data, NATIVE @ np.diag([-1, 1, 1, 1]))
    elif change == "settings":
        settings = AffineSettings(levels=(16.0,), iterations=2, dilation=1)
    after = align_to_template(tmp_path, brain, inputs, settings, quick=change == "quick")
    assert len(calls) == 2
    assert calls[1][3] == (change == "quick")
    assert (after["settings_hash"] != before["settings_hash"]) == (change in ("settings", "quick"))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"template_to_subject": [[1]]}'])
def test_broken_file_is_made_again(tmp_path, calls, text):
    whole = align_to_template(tmp_path, BRAIN, INPUTS, CHEAP)
    (tmp_path / "affine.json").write_text(text)
    assert align_to_template(tmp_path, BRAIN, INPUTS, CHEAP) == whole
    assert len(calls) == 2
    record = whole | {"template_to_subject": np.zeros((4, 4)).tolist()}
    (tmp_path / "affine.json").write_text(json.dumps(record))
    align_to_template(tmp_path, BRAIN, INPUTS, CHEAP)
    assert len(calls) == 3

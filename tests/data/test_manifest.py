import hashlib
import json

import numpy as np
import pytest

from pmrnet.data.manifest import write_manifest
from pmrnet.data.prepared import write_prepared
from pmrnet.errors import InputError


@pytest.fixture
def subjects(tmp_path):
    record = {
        "grid_to_native": np.diag([2.0, 1, 1, 1]).tolist(),
        "affine": {"template_to_subject": np.eye(4).tolist(), "settings_hash": "a"},
        "native_affine": np.eye(4).tolist(),
        "native_shape": [7, 8, 9],
        "overlap": 0.9,
        "notices": ["look at it"],
        "inputs": {"image": {"path": "/a.nii", "sha256": "0"}},
        "settings": {},
        "settings_hash": "h",
    }
    images = np.random.default_rng(0).random((2, 3, 4, 5), np.float32)
    return [
        write_prepared(tmp_path / name, image, {"name": name, **record})
        for name, image in zip(("b", "a"), images, strict=True)
    ]


def test_content(tmp_path, subjects):
    failed = {"c": InputError("c.nii: expected an image, found none; give one.")}
    write_manifest(tmp_path, {"clip": 3}, "h", subjects, failed)
    text = (tmp_path / "manifest.json").read_text()
    content = json.loads(text)
    assert content["settings"] == {"clip": 3}
    assert content["failed"] == {"c": str(failed["c"])}
    assert list(content["subjects"]) == ["a", "b"]  # whatever the order of the calls
    entry = content["subjects"]["a"]
    digest = hashlib.sha256((tmp_path / "a" / "image.npy").read_bytes()).hexdigest()
    assert entry["outputs"] == {"image.npy": digest}
    assert entry["inputs"]["image"] == {"path": "/a.nii", "sha256": "0"}
    assert entry["affine"]["template_to_subject"] == np.eye(4).tolist()
    assert entry["grid_to_native"][0][0] == 2
    assert entry["notices"] == ["look at it"]
    for versions in (entry["versions"], content["versions"]):
        assert versions.keys() == {"pmrnet", "numpy", "scipy", "nibabel", "SimpleITK"}
    write_manifest(tmp_path, {"clip": 3}, "h", subjects, failed)
    assert (tmp_path / "manifest.json").read_text() == text

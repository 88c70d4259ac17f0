"""A small data set: its files, its protocol and its prepared subjects."""

from pathlib import Path

import nibabel as nib
import numpy as np
import yaml

from pmrnet.data.prepare import PrepareSettings
from pmrnet.data.prepared import describe_inputs, write_prepared
from pmrnet.data.volume import save_image
from pmrnet.protocol import Protocol

SHAPE = (10, 12, 14)
AFFINE = nib.affines.from_matvec(
    nib.eulerangles.euler2mat(0.2, -0.1, 0.3) @ np.diag([1.0, 1.5, 2.0]), (-7, -12, -18)
)
SPLITS = {"train": ["a", "b"], "validation": ["c", "d"], "test": ["p", "q", "r"]}
NAMES = [name for names in SPLITS.values() for name in names]
LABELS = (1, 2, 3)


def brain(seed):
    data = np.zeros(SHAPE, np.float32)
    inner = data[2:8, 2:10, 2:12]
    inner[:] = np.random.default_rng(seed).uniform(100, 900, inner.shape)
    return data


def parcels(seed=0, labels=LABELS):
    """Three slabs of labels across the brain, their borders different for each of nine seeds."""
    data = np.zeros(SHAPE, np.int16)
    ends = (2, 4 + seed % 3, 8 + seed // 3 % 3, 12)
    for label, start, stop in zip(labels, ends, ends[1:], strict=False):
        data[2:8, 2:10, start:stop] = label
    return data


def image_path(root, name):
    return root / "raw" / name / "t1.nii.gz"


def labels_path(root, name):
    return root / "raw" / name / "labels.nii.gz"


def make_set(root: Path, **changes) -> Path:
    """Write seven subjects and the protocol's file; `changes` are keys of the protocol."""
    for seed, name in enumerate(NAMES):
        save_image(image_path(root, name), brain(seed), AFFINE)
        save_image(labels_path(root, name), parcels(seed), AFFINE)
    content = {"name": "mine", **SPLITS, "labels": {n: f"label {n}" for n in LABELS}}
    content["data"] = {
        "source": "files",
        "subjects": {
            name: {"image": f"raw/{name}/t1.nii.gz", "labels": f"raw/{name}/labels.nii.gz"}
            for name in NAMES
        },
    }
    path = root / "mine.yaml"
    path.write_text(yaml.safe_dump(content | changes))
    return path


def protocol_of(root, **changes) -> Protocol:
    return Protocol.load(make_set(root, **changes))


def prepare(root, name, overlap=0.9, affine=AFFINE, labels=True, **record):
    """Write a prepared subject whose network grid is its native one."""
    files = {"image": image_path(root, name)}
    if labels:
        files["labels"] = labels_path(root, name)
    record = {
        "name": name,
        "grid_to_native": np.eye(4).tolist(),
        "native_affine": affine.tolist(),
        "native_shape": list(SHAPE),
        "overlap": overlap,
        "inputs": describe_inputs(files),
        "settings_hash": PrepareSettings().hash(),
    } | record
    return write_prepared(root / "prepared" / name, brain(0) / 1000, record)

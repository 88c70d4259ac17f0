"""What is prepared, from what, and how well."""

from dataclasses import replace

import numpy as np
import pytest
from small_sets import AFFINE, NAMES, brain, image_path, labels_path, prepare, protocol_of

from pmrnet.data.prepare import PrepareSettings
from pmrnet.data.volume import save_image
from pmrnet.doctor.prepared_findings import (
    _outdated,
    load_prepared,
    prepared_findings,
    recorded_files,
)
from pmrnet.doctor.raw_files import read_files


@pytest.fixture
def findings(tmp_path):
    """Findings of the data set as it is now."""
    protocol = protocol_of(tmp_path)

    def found():
        subjects = load_prepared(protocol, tmp_path / "prepared")
        files = protocol.data.subjects
        reports = {name: read_files(files[name], protocol.labels, {}) for name in NAMES}
        return prepared_findings(protocol, subjects, reports, "make data")

    return found


def test_nothing_is_prepared(findings):
    (finding,) = findings()
    assert (finding.level, finding.advice) == ("warning", "Run `make data`.")


def test_all_is_prepared(findings, tmp_path):
    for name in NAMES:
        prepare(tmp_path, name)
    assert [f.what for f in findings()] == ["Prepared: 7 subjects."]


def test_some_are_not_prepared_or_not_whole(findings, tmp_path):
    for name in NAMES[:-2]:
        prepare(tmp_path, name)
    (tmp_path / "prepared" / "c" / "image.npy").write_bytes(b"half")
    found = [f.what for f in findings()]
    assert found == [
        "Prepared: 4 subjects.",
        "validation: 1 of 2 not prepared (c).",
        "test: 2 of 3 not prepared (q, r).",
    ]


def test_files_that_changed_since(findings, tmp_path):
    for name in NAMES:
        prepare(tmp_path, name, labels=name != "p")
    save_image(image_path(tmp_path, "a"), brain(99), AFFINE)
    labels_path(tmp_path, "b").unlink()  # told of where the files are read
    first, changed = findings()
    assert first.level == "ok"
    assert changed.what == "a, p: prepared from other files than those that are there now."


def test_labels_that_are_no_longer_named(tmp_path):
    protocol = protocol_of(tmp_path)
    prepare(tmp_path, "a")
    prepare(tmp_path, "b", labels=False)
    subjects = load_prepared(protocol, tmp_path / "prepared")
    bare = {name: protocol.data.subjects[name]._replace(labels=None) for name in "ab"}
    reports = {name: read_files(files, (), {}) for name, files in bare.items()}
    told = [finding.what for finding in prepared_findings(protocol, subjects, reports, "make data")]
    assert "a: prepared from other files than those that are there now." in told


def test_other_settings(findings, tmp_path):
    for name in NAMES:
        prepare(tmp_path, name, **({"settings_hash": "old"} if name == "q" else {}))
    assert findings()[1].what == "q: prepared with other settings than the present ones."


def test_poor_overlap(findings, tmp_path):
    for name, overlap in zip(NAMES, np.linspace(0.74, 0.98, 7), strict=True):
        prepare(tmp_path, name, overlap=overlap)
    found = findings()[1:]
    assert [f.what.partition(" of the")[0] for f in found] == ["a: only 74%", "b: only 78%"]


def test_recorded_files(tmp_path):
    protocol = protocol_of(tmp_path)
    prepare(tmp_path, "a")
    prepare(tmp_path, "b", labels=False)
    subjects = load_prepared(protocol, tmp_path / "prepared")
    assert recorded_files(subjects["a"]) == protocol.data.subjects["a"]
    assert recorded_files(subjects["b"]) == protocol.data.subjects["b"]._replace(labels=None)


def test_volumes_of_another_grid_are_outdated(tmp_path):
    protocol = protocol_of(tmp_path)
    wide = (192, 192, 160)
    large = replace(protocol, data=replace(protocol.data, shape=wide))
    prepare(tmp_path, "a")
    prepare(tmp_path, "b", settings_hash=PrepareSettings(shape=wide).hash())
    subjects = load_prepared(protocol, tmp_path / "prepared")
    assert _outdated(protocol, subjects) == ["b"]
    assert _outdated(large, subjects) == ["a"]

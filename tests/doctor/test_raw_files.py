"""Reading all of a subject's files."""

import gzip

import numpy as np
import pytest
from small_sets import AFFINE, LABELS, brain, parcels

from pmrnet.data.prepared import describe_inputs, without_paths
from pmrnet.data.subject_files import SubjectFiles
from pmrnet.data.volume import save_image
from pmrnet.doctor.raw_files import read_files


@pytest.fixture
def files(tmp_path):
    return SubjectFiles(
        save_image(tmp_path / "t1.nii.gz", brain(1), AFFINE),
        save_image(tmp_path / "labels.nii.gz", parcels(1), AFFINE),
    )


def test_what_is_in_them(files):
    report = read_files(files, LABELS, {})
    assert report.problems == []
    assert report.grid == "10x12x14 of 1x1.5x2 mm"
    assert report.ids == [1, 2, 3]
    assert report.outside == {1: 0, 2: 0, 3: 0}
    assert report.assumed is None
    sums = without_paths(describe_inputs({"image": files.image, "labels": files.labels}))
    assert report.inputs == sums


def test_equal_values_have_equal_checksums_however_they_are_stored(files, tmp_path):
    plain = tmp_path / "plain.nii"
    plain.write_bytes(gzip.decompress(files.image.read_bytes()))
    one, two = (read_files(SubjectFiles(path), (), {}) for path in (files.image, plain))
    assert one.content == two.content
    assert one.inputs != two.inputs
    other = save_image(tmp_path / "other.nii", brain(2), AFFINE)
    assert read_files(SubjectFiles(other), (), {}).content != one.content


def test_labels_are_merged(files):
    report = read_files(files, (1, 3), {2: 3})
    assert report.ids == [1, 3]
    assert set(report.outside) == {1, 3}


def test_share_outside_the_brain(files, tmp_path):
    image = brain(1)
    labels = parcels(1)
    inside = np.flatnonzero(labels == 2)
    image.flat[inside[: len(inside) // 4]] = 0
    holed = files._replace(image=save_image(tmp_path / "holed.nii", image, AFFINE))
    share = read_files(holed, (2, 9), {}).outside
    assert share == {2: pytest.approx(0.25, abs=0.01)}
    mask = (labels != 2).astype(np.uint8)
    masked = files._replace(mask=save_image(tmp_path / "mask.nii", mask, AFFINE))
    assert read_files(masked, LABELS, {}).outside == {1: 0, 2: 1, 3: 0}


def test_every_problem_is_a_sentence(files, tmp_path):
    moved = AFFINE.copy()
    moved[0, 3] += 2
    whole = np.maximum(brain(1), 5)
    bad = SubjectFiles(
        save_image(tmp_path / "head.nii", whole, AFFINE),
        save_image(tmp_path / "moved.nii", parcels(1), moved),
        tmp_path / "no-mask.nii",
    )
    problems = read_files(bad, LABELS, {}).problems
    assert len(problems) == 2
    assert "no-mask.nii: expected an image file, found none" in problems[0]
    assert "moved.nii: expected the grid of the image" in problems[1]
    (problem,) = read_files(SubjectFiles(bad.image), LABELS, {}).problems
    assert "head.nii: expected a skull-stripped brain" in problem


def test_labels_are_read_where_the_image_cannot_be(files, tmp_path):
    (tmp_path / "damaged.nii.gz").write_bytes(b"\x1f\x8bno")
    report = read_files(files._replace(image=tmp_path / "damaged.nii.gz"), LABELS, {})
    assert len(report.problems) == 1
    assert report.ids == [1, 2, 3]
    assert report.outside == {}
    assert set(report.content) == {"labels"}
    # Its checksum is known all the same.
    assert set(report.inputs) == {"image", "labels"}


def test_a_mask_that_is_the_image_is_a_problem(files):
    (problem,) = read_files(files._replace(mask=files.image), LABELS, {}).problems
    assert "expected a brain mask, found the values of the image" in problem


def test_a_mask_makes_a_head_a_brain(files, tmp_path):
    head = save_image(tmp_path / "head.nii", np.maximum(brain(1), 5), AFFINE)
    mask = save_image(tmp_path / "mask.nii", (brain(1) > 0).astype(np.uint8), AFFINE)
    assert read_files(SubjectFiles(head, files.labels, mask), LABELS, {}).problems == []

"""Finding volumes in folders."""

import os

import pytest

from pmrnet.data.draft.search import DEPTH, find_volumes
from pmrnet.errors import InputError


def touch(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def shown(root):
    return [file.shown for file in find_volumes(root)]


def test_what_is_found(tmp_path):
    touch(tmp_path, "a/x.nii.gz", "a/x.json", "b.mgz", ".hidden.nii", ".git/a.nii", "a/y.txt")
    found = find_volumes(tmp_path)
    assert [(file.folders, file.stem) for file in found] == [((), "b"), (("a",), "x")]
    assert found[1].path == tmp_path / "a" / "x.nii.gz"
    assert found[1].shown == "a/x.nii.gz"


def test_a_pair_is_one_volume(tmp_path):
    touch(tmp_path, "a.hdr", "a.img", "b.hdr", "b.img.gz", "c.nii", "c.nii.gz")
    assert shown(tmp_path) == ["a.hdr", "b.hdr", "c.nii"]


def test_how_deep(tmp_path):
    deep = "/".join("abcdefgh"[:DEPTH])
    touch(tmp_path, f"{deep}/in.nii", f"{deep}/z/out.nii")
    assert shown(tmp_path) == [f"{deep}/in.nii"]


def test_of_freesurfer_s_subjects_only_the_volumes(tmp_path):
    touch(tmp_path, "s/mri/brain.mgz", "s/mri/orig/001.mgz", "s/surf/lh.area.mgz", "s/tmp/x.nii")
    touch(tmp_path, "plain/mri/t1.nii", "plain/mri/deeper/t2.nii")
    assert shown(tmp_path) == ["plain/mri/t1.nii", "plain/mri/deeper/t2.nii", "s/mri/brain.mgz"]


def test_links_are_followed_but_not_in_circles(tmp_path):
    touch(tmp_path, "store/s1/t1.nii", "set/readme")
    os.symlink(tmp_path / "store" / "s1", tmp_path / "set" / "s1")
    os.symlink(tmp_path / "set", tmp_path / "set" / "again")
    assert shown(tmp_path / "set") == ["s1/t1.nii"]


def test_nothing_there(tmp_path):
    with pytest.raises(InputError, match="expected a folder of volumes"):
        find_volumes(tmp_path / "no")
    with pytest.raises(InputError, match="found no files; give the folder"):
        find_volumes(tmp_path)
    touch(tmp_path, "1.dcm", "2.dcm", "x.txt")
    with pytest.raises(InputError, match=r"found 2 of \.dcm, 1 of \.txt; convert DICOM"):
        find_volumes(tmp_path)

"""Which file belongs to which subject."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmrnet.data.draft.naming import name_subjects
from pmrnet.data.draft.search import VolumeFile


def files(*paths):
    """Files by their paths without an ending."""
    return [
        VolumeFile(Path(path + ".nii"), tuple(path.split("/")[:-1]), path.split("/")[-1])
        for path in paths
    ]


def grouped(*paths):
    """Subject to the paths of its files; and the paths of nobody."""
    named, beside = name_subjects(files(*paths))
    result = {}
    for n in named:
        result.setdefault(n.subject, []).append(str(n.file.path.with_suffix("")))
    return result, [str(file.path.with_suffix("")) for file in beside]


def test_folders_count_from_outside():
    result, beside = grouped("a/x/t1", "a/x/seg", "b/x/t1", "b/x/seg", "c/x/t1", "notes")
    assert result == {"a": ["a/x/t1", "a/x/seg"], "b": ["b/x/t1", "b/x/seg"], "c": ["c/x/t1"]}
    assert beside == ["notes"]


def test_the_name_counts_as_a_whole_word_of_the_file_s_name():
    named, _ = name_subjects(files("1/1_t1", "1/seg", "2/2_t1", "2/seg", "3/3_t1"))
    assert {n.pattern for n in named} == {"*/*_t1", "*/seg"}


def test_names_of_several_words():
    paths = [f"OAS1_{n:04d}_MR1_{what}" for n in (1, 2, 3) for what in ("mpr", "seg")]
    result, _ = grouped(*paths)
    assert list(result) == ["OAS1_0001", "OAS1_0002", "OAS1_0003"]


def test_images_alone_in_one_folder():
    result, beside = grouped("in/A_001", "in/A_002", "in/B_001", "in/B_002", "in/template")
    assert list(result) == ["A_001", "A_002", "B_001", "B_002"]
    assert beside == ["in/template"]


def test_folders_of_splits_keep_their_subjects_apart():
    paths = [f"{split}/s{number}/t1" for split in ("train", "test") for number in (1, 2, 3)]
    result, _ = grouped(*paths)
    assert list(result) == [f"{split}_s{n}" for split in ("train", "test") for n in (1, 2, 3)]


def test_stages_of_processing_keep_their_subjects_together():
    result, _ = grouped("raw/s1/t1", "raw/s2/t1", "native/s1/t1", "native/s2/t1")
    assert {name: len(paths) for name, paths in result.items()} == {"s1": 2, "s2": 2}


@pytest.mark.parametrize(
    "folders", [("imagesTr", "labelsTr", "masksTr"), ("images", "labels", "tissue4"), ("img", "x")]
)
def test_a_folder_beside_the_images_has_more_of_the_same_subjects(folders):
    paths = [f"{folder}/OASIS_{n:04d}_0000" for folder in folders for n in range(1, 8)]
    result, beside = grouped(*paths)
    assert beside == []
    assert {len(own) for own in result.values()} == {len(folders)}
    assert len(result) == 7


def test_two_sites_images_keep_their_subjects_apart():
    paths = [f"{s}/{kind}/s{n}" for s in "AB" for kind in ("images", "labels") for n in (1, 2, 3)]
    result, _ = grouped(*paths)
    assert {len(own) for own in result.values()} == {2}
    assert len(result) == 6


def test_bids_wins_over_folders():
    result, beside = grouped(
        "sub-01/anat/sub-01_T1w", "d/x/sub-01/dseg", "sub-02/anat/sub-02_T1w", "d/sub-02_dseg", "t"
    )
    assert {name: len(paths) for name, paths in result.items()} == {"sub-01": 2, "sub-02": 2}
    assert beside == ["t"]


def test_freesurfer_s_average_is_no_subject():
    result, beside = grouped("a/mri/brain", "b/mri/brain", "fsaverage/mri/brain", "fsaverage5/x")
    assert set(result) == {"a", "b"}
    assert beside == ["fsaverage/mri/brain", "fsaverage5/x"]


@pytest.mark.parametrize("path", ["t1", "images/t1", "labels/seg"])
def test_names_that_tell_nothing(path):
    assert grouped(path) == ({}, [path])


NUMBERS = st.lists(st.integers(0, 9999), min_size=3, max_size=8, unique=True)
FORMS = ["{}/{}_t1", "x/{}/a/t1", "{}_t1", "t1_{}", "img/{}"]


@given(numbers=NUMBERS, stem=st.sampled_from(["", "s", "OAS", "K-"]), form=st.sampled_from(FORMS))
def test_every_file_is_counted_once(numbers, stem, form):
    names = [f"{stem}{number}" for number in numbers]
    paths = [form.format(name, name) for name in names]
    paths += [path.replace("t1", "seg").replace("img", "seg") for path in paths]
    named, beside = name_subjects(files(*paths))
    assert [n.file for n in named] == files(*paths)
    assert beside == []
    assert {n.subject for n in named} == set(names)
    assert len({n.pattern for n in named}) == 2

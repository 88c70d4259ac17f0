"""Drafts of whole folders: every known layout, and what the comments say."""

import io

import numpy as np
import pytest
from rich.console import Console
from volume_trees import AFFINE, brain, head, mask, parcels, subjects, write

from pmrnet.data.draft import draft_protocol, write_draft
from pmrnet.errors import InputError
from pmrnet.protocol import Protocol

SIX = [f"s{i:02d}" for i in range(1, 7)]


def labels(_):
    return parcels()


def both(seed):
    return {"vol": brain(seed).astype(np.float32), "seg": parcels()}


def draft(root, **options):
    """The protocol of a draft as it is read again, and its comments."""
    console = Console(file=io.StringIO())
    path = write_draft(root, root / "drafted.yaml", console=console, **options)
    lines = path.read_text().splitlines()
    comments = " ".join(line.lstrip("# ") for line in lines if line.startswith("#"))
    return Protocol.load(path), comments


def shown(protocol, root, name):
    """A subject's files as texts below the folder."""
    files = protocol.data.subjects[name]
    return [None if path is None else path.relative_to(root).as_posix() for path in files]


LAYOUTS = {
    "a folder per subject": (
        SIX,
        [("{}/t1.nii.gz", brain), ("{}/labels.nii.gz", labels)],
        ["s03/t1.nii.gz", "s03/labels.nii.gz", None],
    ),
    "in a folder of the site": (
        SIX,
        [("A_volumes/{}/t1weighted_brain.nii", brain), ("A_volumes/{}/labels.DKT31.nii", labels)],
        ["A_volumes/s03/t1weighted_brain.nii", "A_volumes/s03/labels.DKT31.nii", None],
    ),
    "BIDS with derivatives": (
        [f"sub-{name}" for name in SIX],
        [
            ("{0}/anat/{0}_T1w.nii.gz", brain),
            ("{0}/func/{0}_task-rest_bold.nii.gz", brain),
            ("derivatives/x/{0}/anat/{0}_dseg.nii.gz", labels),
            ("derivatives/x/{0}/anat/{0}_label-GM_probseg.nii.gz", brain),
        ],
        [
            "sub-s03/anat/sub-s03_T1w.nii.gz",
            "derivatives/x/sub-s03/anat/sub-s03_dseg.nii.gz",
            None,
        ],
    ),
    "flat files": (
        SIX,
        [("{}_t1.nii.gz", brain), ("{}_seg.nii.gz", labels)],
        ["s03_t1.nii.gz", "s03_seg.nii.gz", None],
    ),
    "flat files, the word first": (
        SIX,
        [("t1_{}.nii.gz", brain), ("seg_{}.nii.gz", labels)],
        ["t1_s03.nii.gz", "seg_s03.nii.gz", None],
    ),
    "flat files, one word more for the labels": (
        SIX,
        [("{}.nii.gz", brain), ("{}_parcels.nii.gz", labels)],
        ["s03.nii.gz", "s03_parcels.nii.gz", None],
    ),
    "images and labels in two folders": (
        [f"case_{name}" for name in SIX],
        [("imagesTr/{}_0000.nii.gz", brain), ("labelsTr/{}.nii.gz", labels)],
        ["imagesTr/case_s03_0000.nii.gz", "labelsTr/case_s03.nii.gz", None],
    ),
    "FreeSurfer": (
        SIX,
        [
            ("{}/mri/T1.mgz", head),
            ("{}/mri/orig.mgz", head),
            ("{}/mri/brain.mgz", lambda s: brain(s).astype(np.uint8)),
            ("{}/mri/norm.mgz", lambda s: brain(s).astype(np.uint8)),
            ("{}/mri/brainmask.mgz", lambda s: brain(s).astype(np.uint8)),
            ("{}/mri/aseg.mgz", labels),
            ("{}/mri/aparc+aseg.mgz", labels),
            ("{}/mri/orig/001.mgz", head),
            ("{}/surf/lh.thickness.mgz", lambda _: b"no volume"),
            ("fsaverage/mri/brain.mgz", brain),
        ],
        ["s03/mri/brain.mgz", "s03/mri/aparc+aseg.mgz", None],
    ),
    "VoxelMorph's npz of both": (SIX, [("{}.npz", both)], ["s03.npz", "s03.npz", None]),
    "Analyze pairs": (
        SIX,
        [("{0}/{0}_brain.img", brain), ("{0}/{0}_seg.img", labels)],
        ["s03/s03_brain.hdr", "s03/s03_seg.hdr", None],
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path, layout):
    names, forms, expected = LAYOUTS[layout]
    subjects(tmp_path, names, *forms)
    protocol, _ = draft(tmp_path, name="mine")
    assert protocol.name == "mine"
    third = next(name for name in names if name.endswith("03"))
    assert shown(protocol, tmp_path, third) == expected
    assert [*protocol.train, *protocol.validation, *protocol.test] == names
    assert (len(protocol.train), len(protocol.validation), len(protocol.test)) == (2, 2, 2)
    assert protocol.labels == {1: "label 1", 2: "label 2", 3: "label 3"}
    assert protocol.groups == {"All": (1, 2, 3)}
    assert protocol.data.source == "files"
    assert protocol.data.shape == (160, 192, 160)
    assert {f.image.is_file() for f in protocol.data.subjects.values()} == {True}


def test_one_name_at_two_sites_is_two_subjects(tmp_path):
    for site in "AB":
        subjects(tmp_path / f"site{site}", SIX[:3], ("{}/t1.nii", brain), ("{}/seg.nii", labels))
    protocol, _ = draft(tmp_path)
    assert protocol.train == ("siteA_s01", "siteA_s02")
    assert protocol.test == ("siteB_s02", "siteB_s03")
    assert shown(protocol, tmp_path, "siteB_s02")[:2] == ["siteB/s02/t1.nii", "siteB/s02/seg.nii"]


def test_one_name_before_and_after_processing_is_one_subject(tmp_path):
    subjects(tmp_path, SIX, ("raw/{}/t1.nii", head), ("preprocessed/{}/t1_brain.nii", brain))
    protocol, comments = draft(tmp_path)
    assert shown(protocol, tmp_path, "s05") == ["preprocessed/s05/t1_brain.nii", None, None]
    assert "left out: raw/*/t1 (6 files): image too, but preprocessed/*/t1_brain was" in comments


def test_the_skull_stripped_one_of_two_images_is_taken(tmp_path):
    forms = [("{}/t1weighted.nii", head), ("{}/t1weighted_brain.nii", brain), ("{}/t2.nii", brain)]
    subjects(tmp_path, SIX, *forms, ("{}/brain_mask.nii", lambda _: mask()))
    protocol, comments = draft(tmp_path)
    assert shown(protocol, tmp_path, "s01") == ["s01/t1weighted_brain.nii", None, None]
    assert "image: */t1weighted_brain (6 subjects; skull-stripped)" in comments
    assert "*/t1weighted (6 files): image too, but */t1weighted_brain was taken" in comments
    assert "*/brain_mask (6 files): a mask, not needed" in comments
    assert "no label maps were found" in comments
    assert protocol.labels == {}


def test_a_whole_head_gets_its_mask(tmp_path):
    subjects(tmp_path, SIX, ("{}/t1.nii", head), ("{}/brain_mask.nii.gz", lambda _: mask()))
    protocol, comments = draft(tmp_path)
    assert shown(protocol, tmp_path, "s06") == ["s06/t1.nii", None, "s06/brain_mask.nii.gz"]
    assert "image: */t1 (6 subjects; a whole head)" in comments
    assert "WHOLE HEADS" not in comments


def test_a_whole_head_without_a_mask_is_told_of(tmp_path):
    subjects(tmp_path, SIX, ("{}/t1.nii", head))
    _, comments = draft(tmp_path)
    assert "WHOLE HEADS without a brain mask: s01, s02, s03, s04, s05, s06" in comments


def test_names_that_do_not_tell_are_looked_into(tmp_path):
    subjects(tmp_path, SIX, ("{}/one.nii", labels), ("{}/two.nii", brain))
    subjects(tmp_path, SIX, ("{}/three_mask.nii", lambda _: parcels((5, 6))))
    protocol, _ = draft(tmp_path)
    # A map of several labels is none of brain, whatever its name; that of more labels is taken.
    assert shown(protocol, tmp_path, "s01") == ["s01/two.nii", "s01/one.nii", None]


def test_what_all_have_goes_before_what_suits_better(tmp_path):
    subjects(tmp_path, SIX, ("{}/t1.nii", brain))
    write(tmp_path / "s04" / "t1_brain.nii", brain())
    write(tmp_path / "s05" / "mprage.nii", brain())
    (tmp_path / "s05" / "t1.nii").unlink()
    protocol, comments = draft(tmp_path)
    assert shown(protocol, tmp_path, "s04")[0] == "s04/t1.nii"
    assert shown(protocol, tmp_path, "s05")[0] == "s05/mprage.nii"
    assert "image: */t1 (5 subjects" in comments
    assert "image: */mprage (1 subject;" in comments


def test_the_map_of_more_labels_is_taken(tmp_path):
    forms = [
        ("{}/seg2.nii", lambda _: parcels((1, 2))),
        ("{}/seg4.nii", lambda _: parcels((1, 2, 3))),
    ]
    subjects(tmp_path, SIX, ("{}/t1.nii", brain), *forms, ("{}/seg1.nii", lambda _: mask()))
    protocol, comments = draft(tmp_path)
    assert shown(protocol, tmp_path, "s01")[1] == "s01/seg4.nii"
    assert "*/seg2 (6 files): labels too, but */seg4 was taken" in comments


def test_a_map_of_one_label_that_no_name_calls_a_mask(tmp_path):
    subjects(tmp_path, SIX, ("{}/t1.nii", brain), ("{}/thing.nii", lambda _: mask()))
    protocol, _ = draft(tmp_path)
    assert shown(protocol, tmp_path, "s01") == ["s01/t1.nii", "s01/thing.nii", None]
    assert list(protocol.labels) == [1]


def test_a_damaged_file_does_not_speak_for_its_kind(tmp_path):
    subjects(tmp_path, SIX, ("{}/t1.nii", brain), ("{}/seg.nii", labels))
    (tmp_path / "s01" / "seg.nii").write_bytes(b"damaged")
    protocol, _ = draft(tmp_path)
    assert [name for name in SIX if protocol.data.subjects[name].labels] == SIX[1:]


def test_one_map_is_too_few_to_score(tmp_path):
    subjects(tmp_path, SIX, ("{}/t1.nii", brain))
    write(tmp_path / "s03" / "seg.nii", parcels())
    protocol, comments = draft(tmp_path)
    assert protocol.labels == {}
    assert "too few label maps to score with" in comments


def test_grids_are_compared_within_one_subject(tmp_path):
    """Every subject has a grid of its own, and the first lacks the files that mislead."""
    for number, name in enumerate(SIX):
        own = AFFINE.copy()
        own[:3, 3] += number
        moved = own.copy()
        moved[:3, 3] += 4
        write(tmp_path / name / "t1.nii", brain(number), own)
        write(tmp_path / name / "seg.nii", parcels(), own)
        if number > 0:
            write(tmp_path / name / "seg35.nii", parcels(range(1, 8)), moved)
    protocol, _ = draft(tmp_path)
    assert {files.labels.name for files in protocol.data.subjects.values()} == {"seg.nii"}


def test_labels_on_another_grid_than_the_image_are_not_taken(tmp_path):
    moved = AFFINE.copy()
    moved[:3, 3] += 4
    subjects(tmp_path, SIX, ("{}/t1_brain.nii", brain), ("{}/seg.nii", labels))
    for name in SIX:
        write(tmp_path / name / "t1_brain.MNI152.nii", brain(), moved)
        write(tmp_path / name / "seg35.nii", parcels(range(1, 8)), moved)
    protocol, comments = draft(tmp_path)
    assert shown(protocol, tmp_path, "s02")[:2] == ["s02/t1_brain.nii", "s02/seg.nii"]
    assert "*/seg35 (6 files): labels on another grid than */t1_brain" in comments


def test_the_image_whose_grid_has_labels_is_taken(tmp_path):
    moved = AFFINE.copy()
    moved[:3, 3] += 4
    subjects(tmp_path, SIX, ("{}/t1_brain.nii", brain))
    for name in SIX:
        write(tmp_path / name / "t1_brain_MNI152.nii", brain(), moved)
        write(tmp_path / name / "seg_MNI152.nii", parcels(), moved)
    protocol, _ = draft(tmp_path)
    expected = ["s02/t1_brain_MNI152.nii", "s02/seg_MNI152.nii"]
    assert shown(protocol, tmp_path, "s02")[:2] == expected


def test_labels_of_the_image_s_session_are_taken(tmp_path):
    names = [f"sub-{name}" for name in SIX]
    for session in ("ses-1", "ses-2"):
        stem = f"{{0}}/{session}/anat/{{0}}_{session}"
        subjects(tmp_path, names, (stem + "_T1w.nii", brain), (stem + "_dseg.nii", labels))
    for name, session in (("sub-s04", "ses-1"), ("sub-s05", "ses-2"), ("sub-s06", "ses-2")):
        (tmp_path / f"{name}/{session}/anat/{name}_{session}_T1w.nii").unlink()
    protocol, comments = draft(tmp_path)
    first = "sub-s01/ses-1/anat/sub-s01_ses-1_"
    second = "sub-s04/ses-2/anat/sub-s04_ses-2_"
    assert shown(protocol, tmp_path, "sub-s01") == [first + "T1w.nii", first + "dseg.nii", None]
    assert shown(protocol, tmp_path, "sub-s04") == [second + "T1w.nii", second + "dseg.nii", None]
    assert "*/ses-2/anat/*_ses-2_T1w (1 subject; skull-stripped)" in comments


def test_labels_that_some_lack_are_told_of_and_not_scored(tmp_path):
    subjects(tmp_path, SIX, ("{}/t1.nii", brain), ("{}/seg.nii", labels))
    write(tmp_path / "s02" / "seg.nii", parcels((1, 3, 40, 41)))
    write(tmp_path / "s03" / "seg.nii", parcels((1, 2, 3, 41)))
    protocol, comments = draft(tmp_path)
    assert list(protocol.labels) == [1, 3]
    assert "hence not scored: 2 (5), 40 (1), 41 (2)" in comments


def test_freesurfer_s_labels_have_names_and_those_of_no_region_are_out(tmp_path):
    ids = (1000, *range(1001, 1004), *range(1005, 1036), *range(2005, 2036))
    subjects(tmp_path, SIX, ("{}/t1.nii", brain))
    for name in SIX:
        rows = np.array(parcels((1,)), np.int32)
        flat = rows[rows > 0]
        rows[rows > 0] = np.resize(np.repeat(ids, 8), flat.size)
        write(tmp_path / name / "seg.nii", rows)
    protocol, comments = draft(tmp_path)
    assert protocol.labels[1028] == "left superior frontal"
    assert protocol.labels[2035] == "right insula"
    assert 1000 not in protocol.labels
    assert "no region, hence not scored: 1000" in comments
    assert "their numbers are FreeSurfer's" in comments


def test_maps_without_a_common_label_score_nothing(tmp_path):
    subjects(tmp_path, SIX, ("{}/t1.nii", brain))
    for number, name in enumerate(SIX):
        write(tmp_path / name / "seg.nii", parcels((2 * number + 1, 2 * number + 2)))
    protocol, comments = draft(tmp_path)
    assert protocol.labels == {}
    assert protocol.data.subjects["s01"].labels.name == "seg.nii"
    assert "NO LABEL is in all label maps" in comments


def test_a_subject_whose_labels_cannot_be_used_trains(tmp_path):
    subjects(tmp_path, SIX, ("{}/t1.nii", brain), ("{}/seg.nii", labels))
    (tmp_path / "s05" / "seg.nii").write_bytes(b"not a volume")
    (tmp_path / "s06" / "seg.nii").unlink()
    protocol, comments = draft(tmp_path)
    assert protocol.train == ("s05", "s06")
    assert protocol.data.subjects["s05"].labels is None
    assert "labels of s05 left out, since they cannot be used" in comments
    assert "without labels, hence in train: s05, s06" in comments


def test_what_belongs_to_nobody_is_left_out(tmp_path):
    subjects(tmp_path, SIX, ("{}/t1.nii", brain))
    write(tmp_path / "template.nii", brain())
    write(tmp_path / "extra" / "seg.nii", parcels())
    protocol, comments = draft(tmp_path)
    assert "extra" not in protocol.data.subjects
    assert "belong to no subject: template.nii" in comments
    assert "left out, since no image was found: extra" in comments


def test_unreadable_kinds_are_left_out_with_the_reason(tmp_path):
    four = np.stack([brain(), brain()], axis=-1)
    subjects(tmp_path, SIX, ("{}/t1.nii", brain), ("{}/brain.nii", lambda _: four))
    protocol, comments = draft(tmp_path)
    assert shown(protocol, tmp_path, "s01")[0] == "s01/t1.nii"
    assert "*/brain (6 files): cannot be used" in comments
    assert "expected one 3-D image" in comments


@pytest.mark.parametrize("count", [4, 5])
def test_few_subjects_train_but_do_not_test(tmp_path, count):
    subjects(tmp_path, SIX[:count], ("{}/t1.nii", brain), ("{}/seg.nii", labels))
    protocol, comments = draft(tmp_path)
    assert protocol.test == ()
    assert len(protocol.validation) == 2
    assert f"TOO FEW subjects for a test split: {count} found, 6 needed" in comments


def test_too_few_subjects_are_refused(tmp_path):
    subjects(tmp_path, SIX[:3], ("{}/t1.nii", brain))
    with pytest.raises(InputError, match=r"4 or more subjects.*found 3 \(s01, s02, s03\)"):
        draft(tmp_path)
    assert not (tmp_path / "drafted.yaml").exists()


def test_labels_alone_are_refused(tmp_path):
    subjects(tmp_path, SIX, ("{}/seg.nii", labels))
    with pytest.raises(InputError, match="expected T1 images among the volumes, found none"):
        draft_protocol(tmp_path, console=Console(file=io.StringIO()))


def test_names_that_yaml_would_take_for_something_else(tmp_path):
    names = ["001", "no", "a, b", "c [1]", "é: #2", "1e3", "'x'", "~root"]
    subjects(tmp_path, names, ("{}/t1 [b], c.nii", brain), ("{}/seg.nii", labels))
    write(tmp_path / "tem\x07\nplate.nii", brain())
    protocol, comments = draft(tmp_path, name="2020: [mine]")
    assert "belong to no subject: tem? plate.nii" in comments
    assert protocol.name == "2020: [mine]"
    assert set(protocol.data.subjects) == set(names)
    for name in names:
        assert protocol.data.subjects[name].labels == tmp_path / name / "seg.nii"

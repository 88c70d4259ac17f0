"""Roles of volumes by their names and by their values."""

import numpy as np
import pytest
from scipy import ndimage

from pmrnet.data.draft.roles import role_by_content, role_of, tells_processing, tells_role, tokens

IMAGES = [
    "t1",
    "*_T1w",
    "t1weighted_brain",
    "*.delineation.skullstripped",
    "mprage",
    "brain",
    "T2w",
]
LABELS = [
    "*_seg",
    "aparc+aseg",
    "aparc.DKTatlas+aseg",
    "labels.DKT31.manual",
    "*.delineation.structure.label",
    "sub_segTRI_ana",
    "*_desc-aseg_dseg",
    "atlas",
    "aligned_seg35",
]
MASKS = ["brain_mask", "brainmask", "*_desc-brain_mask", "mask", "labels_mask"]
OTHERS = ["*_label-GM_probseg", "*_bold", "wm_mask", "warp", "pve_1", "lesion_mask"]
UNTOLD = ["*", "one", "two_3", "tissues_x"]


@pytest.mark.parametrize(
    ("role", "stems"),
    [
        ("image", IMAGES),
        ("labels", LABELS),
        ("mask", MASKS),
        ("other", OTHERS),
        (None, UNTOLD),
    ],
)
def test_role_by_the_file_s_name(role, stems):
    assert {stem: role_of("", stem)[0] for stem in stems} == dict.fromkeys(stems, role)


def test_folders_tell_where_the_file_s_name_does_not():
    assert role_of("labelsTr", "*")[0] == "labels"
    assert role_of("imagesTr", "*_0000")[0] == "image"
    assert role_of("masks/x", "*")[0] == "mask"
    assert role_of("*/func", "*_T1w")[0] == "other"
    # A derivative's folder is named after what it was made for, not for each file in it.
    assert role_of("derivatives/labels/*", "*_T1w")[0] == "image"


def test_what_suits_better():
    order = ["t2", "scan_mni152", "scan", "t1_mni152", "t1", "t1_brain"]
    suits = [role_of("", stem)[1] for stem in order]
    assert suits[0] < suits[1] < suits[2]
    assert suits[2] <= suits[3] < suits[4] < suits[5]
    assert role_of("", "brain_mask")[1] > role_of("", "mask")[1]


def test_freesurfer_s_own_names():
    roles = {stem: role_of("*/mri", stem, True) for stem in ("brainmask", "brain", "aseg", "wm")}
    assert roles["brainmask"][0] == roles["brain"][0] == "image"
    assert roles["brain"] > roles["brainmask"]
    assert roles["aseg"] < role_of("*/mri", "aparc+aseg", True)
    assert roles["wm"][0] == "other"
    assert role_of("*/mri", "brainmask")[0] == "mask"  # converted and renamed, who knows


def test_words():
    assert tokens("OAS1_0001-MR1.t1+aseg") == ["oas1", "0001", "mr1", "t1", "aseg"]
    told = [
        word for word in ("T1w", "labelsTr", "MNI152", "s01", "0001", "kids") if tells_role(word)
    ]
    assert told == ["T1w", "labelsTr", "MNI152"]
    assert tells_processing("Preprocessed")
    assert not tells_processing("siteA")


@pytest.fixture
def regions(rng):
    """Folded regions of a ball, a few voxels thick."""
    noise = ndimage.gaussian_filter(rng.normal(size=(30, 32, 34)), 3)
    ranks = np.argsort(np.argsort(noise, axis=None)).reshape(noise.shape) * 6 // noise.size
    points = np.indices(noise.shape) - np.reshape([15, 16, 17], (3, 1, 1, 1))
    return np.where((points**2).sum(0) < 180, ranks + 1001, 0)


def test_role_by_content(rng, regions):
    inside = regions > 0
    assert role_by_content(regions) == "labels"
    assert role_by_content(regions.astype(np.float32)) == "labels"
    assert role_by_content(np.where(inside, 255, 0)) == "mask"
    smooth = ndimage.gaussian_filter(rng.normal(size=regions.shape), 1)
    smooth = np.clip(128 + 60 * smooth / smooth.std(), 1, 255)
    assert role_by_content(np.where(inside, smooth, 0)) == "image"
    assert role_by_content(np.where(inside, np.rint(smooth), 0).astype(np.uint8)) == "image"
    assert role_by_content(np.where(inside, -1, 0)) == "image"


@pytest.mark.data
def test_role_by_content_of_real_volumes(data_path):
    from pmrnet.data.volume import load_image

    for folder, image, labels in (
        ("lpba40/S01", "S01.delineation.skullstripped", "S01.delineation.structure.label"),
        (
            "mindboggle/OASIS-TRT-20_volumes/OASIS-TRT-20-1",
            "t1weighted_brain",
            "labels.DKT31.manual",
        ),
    ):
        if not (data_path / folder).is_dir():
            pytest.skip(f"no {folder} in {data_path}")
        values = load_image(data_path / folder / f"{image}.nii.gz").data
        assert role_by_content(np.rint(values)) == "image"
        values = load_image(data_path / folder / f"{labels}.nii.gz").data
        assert role_by_content(values) == "labels"
        assert role_by_content((values > 0).astype(float)) == "mask"

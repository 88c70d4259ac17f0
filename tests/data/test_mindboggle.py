from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest

from pmrnet.data.label_ids import label_ids
from pmrnet.data.mindboggle import SITES, SUBJECTS, find_subjects, label_orientation
from pmrnet.data.subject_files import SubjectFiles
from pmrnet.data.volume import Volume, load_labels
from pmrnet.errors import InputError
from pmrnet.protocol import Protocol

BELOW = "Mindboggle101_individuals/Mindboggle101_release3/Mindboggle101_volumes"
ALL = [
    f"{stem}{version}.nii.gz"
    for stem in (
        "t1weighted",
        "t1weighted_brain",
        "labels.DKT31.manual",
        "labels.DKT31.manual+aseg",
    )
    for version in ("", ".MNI152")
]
BRAIN, LABELS = "t1weighted_brain.nii.gz", "labels.DKT31.manual.nii.gz"


def make(folder, *files):
    folder.mkdir(parents=True)
    for name in files:
        (folder / name).write_bytes(b"")
    return folder


def test_the_101_subjects():
    assert len(SUBJECTS) == len(set(SUBJECTS)) == 101
    assert {site: len(names) for site, names in SITES.items()} == {
        "OASIS-TRT-20": 20,
        "NKI-RS-22": 22,
        "NKI-TRT-20": 20,
        "MMRR-21": 21,
        "Extra-18": 18,
    }
    assert SITES["NKI-RS-22"][15] == "NKI-RS-22-16"
    extra = {name.rsplit("-", 1)[0] for name in SITES["Extra-18"]}
    assert extra == {"HLN-12", "MMRR-3T7T-2", "Colin27", "Twins-2", "Afterthought"}
    for name in ("mindboggle", "mindboggle-dkt31", "oasis-trt"):
        protocol = Protocol.load(name)
        assert {*protocol.train, *protocol.validation, *protocol.test} <= {*SUBJECTS}


@pytest.mark.parametrize("below", ["", "Mindboggle101_volumes", BELOW, "mindboggle"])
def test_whole_release_in_both_spaces(tmp_path, below):
    for site, names in SITES.items():
        for name in names:
            make(tmp_path / below / f"{site}_volumes" / name, *ALL)
    folder = tmp_path / below / "Extra-18_volumes" / "HLN-12-10"
    native = find_subjects(tmp_path, required=SUBJECTS)
    assert tuple(native) == SUBJECTS
    assert native["HLN-12-10"] == SubjectFiles(folder / BRAIN, folder / LABELS)
    moved = find_subjects(tmp_path, required=SUBJECTS, space="mni152")
    assert moved["HLN-12-10"].image == folder / "t1weighted_brain.MNI152.nii.gz"
    assert moved["HLN-12-10"].labels == folder / "labels.DKT31.manual.MNI152.nii.gz"
    assert moved["HLN-12-10"].mask is None


def test_site_folder_itself_and_uncompressed_files(tmp_path):
    site = tmp_path / "renamed"
    make(site / "OASIS-TRT-20-2", BRAIN, LABELS)
    make(site / "OASIS-TRT-20-1", BRAIN.removesuffix(".gz"), LABELS)
    found = find_subjects(site)
    assert list(found) == ["OASIS-TRT-20-1", "OASIS-TRT-20-2"]
    assert found["OASIS-TRT-20-1"].image.name == "t1weighted_brain.nii"


def test_old_layout_of_the_mni152_versions(tmp_path):
    make(tmp_path / "MMRR-21_volumes" / "MMRR-21-1", BRAIN, LABELS)
    old = make(
        tmp_path / "MMRR-21_volumes_in_MNI152" / "MMRR-21-1",
        "t1weighted_brain.MNI152.nii.gz",
        "labels.DKT31.manual.MNI152.nii.gz",
    )
    assert find_subjects(tmp_path)["MMRR-21-1"].image.name == BRAIN
    assert find_subjects(tmp_path, space="mni152")["MMRR-21-1"].image.parent == old


@pytest.mark.parametrize(("space", "version"), [("native", ""), ("mni152", ".MNI152")])
def test_a_head_comes_with_its_mask(tmp_path, space, version):
    stems = ("t1weighted", "labels.DKT31.manual", "labels.DKT31.manual+aseg")
    folder = make(
        tmp_path / "NKI-TRT-20_volumes" / "NKI-TRT-20-7", *(f"{s}{version}.nii.gz" for s in stems)
    )
    assert find_subjects(tmp_path, space=space) == {
        "NKI-TRT-20-7": SubjectFiles(*(folder / f"{s}{version}.nii.gz" for s in stems))
    }


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(InputError, match=r"expected the folder with Mindboggle-101, .*make data"):
        find_subjects(tmp_path / "no")
    with pytest.raises(InputError, match=r"such as OASIS-TRT-20_volumes with .*make data"):
        find_subjects(tmp_path)
    folder = make(tmp_path / "OASIS-TRT-20_volumes" / "OASIS-TRT-20-1", BRAIN, LABELS)
    with pytest.raises(InputError, match=r"t1weighted_brain\.MNI152\.nii\.gz and labels"):
        find_subjects(tmp_path, space="mni152")
    with pytest.raises(InputError, match="a space among native, mni152, found 'mni'"):
        find_subjects(tmp_path, space="mni")
    with pytest.raises(InputError) as error:
        find_subjects(tmp_path, required=SITES["OASIS-TRT-20"][:3] + SITES["NKI-RS-22"])
    text = str(error.value)
    assert "expected 25 subjects, found no OASIS-TRT-20-2, OASIS-TRT-20-3, NKI-RS-22-1" in text
    assert "and 20 more; add them from OASIS-TRT-20_volumes, NKI-RS-22_volumes" in text
    with pytest.raises(InputError, match=r"subjects, .*found OASIS-TRT-20-21 among"):
        find_subjects(tmp_path, required=("OASIS-TRT-20-1", "OASIS-TRT-20-21"))
    (folder / BRAIN).rename(folder / "t1weighted.nii.gz")  # no mask with it
    with pytest.raises(InputError, match=r"found no .*OASIS-TRT-20-1/t1weighted_brain\.nii\.gz"):
        find_subjects(tmp_path)


def test_half_a_subject(tmp_path):
    make(tmp_path / "MMRR-21_volumes" / "MMRR-21-1", BRAIN, LABELS)
    make(tmp_path / "MMRR-21_volumes" / "MMRR-21-2", BRAIN)
    make(tmp_path / "MMRR-21_volumes" / "MMRR-21-3", "t1weighted_brain.MNI152.nii.gz")
    for required in ((), ("MMRR-21-1", "MMRR-21-2")):
        with pytest.raises(InputError, match=r"no .*MMRR-21-2/labels\.DKT31\.manual\.nii\.gz;"):
            find_subjects(tmp_path, required)
    assert list(find_subjects(tmp_path, ("MMRR-21-1",))) == ["MMRR-21-1"]


# -- labels

# Blocks by their middle voxels in RAS order.
BLOCKS = {1011: (4, 2, 4), 2005: (9, 3, 5), 1012: (4, 14, 3), 2027: (9, 13, 6)}
BLOCKS |= {1009: (2, 8, 1), 2007: (10, 8, 1), 1024: (3, 9, 9), 2017: (8, 8, 9)}
# Orders of reading; the first is RAS itself.
TURNS = list(product(permutations(range(3)), product((1, -1), repeat=3)))


def toy_labels():
    data = np.zeros((13, 17, 11), np.int32)
    for label, at in BLOCKS.items():
        data[tuple(slice(i - 1, i + 2) for i in at)] = label
    return data


def turned(data, order, flips):
    return np.transpose(data, order)[tuple(slice(None, None, flip) for flip in flips)]


@pytest.mark.parametrize(("order", "flips"), TURNS[1:])
def test_a_header_that_contradicts_the_labels_is_not_believed(tmp_path, order, flips):
    data = turned(toy_labels(), order, flips)
    header = nib.affines.from_matvec(np.diag([0.9, 1.1, 1.3]), (-20, 5, 3))
    affine = label_orientation(tmp_path / LABELS, Volume(data, header))
    back = nib.as_closest_canonical(nib.Nifti1Image(data, affine))
    np.testing.assert_array_equal(np.asarray(back.dataobj), toy_labels())
    np.testing.assert_allclose(nib.affines.voxel_sizes(affine), (0.9, 1.1, 1.3))


def test_a_header_is_believed_otherwise(tmp_path):
    tilt = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.3, -0.3, 0.2), (3, -50, 20))
    for data in (toy_labels(), np.where(toy_labels() < 2000, toy_labels(), 0)):
        volume = Volume(data, tilt)
        assert label_orientation(tmp_path / LABELS, volume) is volume.affine


@pytest.fixture(scope="module")
def oasis(data_path):
    folder = data_path / "mindboggle"
    if not folder.is_dir():
        pytest.skip(f"no Mindboggle-101 in {data_path}; set PMRNET_DATA to the folder above it")
    return find_subjects(folder)


@pytest.mark.data
def test_real_subjects_are_found(oasis):
    assert tuple(oasis)[:20] == SITES["OASIS-TRT-20"]
    first = oasis["OASIS-TRT-20-1"]
    assert first.image.is_file()
    assert first.labels.is_file()
    assert first.mask is None
    assert find_subjects(first.image.parents[1]).keys() >= {*SITES["OASIS-TRT-20"]}


@pytest.mark.data
def test_real_headers_and_labels(oasis):
    protocol = Protocol.load("mindboggle")
    known = protocol.labels.keys() | protocol.merge.keys()
    volume = load_labels(oasis["OASIS-TRT-20-2"].labels)
    assert nib.aff2axcodes(volume.affine) == ("A", "S", "L")
    assert label_orientation(oasis["OASIS-TRT-20-2"].labels, volume) is volume.affine
    assert set(label_ids(volume.data)) - known == {1033}
    # Every second voxel is enough to tell, and quicker. The header stays as it was.
    small = volume.data[::2, ::2, ::2]
    ras = np.asarray(nib.as_closest_canonical(nib.Nifti1Image(small, volume.affine)).dataobj)
    for order, flips in TURNS[1::5]:
        scrambled = Volume(turned(small, order, flips), volume.affine)
        affine = label_orientation(oasis["OASIS-TRT-20-2"].labels, scrambled)
        assert affine is not volume.affine
        back = nib.as_closest_canonical(nib.Nifti1Image(scrambled.data, affine))
        np.testing.assert_array_equal(np.asarray(back.dataobj), ras)


@pytest.mark.slow
@pytest.mark.data
def test_all_real_headers_agree_with_the_anatomy(oasis):
    known = Protocol.load("mindboggle-dkt31").labels
    stray = {}
    for name in SITES["OASIS-TRT-20"]:
        volume = load_labels(oasis[name].labels)
        assert label_orientation(oasis[name].labels, volume) is volume.affine
        assert known.keys() <= {*np.unique(volume.data).tolist()}
        if ids := set(label_ids(volume.data)) - known.keys():
            stray[int(name.rsplit("-", 1)[1])] = ids
    assert stray.keys() == {2, 3, 4, 6, 10, 12, 14, 20}
    assert set().union(*stray.values()) == {1032, 1033, 2032, 2033}

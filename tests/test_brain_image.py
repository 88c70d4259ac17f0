"""Images as they are given: masks, whole heads, and the tools that strip them."""

import json
import sys

import nibabel as nib
import numpy as np
import pytest

from pmrnet.brain_image import read_brain
from pmrnet.cli import main
from pmrnet.data.skull_strip import strip_skull
from pmrnet.errors import InputError

AFFINE = nib.affines.from_matvec(np.diag([-5.0, 6.0, 7.0]), (90, -110, -100))
SHAPE = (38, 40, 32)
BRAIN = np.zeros(SHAPE, bool)
BRAIN[10:26, 12:30, 9:22] = True

_TOOL = f"""#!{sys.executable}
import sys
import nibabel as nib
import numpy as np

if "--version" in sys.argv:
    sys.exit("no such option")
head = nib.load(sys.argv[sys.argv.index("-i") + 1])
mask = np.zeros(head.shape, np.uint8)
mask[10:26, 12:30, 9:22] = 1
nib.save(nib.Nifti1Image(mask, head.affine), sys.argv[sys.argv.index("-m") + 1])
"""


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A PATH with nothing on it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("FREESURFER_HOME", raising=False)
    return folder


@pytest.fixture
def tool(path):
    program = path / "mri_synthstrip"
    program.write_text(_TOOL)
    program.chmod(0o755)
    return program


@pytest.fixture
def head(tmp_path):
    """Brighter in the brain, nowhere 0."""
    data = np.random.default_rng(0).integers(20, 60, SHAPE) + 100 * BRAIN
    nib.save(nib.Nifti1Image(data.astype(np.int16), AFFINE), tmp_path / "head.nii.gz")
    return tmp_path / "head.nii.gz"


@pytest.fixture
def stripped(tmp_path, head):
    image = nib.load(head)
    data = np.where(BRAIN, np.asarray(image.dataobj), 0).astype(np.int16)
    nib.save(nib.Nifti1Image(data, AFFINE), tmp_path / "stripped.nii.gz")
    return tmp_path / "stripped.nii.gz"


def test_a_whole_head_is_refused_with_what_strips_it(head, path):
    with pytest.raises(InputError) as caught:
        read_brain(head, None, "moving image")
    for words in ("whole head", "SynthStrip", "HD-BET", "ANTs", "BET", "give its brain mask"):
        assert words in str(caught.value)
    assert "--strip" not in str(caught.value)


def test_and_with_the_tool_that_is_installed(head, tool):
    with pytest.raises(InputError, match=r"say --strip .* to run mri_synthstrip, found here, or"):
        read_brain(head, None, "moving image", offers_strip=strip_skull)
    # The preparation of a data set has no such option.
    with pytest.raises(InputError, match=r"whole head.* strip it with SynthStrip") as caught:
        read_brain(head, None, "moving image")
    assert "--strip" not in str(caught.value)


def test_a_whole_head_is_stripped_if_that_is_wanted(head, tool):
    found = read_brain(head, None, "moving image", strip=strip_skull)
    np.testing.assert_array_equal(found.brain.data != 0, BRAIN)
    assert (found.stripped.tool, found.stripped.version) == ("mri_synthstrip", "unknown")
    # Results are written with the whole image.
    assert (np.asarray(found.image.dataobj) != 0).all()


def test_what_needs_no_stripping_is_left_alone(head, stripped, path):
    """There is no tool: it would be an error."""
    assert read_brain(stripped, None, "moving image", strip=strip_skull).stripped is None
    mask = nib.Nifti1Image(BRAIN.astype(np.uint8), AFFINE)
    found = read_brain(head, mask, "moving image", strip=strip_skull)
    assert found.stripped is None
    assert found.mask_name == "mask of the moving image"
    np.testing.assert_array_equal(found.brain.data != 0, BRAIN)


def test_masks_by_probability_and_the_image_as_its_mask(head, path):
    soft = np.where(BRAIN, 0.6, 0.4)
    soft[0, 0] = 1e-4
    found = read_brain(head, (soft, AFFINE), "moving image")
    np.testing.assert_array_equal(found.brain.data != 0, BRAIN)
    with pytest.raises(InputError, match=r"head\.nii\.gz: expected a brain mask, found the values"):
        read_brain(head, head, "moving image")


def test_to_strip_without_a_tool(head, path):
    with pytest.raises(InputError, match=r"expected one of mri_synthstrip, .*on the PATH"):
        read_brain(head, None, "moving image", strip=strip_skull)


def test_command_records_the_tool_and_keeps_the_mask(head, stripped, tool, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["register", str(head), str(stripped), "-o", str(out), "--weights", "identity"]
    assert main([*arguments, "--no-report"]) == 2
    assert "say --strip" in capsys.readouterr().err
    assert not out.exists()
    assert main([*arguments, "--no-report", "--strip"]) == 0
    images = json.loads((out / "metrics.json").read_text())["images"]
    expected = {"tool": "mri_synthstrip", "version": "unknown", "mask": "moving_mask.nii.gz"}
    assert images["moving"]["stripped"] == expected
    assert "stripped" not in images["fixed"]
    mask = nib.load(out / "moving_mask.nii.gz")
    np.testing.assert_array_equal(np.asarray(mask.dataobj), BRAIN)
    np.testing.assert_array_equal(mask.affine, AFFINE)
    assert not (out / "fixed_mask.nii.gz").exists()
    # The report finds the brain by that mask again.
    tool.unlink()
    assert main(["report", str(out)]) == 0
    assert (out / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("kind", [bool, np.float16, np.int64, np.float64])
def test_arrays_of_types_that_nifti_has_not(kind, stripped):
    image = nib.load(stripped)
    mask = np.asarray(image.dataobj) > 0
    brain = read_brain(stripped, (mask.astype(kind), AFFINE), "fixed image").brain
    np.testing.assert_array_equal(brain.data != 0, mask)
    if kind is not bool:
        given = np.asarray(image.dataobj).astype(kind)
        source = read_brain((given, AFFINE), None, "fixed image")
        np.testing.assert_allclose(source.brain.data, image.get_fdata(), rtol=1e-3)
        np.testing.assert_allclose(np.asarray(source.image.dataobj), given)


def test_what_cannot_be_stored_is_said(stripped):
    with pytest.raises(InputError, match="fixed image: expected"):
        read_brain((np.array([[["a"]]], object), AFFINE), None, "fixed image")


@pytest.mark.parametrize(("value", "found"), [(0, "only zeros"), (7, "only the value 7")])
@pytest.mark.parametrize("by", ["file", "tool"])
def test_a_mask_that_leaves_no_brain_is_said(head, tool, by, value, found):
    data = np.asarray(nib.load(head).dataobj).copy()
    mask = np.zeros(SHAPE, np.uint8)
    data[2:4, 2:4, 2:4], mask[2:4, 2:4, 2:4] = value, 1
    nib.save(nib.Nifti1Image(data, AFFINE), head)
    path = head.with_name("mask.nii.gz")
    nib.save(nib.Nifti1Image(mask, AFFINE), path)
    tool.write_text(_TOOL.replace("10:26, 12:30, 9:22", "2:4, 2:4, 2:4"))
    where = path if by == "file" else "that mri_synthstrip made"
    with pytest.raises(InputError) as caught:
        read_brain(head, path if by == "file" else None, "moving image", strip=strip_skull)
    expected = f"{head}: expected a brain with contrast inside the mask {where}, found {found};"
    assert expected in str(caught.value)


def test_an_image_of_nibabel_counts_as_its_file(head, tmp_path):
    data = np.where(BRAIN, np.asarray(nib.load(head).dataobj), 0).astype(np.int16)
    paths = [tmp_path / "a.img", tmp_path / "a.mgh", tmp_path / "a.nii"]
    nib.save(nib.Spm2AnalyzeImage(data, np.diag([-5.0, 6, 7, 1])), paths[0])
    (tmp_path / "a.mat").unlink()
    nib.save(nib.MGHImage(data, AFFINE), paths[1])
    content = bytearray(paths[1].read_bytes())
    content[28:30] = b"\0\0"  # goodRASFlag
    paths[1].write_bytes(content)
    nib.save(nib.Nifti1Image(data, AFFINE), paths[2])
    for path in paths:
        named, loaded = (
            read_brain(given, None, "moving image") for given in (path, nib.load(path))
        )
        np.testing.assert_array_equal(loaded.brain.affine, named.brain.affine)
        np.testing.assert_array_equal(loaded.image.affine, named.image.affine)
        assert loaded.brain.assumed == named.brain.assumed
    assert named.brain.assumed is None
    contradictory = nib.load(paths[2])
    contradictory.set_qform(np.diag([1, -1, -1, 1]) @ AFFINE, code=1)
    contradictory.set_sform(AFFINE, code=1)
    nib.save(contradictory, tmp_path / "b.nii")
    with pytest.raises(InputError, match="qform and sform to agree"):
        read_brain(nib.load(tmp_path / "b.nii"), None, "moving image")

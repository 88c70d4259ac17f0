"""A mask that a tool made is made once, and again if what is kept of it is no use."""

import nibabel as nib
import numpy as np
import pytest

from fake_strippers import BACKGROUND, Stripper
from pmrnet.data.volume import Volume
from pmrnet.errors import InputError
from pmrnet.kept_mask import MASK, RECORD, strip_once

AFFINE = nib.affines.from_matvec(
    nib.eulerangles.euler2mat(0.1, 0.2, -0.1) @ np.diag([5.0, 6.0, 7.0]), (-90, -110, -100)
)
BRAIN = np.zeros((38, 40, 32), bool)
BRAIN[10:26, 12:30, 9:22] = True


@pytest.fixture
def head(rng):
    data = np.where(BRAIN, rng.integers(100, 200, BRAIN.shape), BACKGROUND)
    return Volume(data.astype(np.float32), AFFINE)


@pytest.fixture
def tool(tmp_path, monkeypatch):
    return Stripper(tmp_path / "bin", monkeypatch)


def test_a_head_is_stripped_once(head, tool, tmp_path):
    made, kept = (strip_once(head, "head.nii.gz", tmp_path / "kept") for _ in range(2))
    assert tool.uses == 1
    for found in (made, kept):
        np.testing.assert_array_equal(found.mask.data, BRAIN)
        np.testing.assert_array_equal(found.mask.affine, AFFINE)
        assert (found.tool, found.version) == ("mri_synthstrip", "unknown")


@pytest.mark.parametrize("name", [MASK, RECORD])
@pytest.mark.parametrize("content", [None, 0, 20, b"{}"])
def test_what_is_damaged_is_made_again(head, tool, tmp_path, name, content):
    folder = tmp_path / "kept"
    strip_once(head, "head.nii.gz", folder)
    path = folder / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content if isinstance(content, bytes) else path.read_bytes()[:content])
    np.testing.assert_array_equal(strip_once(head, "head.nii.gz", folder).mask.data, BRAIN)
    assert tool.uses == 2


def test_a_mask_on_another_grid_is_none(head, tool, tmp_path):
    folder = tmp_path / "kept"
    strip_once(head, "head.nii.gz", folder)
    other = Volume(head.data[:-1], AFFINE)
    np.testing.assert_array_equal(strip_once(other, "other", folder).mask.data, BRAIN[:-1])
    assert tool.uses == 2


def test_nothing_is_left_where_it_fails(tmp_path, head, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="expected one of mri_synthstrip"):
        strip_once(head, "head.nii.gz", tmp_path / "kept")
    assert not (tmp_path / "kept").exists()

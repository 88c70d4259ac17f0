from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pmrnet.data.lpba40 import find_subjects
from pmrnet.data.template import icbm152_volume
from pmrnet.data.volume import Volume, load_image
from pmrnet.data.whole_head import (
    LARGEST_BRAIN_LITRES,
    LARGEST_FRACTION,
    nonzero_amount,
    refuse_whole_head,
)
from pmrnet.errors import InputError

PATH = Path("t1.nii.gz")
SPACING = np.array([3.0, 3.5, 4.0])
AFFINE = nib.affines.from_matvec(np.diag(SPACING), (-120, -130, -110))


def ellipsoid(half_axes, shape=(80, 76, 60), centre=(0, 0, 0)):
    points = nib.affines.apply_affine(AFFINE, np.moveaxis(np.indices(shape), 0, -1))
    return (((points - centre) / half_axes) ** 2).sum(-1) < 1


def image(inside, noise=0.0):
    rng = np.random.default_rng(0)
    data = np.where(inside, rng.uniform(50, 100, inside.shape), 0)
    return Volume((data + noise * rng.uniform(0, 5, inside.shape)).astype(np.float32), AFFINE)


def head():
    """Scalp, skull and neck around a brain of 1.5 litres."""
    return ellipsoid((80, 100, 110)) | ellipsoid((55, 60, 110), centre=(0, -10, -90))


def test_extent():
    brain = ellipsoid((65, 85, 65))
    litres, fraction = nonzero_amount(image(brain))
    assert litres == pytest.approx(4 / 3 * np.pi * 0.65 * 0.85 * 0.65, rel=0.02)
    assert fraction == brain.mean()


def test_brains_pass():
    refuse_whole_head(PATH, image(ellipsoid((65, 85, 65))))
    refuse_whole_head(PATH, icbm152_volume())
    # The largest brain, cropped to its very edges.
    brain = ellipsoid((75, 92, 70))
    box = tuple(slice(i.min(), i.max() + 1) for i in np.nonzero(brain))
    refuse_whole_head(PATH, image(brain[box]))
    assert nonzero_amount(image(brain[box]))[1] > 0.5


def test_heads_do_not():
    message = r"t1\.nii\.gz: expected a skull-stripped .* litres .*mri_synthstrip.*HD-BET.*`mask:`"
    for noise in (0, 1):
        with pytest.raises(InputError, match=message):
            refuse_whole_head(PATH, image(head(), noise))
    # A brain alone, but the background is not 0.
    with pytest.raises(InputError, match=r"\(100% of the image\)"):
        refuse_whole_head(PATH, image(ellipsoid((65, 85, 65)), noise=1))


def test_small_head_in_a_narrow_field_of_view():
    small = image(head(), noise=1)
    small = Volume(small.data[20:60, 20:56, 15:45], AFFINE)
    litres, fraction = nonzero_amount(small)
    assert litres < LARGEST_BRAIN_LITRES
    assert fraction > LARGEST_FRACTION
    with pytest.raises(InputError, match="whole head"):
        refuse_whole_head(PATH, small)


@pytest.mark.slow
@pytest.mark.data
def test_real_brains_are_far_from_it(data_path):
    brains = [files.image for files in find_subjects(data_path / "lpba40").values()]
    brains += sorted(data_path.glob("mindboggle/*/*/t1weighted_brain.nii.gz"))
    found = np.array([nonzero_amount(load_image(path)) for path in brains])
    assert len(found) >= 40
    assert (found.max(0) < (0.85 * LARGEST_BRAIN_LITRES, 0.85 * LARGEST_FRACTION)).all()

"""A template's brain on a small oblique grid, and files of it, for tests of the preparation."""

from functools import lru_cache

import nibabel as nib
import numpy as np

from pmrnet.data.affine import AffineSettings
from pmrnet.data.prepare import PrepareSettings
from pmrnet.data.resampling import resample
from pmrnet.data.subject_files import SubjectFiles
from pmrnet.data.template import icbm152_volume
from pmrnet.data.volume import save_image

SHAPE = (32, 40, 36)
CHEAP = AffineSettings(levels=(16.0,), iterations=2, dilation=0)
SETTINGS = PrepareSettings(shape=SHAPE, affine=CHEAP)
# A subject's grid: oblique, unequal spacing, x and y swapped and x flipped.
_TURN = nib.eulerangles.euler2mat(0.1, -0.05, 0.08) @ np.array(
    [[0, -5.0, 0], [4.5, 0, 0], [0, 0, 5.5]]
)
NATIVE_SHAPE = (41, 32, 30)
NATIVE = nib.affines.from_matvec(
    _TURN, np.array([0, -17, 5]) - _TURN @ ((np.array(NATIVE_SHAPE) - 1) / 2)
)


@lru_cache(maxsize=1)
def small_brain():
    """The template on the grid of NATIVE and NATIVE_SHAPE; not to be written to."""
    data = resample(icbm152_volume(), NATIVE, NATIVE_SHAPE, np.eye(4), 1).data
    data.flags.writeable = False
    return data


def write_subject(folder, name="S01", data=None, ending=".nii.gz"):
    """Write a subject's image and labels as LPBA40 names them."""
    data = small_brain() if data is None else data
    stem = folder / name / f"{name}.delineation"
    return SubjectFiles(
        save_image(f"{stem}.skullstripped{ending}", data, NATIVE),
        save_image(f"{stem}.structure.label{ending}", (data > 0.5).astype(np.uint8), NATIVE),
    )

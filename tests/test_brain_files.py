"""A brain by its files: what is kept of it is what anyone would find."""

import nibabel as nib
import numpy as np
import pytest

from fake_brains import template_brain
from pmrnet.aligned_brain import align_image
from pmrnet.brain_files import BrainFiles, align_files
from pmrnet.brain_image import read_brain

AFFINE = nib.affines.from_matvec(
    nib.eulerangles.euler2mat(0.1, -0.05, 0.08) @ np.diag([-2.0, 2.2, 1.9]), (80, -115, -75)
)


@pytest.mark.slow
def test_a_kept_alignment_is_that_of_a_single_registration(tmp_path):
    """So that `pmrnet register` and `pmrnet batch` give the same."""
    path = tmp_path / "brain.nii.gz"
    nib.save(template_brain(AFFINE, (80, 92, 84)), path)
    alone = align_image(read_brain(path, None, "image"))
    for _ in range(2):  # estimated, and read
        kept = align_files(BrainFiles.read(path), tmp_path / "kept")
        np.testing.assert_array_equal(kept.placement.grid_to_native, alone.placement.grid_to_native)
        np.testing.assert_array_equal(kept.network_image, alone.network_image)

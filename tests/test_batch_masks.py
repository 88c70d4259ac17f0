"""Masks in a batch."""

import nibabel as nib
import numpy as np

from test_batch_pairs import folder, listed, network, originals, run  # noqa: F401 (fixtures)


def test_one_image_with_two_masks_is_two_brains(folder, tmp_path, network):  # noqa: F811
    image = nib.load(folder / "b.nii.gz")
    inner = (np.asarray(image.dataobj) > 400).astype(np.uint8)
    nib.save(nib.Nifti1Image(inner, image.affine), folder / "mask.nii.gz")
    rows = "b.nii.gz,a.nii.gz,,whole\nb.nii.gz,a.nii.gz,mask.nii.gz,part\n"
    pairs = listed(folder, "moving,fixed,moving_mask,name\n" + rows)
    assert run(pairs, tmp_path / "out")[0] == 0
    assert network.alignments == 3

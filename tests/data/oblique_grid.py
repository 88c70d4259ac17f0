"""A grid that is oblique and anisotropic, for tests of what images and their places do."""

import nibabel as nib
import numpy as np

#: 4x4, voxels to RAS mm; voxels of 1.5, 0.8 and 2 mm
OBLIQUE = nib.affines.from_matvec(
    nib.eulerangles.euler2mat(0.3, -0.2, 0.1) @ np.diag([1.5, 0.8, 2.0]), (-10, 20, 5)
)

"""A skull-stripping program that is made up: it knows the background, and counts its uses."""

import sys

import nibabel as nib
import numpy as np

BACKGROUND = 50

_TOOL = """#!{python}
import sys
import nibabel as nib
import numpy as np
if "-m" not in sys.argv:
    sys.exit("no such option")
with open({log!r}, "a") as stream:
    print(*sys.argv[1:], file=stream)
head = nib.load(sys.argv[sys.argv.index("-i") + 1])
mask = (np.asarray(head.dataobj) != {background}).astype(np.uint8)
nib.save(nib.Nifti1Image(mask, head.affine), sys.argv[sys.argv.index("-m") + 1])
"""


class Stripper:
    """`mri_synthstrip` on a PATH of its own."""

    def __init__(self, folder, monkeypatch):
        folder.mkdir()
        self._log = folder / "uses.txt"
        program = folder / "mri_synthstrip"
        program.write_text(
            _TOOL.format(python=sys.executable, log=str(self._log), background=BACKGROUND)
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))
        for home in ("FREESURFER_HOME", "FSLDIR"):
            monkeypatch.delenv(home, raising=False)

    @property
    def uses(self):
        return len(self._log.read_text().splitlines()) if self._log.exists() else 0


def put_in_a_head(path):
    """Give the brain in a file a background that is nowhere 0; returns the brain's voxels."""
    image = nib.load(path)
    data = np.asarray(image.dataobj).copy()
    data[data == BACKGROUND] += 1
    brain = data > 0
    data[~brain] = BACKGROUND
    nib.save(nib.Nifti1Image(data, image.affine), path)
    return brain

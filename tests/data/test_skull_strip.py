"""Skull stripping by programs on the PATH, all of them made up here."""

import os
import sys

import nibabel as nib
import numpy as np
import pytest

from pmrnet.data import skull_strip
from pmrnet.data.skull_strip import TOOLS, installed_tool, strip_skull
from pmrnet.data.volume import Volume
from pmrnet.errors import InputError

AFFINE = nib.affines.from_matvec(
    nib.eulerangles.euler2mat(0.1, 0.2, -0.1) @ np.diag([5.0, 6.0, 7.0]), (-90, -110, -100)
)
SHAPE = (38, 40, 32)
# What the made-up tools find: the middle of the head's grid.
BRAIN = np.zeros(SHAPE, bool)
BRAIN[10:26, 12:30, 9:22] = True

_PROGRAM = """#!{python}
import os, sys
import nibabel as nib
import numpy as np

if sys.argv[1:] == ["--version"]:
    print("made-up 1.2")
    sys.exit()
if sys.argv[1:] == ["--help"]:
    print({help!r})
    sys.exit()
with open({log!r}, "w") as stream:
    print(os.getcwd(), *sys.argv[1:], file=stream)
head = nib.load("head.nii.gz")
mask = np.zeros(head.shape, np.uint8)
mask[10:26, 12:30, 9:22] = 1
affine = head.affine
{change}
nib.save(nib.Nifti1Image(mask, affine), {mask!r})
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts a program on a PATH of its own; `change` is what it does otherwise."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    for home in ("FREESURFER_HOME", "FSLDIR"):
        monkeypatch.delenv(home, raising=False)

    def make(name, mask="mask.nii.gz", change="", help=""):
        path, log = folder / name, tmp_path / f"{name}.log"
        text = _PROGRAM.format(
            python=sys.executable, log=str(log), mask=mask, change=change, help=help
        )
        path.write_text(text)
        path.chmod(0o755)
        return log

    return make


@pytest.fixture
def head():
    data = np.random.default_rng(0).uniform(20, 100, SHAPE).astype(np.float32)
    return Volume(data, AFFINE)


@pytest.mark.parametrize(
    ("name", "mask", "help", "arguments"),
    [
        ("mri_synthstrip", "mask.nii.gz", "", "-i head.nii.gz -o brain.nii.gz -m mask.nii.gz"),
        ("synthstrip", "mask.nii.gz", "", "-i head.nii.gz -o brain.nii.gz -m mask.nii.gz"),
        ("bet", "brain_mask.nii.gz", "", "head.nii.gz brain.nii.gz -R -m"),
        (
            "hd-bet",
            "brain_mask.nii.gz",
            "-mode -tta",
            "-i head.nii.gz -o brain.nii.gz -device cpu -mode fast -tta 0",
        ),
        (
            "hd-bet",
            "brain_bet.nii.gz",
            "--disable_tta --save_bet_mask",
            "-i head.nii.gz -o brain.nii.gz -device cpu --disable_tta --save_bet_mask",
        ),
    ],
)
def test_each_tool(install, head, name, mask, help, arguments):
    log = install(name, mask, help=help)
    found = strip_skull(head, "t1.nii.gz")
    assert (found.tool, found.version) == (name, "made-up 1.2")
    np.testing.assert_array_equal(found.mask.data, BRAIN)
    np.testing.assert_array_equal(found.mask.affine, AFFINE)
    folder, _, said = log.read_text().strip().partition(" ")
    assert said == arguments
    assert not os.path.exists(folder)  # it was a temporary one


def test_the_first_tool_is_taken_and_its_installation_knows_the_version(
    install, head, tmp_path, monkeypatch
):
    assert installed_tool() is None
    for name in reversed(TOOLS):
        install(name, TOOLS[name].masks[0])
        assert installed_tool() == name
    (tmp_path / "build-stamp.txt").write_text("freesurfer-7.4.1\n")
    monkeypatch.setenv("FREESURFER_HOME", str(tmp_path))
    found = strip_skull(head, "t1.nii.gz")
    assert (found.tool, found.version) == ("mri_synthstrip", "freesurfer-7.4.1")


def test_without_a_tool(install, head):
    with pytest.raises(InputError, match=r"t1: expected one of mri_synthstrip, .* found none"):
        strip_skull(head, "t1")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("sys.exit('no licence')", r"that it failed \(status 1: no licence\)"),
        ("sys.exit(0)", r"that it failed \(it wrote no mask\)"),
        ("mask[:] = 0", "expected mri_synthstrip to find a brain in it, found an empty mask"),
        ("mask[:] = 1", r"as in a whole head; mri_synthstrip found too large a mask"),
        ("mask = mask[1:]", r"t1, the mask of mri_synthstrip: expected the grid of the image t1"),
        ("affine = affine + np.eye(4)[::-1]", "the mask of mri_synthstrip: expected the grid"),
        ("open('mask.nii.gz', 'w').write('x'); sys.exit()", "mask of mri_synthstrip: expected"),
    ],
)
def test_what_goes_wrong_is_one_sentence(install, head, change, sentence):
    install("mri_synthstrip", change=change)
    with pytest.raises(InputError, match=sentence) as caught:
        strip_skull(head, "t1")
    assert "\n" not in str(caught.value)


def test_a_tool_that_hangs(install, head, monkeypatch):
    install("bet", change="import time; time.sleep(60)")
    monkeypatch.setattr(skull_strip, "_LIMIT_SECONDS", 1)
    with pytest.raises(InputError, match=r"that it failed \(not done after"):
        strip_skull(head, "t1")

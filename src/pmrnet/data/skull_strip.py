"""Brain masks of whole heads by whichever skull-stripping tool is installed.

The tools are programs of others, found on the PATH and run in a temporary folder on a copy of the
image. Which one it was and its version go on record with the mask.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pmrnet.data.placement import check_same_grid
from pmrnet.data.reading import read_volume
from pmrnet.data.volume import Volume, save_image
from pmrnet.data.whole_head import refuse_whole_head
from pmrnet.errors import InputError

# HD-BET takes half an hour on a slow CPU; what takes longer hangs.
_LIMIT_SECONDS = 3600
_VERSION_SECONDS = 60


@dataclass(frozen=True, eq=False)
class SkullStrip:
    """A brain mask and where it comes from.

    Attributes
    ----------
    mask
        uint8 on the image's grid, 1 in the brain.
    tool, version
        The program, and what it or its installation calls its version; "unknown" if neither does.
    """

    mask: Volume
    tool: str
    version: str


class _Tool(NamedTuple):
    """How a program is called, and where the version of its installation is written.

    `arguments` are made of the program, in which `brain.nii.gz` and a mask are to be written beside
    `head.nii.gz`; the first of `masks` that is there is taken, voxels above 0.
    """

    arguments: Callable[[str], list[str]]
    masks: tuple[str, ...]
    home: str = ""
    stamp: str = ""


def _synthstrip(_: str) -> list[str]:
    return ["-i", "head.nii.gz", "-o", "brain.nii.gz", "-m", "mask.nii.gz"]


def _hd_bet(program: str) -> list[str]:
    # Version 2 has other options than version 1. Its mirrored repetitions cost eight times as much.
    second = "--disable_tta" in _output([program, "--help"])
    quick = ["--disable_tta", "--save_bet_mask"] if second else ["-mode", "fast", "-tta", "0"]
    return ["-i", "head.nii.gz", "-o", "brain.nii.gz", "-device", "cpu", *quick]


def _bet(_: str) -> list[str]:
    return ["head.nii.gz", "brain.nii.gz", "-R", "-m"]


#: by the program's name, the first one that is installed is used
TOOLS: dict[str, _Tool] = {
    "mri_synthstrip": _Tool(_synthstrip, ("mask.nii.gz",), "FREESURFER_HOME", "build-stamp.txt"),
    "synthstrip": _Tool(_synthstrip, ("mask.nii.gz",)),
    "hd-bet": _Tool(_hd_bet, ("brain_bet.nii.gz", "brain_mask.nii.gz")),
    "bet": _Tool(_bet, ("brain_mask.nii.gz",), "FSLDIR", "etc/fslversion"),
}


def installed_tool() -> str | None:
    """Name of the first of `TOOLS` that is on the PATH; None if there is none."""
    return next((name for name in TOOLS if shutil.which(name)), None)


def strip_skull(head: Volume, name: str) -> SkullStrip:
    """Find the brain in an image of a whole head.

    Parameters
    ----------
    head
        Image with skull.
    name
        What messages call it.

    Raises
    ------
    InputError
        If no tool is installed, or the one that is fails, takes over an hour, writes no mask, an
        empty one, one on another grid, or one that is too large for a brain.
    """
    tool = installed_tool()
    if tool is None:
        raise InputError(
            f"{name}: expected one of {', '.join(TOOLS)} on the PATH to strip the skull, found "
            "none; install SynthStrip, HD-BET or FSL, or give the brain mask."
        )
    program = shutil.which(tool)
    with tempfile.TemporaryDirectory(prefix="pmrnet-strip-") as folder:
        save_image(Path(folder) / "head.nii.gz", head.data, head.affine)
        _run(tool, [program, *TOOLS[tool].arguments(program)], Path(folder), name)
        mask = _read_mask(tool, Path(folder), head, name)
    found = Volume(np.where(mask.data > 0, head.data, 0), head.affine)
    refuse_whole_head(
        Path(name), found, f"{tool} found too large a mask, so give a brain mask made otherwise."
    )
    return SkullStrip(mask, tool, _version(tool, program))


def _run(tool: str, command: list[str], folder: Path, name: str) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "FSLOUTPUTTYPE": "NIFTI_GZ"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LIMIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = (
            f"not done after {_LIMIT_SECONDS} s"
            if isinstance(error, subprocess.TimeoutExpired)
            else error.strerror
        )
        raise _failure(tool, name, reason) from error
    if done.returncode:
        said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise _failure(tool, name, f"status {done.returncode}: {(said or ['no message'])[-1]}")


def _failure(tool: str, name: str, found: str) -> InputError:
    return InputError(
        f"{name}: expected {tool} to strip the skull, found that it failed ({found.rstrip('.')}); "
        "run it by hand to see why, or give the brain mask."
    )


def _read_mask(tool: str, folder: Path, head: Volume, name: str) -> Volume:
    path = next((folder / m for m in TOOLS[tool].masks if (folder / m).is_file()), None)
    if path is None:
        raise _failure(tool, name, "it wrote no mask")
    try:
        content = read_volume(path, "vol")
    except InputError as error:
        # Of a file that is gone by the time that this is read.
        reason = str(error).removeprefix(f"{path}: ")
        raise InputError(f"{name}, the mask of {tool}: {reason}") from error
    mask = Volume((content.data > 0).astype(np.uint8), content.affine)
    check_same_grid(f"{name}, the mask of {tool}", mask, name, head)
    if not mask.data.any():
        raise InputError(
            f"{name}: expected {tool} to find a brain in it, found an empty mask; check that it is "
            "a T1 image of a head, or give the brain mask."
        )
    return replace(mask, affine=head.affine)


def _version(tool: str, program: str) -> str:
    """Version that the installation has on file, or that the program gives."""
    entry = TOOLS[tool]
    if entry.home and entry.home in os.environ:
        stamp = Path(os.environ[entry.home]) / entry.stamp
        if stamp.is_file():
            return stamp.read_text(errors="replace").strip()
    lines = _output([program, "--version"], failed="").splitlines()
    return next((line.strip() for line in lines if line.strip()), "unknown")


def _output(command: list[str], failed: str | None = None) -> str:
    """What a program prints; `failed` in its place if it ends with another status than 0."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_VERSION_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    if done.returncode and failed is not None:
        return failed
    return done.stdout + done.stderr

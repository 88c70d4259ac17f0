"""What a volume is, by its name and, where that does not tell, by its content."""

from __future__ import annotations

import re
from typing import Literal

import numpy as np

Role = Literal["image", "labels", "mask", "other"]

_TOKENS = re.compile(r"[A-Za-z0-9]+")

_OTHER = re.compile(
    r"prob\w*|pve\w*|warp|warpfield|deformation|displacement|xfm|transform|field|jac\w*|bias\w*|"
    r"dwi|dti|bold|epi|func|fmri|rest|asl|perf|fa|md|adc|onehot|soft|thickness|curv|slice|lesions?|"
    r"defacemask|localizer"
)
_TISSUE = re.compile(r"gm|wm|csf|tissues?|ventricles?|tumou?r")
_MASK = re.compile(r"\w*masks?(tr|ts)?")
_LABELS = re.compile(
    r"seg\w*|\w*seg|labels?\w*|parc\w*|aparc\w*|\w*parc|atlas\w*|annot\w*|regions?|rois?|dkt\w*|"
    r"lobes?|groundtruth|gt|manual|structures?"
)
_STRIPPED = re.compile(
    r"brain|skull|skullstripped|stripped|strip|bet|ss|norm|extracted|brainextracted|masked|noskull"
)
_T1 = re.compile(r"t1|t1w|t1wi?|t1weighted|mprage|mpr|spgr|bravo")
_CONTRAST = re.compile(r"t2\w*|flair|pd|pdw|ct|pet|swi|t1ce|t1c|t1gd|gd|inv1|inv2|mra|mrv")
_PLAIN = re.compile(r"images?(tr|ts)?|imgs?|anat|ana|vol|volume|scan|orig|nu|head|mri?|t1map")
# Words that are no part of a subject's name, but tell nothing of what the volume is.
_NEUTRAL = re.compile(
    r"raw|native|delineation|preproc\w*|processed|derivatives|mni\w*|tal|template|space|desc|reg|"
    r"registered|warped|aligned|standard"
)
_SPACE = re.compile(r"mni\w*|tal|template|reg|registered|warped|aligned|standard")
_PROCESSING = re.compile(r"raw|orig|native|preproc\w*|processed|derivatives|stripped|mni\w*")

# FreeSurfer's files in the folder mri: what they are, and the better the higher.
_FREESURFER: dict[str, tuple[Role, int]] = {
    "brain": ("image", 9),
    "norm": ("image", 8),
    "brainmask": ("image", 7),
    "nu": ("image", 2),
    "T1": ("image", 1),
    "orig": ("image", 0),
    "aparc+aseg": ("labels", 9),
    "aparc.DKTatlas+aseg": ("labels", 8),
    "aseg": ("labels", 7),
}

# Share of neighbouring voxels, both not 0, that are equal: 0.87 and more in LPBA40's and
# Mindboggle's labels even at 3 mm, 0.04 in their images of 256 grey values, 0.5 in those of 16.
_ALIKE = 0.6


def tokens(text: str) -> list[str]:
    """Words and numbers of a name, in lower case."""
    return [token.lower() for token in _TOKENS.findall(text)]


def tells_role(token: str) -> bool:
    """Whether a word says what a volume is, so that it is no part of a subject's name."""
    token = token.lower()
    kinds = (_OTHER, _MASK, _LABELS, _STRIPPED, _T1, _CONTRAST, _PLAIN, _NEUTRAL)
    return any(kind.fullmatch(token) for kind in kinds)


def tells_processing(token: str) -> bool:
    """Whether a word tells a stage of processing, whose volumes are of the same person."""
    return bool(_PROCESSING.fullmatch(token.lower()))


def tells_space(token: str) -> bool:
    """Whether a word tells that a volume was brought into another space than it was taken in."""
    return bool(_SPACE.fullmatch(token.lower()))


def role_of(folders: str, stem: str, freesurfer: bool = False) -> tuple[Role | None, int]:
    """Role by name, None if it does not tell; and how well it suits its role, the more the better.

    Parameters
    ----------
    folders
        Names of the folders that the file lies in, joined by ``/``, without the subject's name.
    stem
        The file's name without its ending, and best without the subject's name.
    freesurfer
        Whether it is one of FreeSurfer's own files, in a folder ``mri``.
    """
    if freesurfer:
        return _FREESURFER.get(stem, ("other", 0))
    words = tokens(stem)
    outer = tokens(folders)
    if _any(_OTHER, words) or _any(_OTHER, outer):
        return "other", 0
    space = -int(_any(_SPACE, words + outer))
    if _any(_MASK, words) and _any(_TISSUE, words):
        return "other", 0
    if _any(_MASK, words):
        return "mask", space + int("brain" in words)
    for kind, role in ((_LABELS, "labels"), (_MASK, "mask")):
        # The file's own words count first: derivatives/labels/sub-01/sub-01_T1w is an image.
        if _any(kind, words) or (_any(kind, outer) and not _image_words(words)):
            return role, space
    suits = 2 * _any(_STRIPPED, words + outer) + _any(_T1, words) - 3 * _any(_CONTRAST, words)
    return ("image" if _image_words(words + outer) else None), suits + space


def _image_words(words: list[str]) -> bool:
    return any(_any(kind, words) for kind in (_STRIPPED, _T1, _CONTRAST, _PLAIN))


def _any(kind: re.Pattern[str], words: list[str]) -> bool:
    return any(kind.fullmatch(word) for word in words)


def role_by_content(data: np.ndarray) -> Role:
    """Role of an array by its values.

    A label map has whole numbers, and most voxels of a label have neighbours of the same label; an
    image of whole numbers is noisy. One value beside 0 makes a mask, or a map of a single label.

    Parameters
    ----------
    data
        Values of shape (X, Y, Z).

    Returns
    -------
    {"image", "labels", "mask"}
    """
    if data.min() < 0 or (data.dtype.kind == "f" and (data != np.rint(data)).any()):
        return "image"
    ahead, behind = data[1:], data[:-1]
    inside = (ahead != 0) & (behind != 0)
    if inside.any() and np.mean(ahead[inside] == behind[inside]) < _ALIKE:
        return "image"
    values = np.unique(data)
    return "mask" if np.count_nonzero(values) <= 1 else "labels"

"""How to get LPBA40, which cannot be downloaded by a program."""

from __future__ import annotations

_TEXT = """\
LPBA40 is given out by LONI to those who accept its terms, so it cannot be downloaded for you; to \
get it:
  1. Open https://resource.loni.usc.edu/resources/atlases-downloads/ and choose
     "LPBA40 Subjects Delineation Space: MRI and label files in delineation space".
  2. Accept the terms and download the archive. It holds the folders S01 ... S40, each with
       Sxx.delineation.skullstripped.hdr    and .img.gz   (the brain)
       Sxx.delineation.structure.label.hdr  and .img.gz   (its 56 labels)
  3. Put the archive, packed or unpacked, into data/raw/lpba40, or anywhere else, and run
       make data DATASET=lpba40 RAW=<folder or archive>
     Without RAW, data/raw/lpba40 is looked at."""


def lpba40_instructions() -> str:
    """Return what to download, what it holds, where to put it and what to run then."""
    return _TEXT

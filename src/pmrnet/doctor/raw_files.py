"""Reading all that a subject's files hold, without ever failing on them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from pmrnet.data.brain_mask import cut_out
from pmrnet.data.label_ids import label_ids
from pmrnet.data.label_merge import merge_labels
from pmrnet.data.placement import check_same_grid
from pmrnet.data.prepared import describe_inputs, without_paths
from pmrnet.data.subject_files import SubjectFiles
from pmrnet.data.volume import Volume, load_image, load_labels
from pmrnet.data.whole_head import refuse_whole_head
from pmrnet.errors import InputError


@dataclass
class RawReport:
    """What a subject's files hold.

    Attributes
    ----------
    problems
        Why files cannot be used, a sentence each.
    inputs
        Checksums of the files by role, as a prepared subject records them.
    content
        Checksum of the values by role, the same for a copy that is compressed otherwise.
    grid
        Shape and voxel size of the image, for people; empty if it cannot be read.
    assumed
        What the image's file leaves open of its place in space and was assumed.
    ids
        Numbers in the label map, after merging; None if there is none that can be read.
    outside
        For each scored label, the share of its voxels where the brain's image is 0.
    """

    problems: list[str] = field(default_factory=list)
    inputs: dict[str, dict[str, str]] = field(default_factory=dict)
    content: dict[str, str] = field(default_factory=dict)
    grid: str = ""
    assumed: str | None = None
    ids: list[int] | None = None
    outside: dict[int, float] = field(default_factory=dict)


def read_files(files: SubjectFiles, scored: Collection[int], merge: Mapping[int, int]) -> RawReport:
    """Read a subject's image, mask and labels, and note what is wrong with them.

    Parameters
    ----------
    files
        The subject's files.
    scored
        The protocol's labels.
    merge
        Labels that count as another one.
    """
    report = RawReport()
    volumes: dict[str, Volume] = {}
    for role, load in (("image", load_image), ("mask", load_image), ("labels", load_labels)):
        path = getattr(files, role)
        if path is None:
            continue
        try:
            report.inputs |= without_paths(describe_inputs({role: path}))
            volume = load(path)
            report.content[role] = _checksum(volume.data)
            if role == "image":
                report.grid = _describe(volume)
                report.assumed = volume.assumed
                if files.mask is None:
                    refuse_whole_head(path, volume)
            elif "image" in volumes:
                check_same_grid(path, volume, files.image, volumes["image"])
                if role == "mask":
                    volumes["image"] = cut_out(volumes["image"], volume, files.image, path)
            volumes[role] = volume
        except InputError as error:
            report.problems.append(str(error))
    if "labels" in volumes:
        labels = merge_labels(volumes["labels"].data, merge)
        report.ids = label_ids(labels)
        if "image" in volumes:
            report.outside = _outside(labels, volumes["image"].data != 0, scored)
    return report


def _describe(volume: Volume) -> str:
    shape = "x".join(map(str, volume.shape))
    sides = [f"{side:.3g}" for side in volume.spacing]
    return f"{shape} of {sides[0] if len(set(sides)) == 1 else 'x'.join(sides)} mm"


def _checksum(data: np.ndarray) -> str:
    checksum = hashlib.sha256(repr(data.shape).encode())
    checksum.update(np.ascontiguousarray(data))
    return checksum.hexdigest()


def _outside(labels: np.ndarray, brain: np.ndarray, scored: Collection[int]) -> dict[int, float]:
    inside = labels != 0
    ids, place = np.unique(labels[inside], return_inverse=True)
    total = np.bincount(place, minlength=len(ids))
    beyond = np.bincount(place[~brain[inside]], minlength=len(ids))
    wanted = set(scored)
    shares = zip(ids.tolist(), (beyond / total).tolist(), strict=True)
    return {label: share for label, share in shares if label in wanted}

"""Displacement fields in the form that the evaluation of the Learn2Reg challenges reads.

A field is a NIfTI file ``disp_<fixed>_<moving>.nii.gz`` of shape (X, Y, Z, 3) in voxels along the
array's axes, "displacements only, identity grid is added", after SciPy's ``map_coordinates``
(learn2reg.grand-challenge.org/Submission): ``warped(p) = moving(p + u(p))``, as here. The first
four digits in a name are the case of the fixed image, the last those of the moving one, without
their leading zeros the columns of ``pairs_val.csv``. The evaluation itself (MDL-UzL/L2R,
``evaluation/evaluation.py``) takes the same four digits from the image's name and warps
``labels`` for ``images`` at the nearest voxel.

Fields are those between the affinely aligned subjects on the network's grid. Scores of Learn2Reg's
evaluation are therefore of labels resampled to it, and do not equal those of the tables, which are
taken on the fixed subject's own grid.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pmrnet.data.prepared import PreparedSubject
from pmrnet.data.template import network_grid
from pmrnet.data.volume import save_image
from pmrnet.dataset import Dataset
from pmrnet.errors import InputError
from pmrnet.files import atomic_write_text
from pmrnet.label_warp import labels_on_grid
from pmrnet.protocol import Protocol
from pmrnet.scoring import DisplacementFunction
from pmrnet.transforms.field_image import VOXELS

EXPORT = "export.json"
_LARGEST_CASE = 9999


def export_learn2reg(
    dataset: str,
    method: str,
    out: str | os.PathLike[str],
    weights: str | None = None,
    split: str = "test",
    images: bool = False,
) -> int:
    """Register all pairs of a split by a network and write the fields for Learn2Reg.

    Parameters
    ----------
    dataset, method : str
        Names.
    out : path-like
        The folder, created where it is missing. An export into it that was stopped goes on.
    weights : str, optional
        Shipped name or JSON path; see `pmrnet.trained_weights.weights_of`.
    split : {"test", "validation"}
        Whose ordered pairs are exported; ``pairs_val.csv`` is the name of the list for either.
    images : bool
        See `write_images`.

    Returns
    -------
    int
        Number of fields.

    Raises
    ------
    InputError
        If there are no weights or no prepared subjects, or the folder holds something else.
    """
    from pmrnet.inference import registrar_of
    from pmrnet.method_run import settings_of_use
    from pmrnet.trained_weights import weights_of
    from pmrnet.weights import load_network
    from pmrnet.workflow import data_identity

    data = Dataset.load(dataset)
    subjects = data.subjects(getattr(data.protocol, split))
    network, description = load_network(weights_of(dataset, method, weights))
    registrar = registrar_of(method, network, description)
    identity = {
        "dataset": data.name,
        "method": method,
        "split": split,
        "weights_sha256": description["sha256"],
        "protocol_hash": data.protocol.hash,
        "data": data_identity(data, subjects),
    }
    identity |= settings_of_use(method)
    pairs = data.protocol.pairs(split)
    cases = write_fields(out, pairs, subjects, registrar.displacement, identity)
    if images:
        write_images(out, pairs, subjects, cases, data.protocol)
    return len(pairs)


def case_numbers(names: Sequence[str]) -> dict[str, int]:
    """Number the subjects, as Learn2Reg names its cases.

    Parameters
    ----------
    names : sequence of str

    Returns
    -------
    dict of str to int
        From 1 to 9999: the number at the end of each name where all have one and no two the same,
        S31 being case 31, else the place in the list.
    """
    endings = [re.search(r"(\d+)$", name) for name in names]
    numbers = [int(ending[1]) if ending else 0 for ending in endings]
    fits = all(0 < number <= _LARGEST_CASE for number in numbers)
    if not fits or len(set(numbers)) < len(numbers):
        numbers = list(range(1, len(names) + 1))
    return dict(zip(names, numbers, strict=True))


def write_fields(
    out: str | os.PathLike[str],
    pairs: Sequence[tuple[str, str]],
    subjects: Mapping[str, PreparedSubject],
    displacement_fn: DisplacementFunction,
    identity: Mapping[str, Any],
) -> dict[str, int]:
    """Write the fields of pairs, ``pairs_val.csv`` and ``cases.csv``, which names the cases.

    Parameters
    ----------
    out : path-like
        The folder.
    pairs : sequence of (str, str)
        Moving and fixed subject.
    subjects : mapping of str to PreparedSubject
        By name.
    displacement_fn : callable
        ``displacement_fn(moving, fixed)``: (X, Y, Z, 3), voxels of the subjects' network grid.
    identity : mapping
        What makes this export and no other, as JSON types; kept in ``export.json``.

    Returns
    -------
    dict of str to int
        Case number of every subject.

    Raises
    ------
    InputError
        If the folder holds another export or anything else.
    """
    out = Path(out)
    cases = case_numbers(list(subjects))
    _claim(out, {**identity, "cases": cases})
    for moving, fixed in pairs:
        path = out / f"disp_{cases[fixed]:04d}_{cases[moving]:04d}.nii.gz"
        if not path.is_file():
            field = displacement_fn(subjects[moving], subjects[fixed])
            affine = _grid_affine(subjects[fixed], field.shape[:3])
            save_image(path, np.asarray(field, np.float32), affine, VOXELS)
    listed = [(cases[fixed], cases[moving]) for moving, fixed in pairs]
    atomic_write_text(out / "pairs_val.csv", _csv_text(("fixed", "moving"), listed))
    numbered = [(number, name) for name, number in cases.items()]
    atomic_write_text(out / "cases.csv", _csv_text(("case", "subject"), numbered))
    return cases


def write_images(
    out: str | os.PathLike[str],
    pairs: Sequence[tuple[str, str]],
    subjects: Mapping[str, PreparedSubject],
    cases: Mapping[str, int],
    protocol: Protocol,
) -> None:
    """Write what Learn2Reg's evaluation needs beside the fields.

    Parameters
    ----------
    out, pairs, subjects
        As in `write_fields`.
    cases : mapping of str to int
        From `write_fields`.
    protocol : Protocol
        The labels to score.

    Notes
    -----
    ``images/<name>_<case>_0000.nii.gz`` are the network's images, ``labels/`` the manual labels at
    the nearest voxel of the same grid, ``evaluation_config.json`` the pairs and the scores: Dice,
    HD95 and the deformation's regularity. The licences of the images hold for these copies too.
    """
    out = Path(out)
    shape: tuple[int, ...] = ()
    files = {name: f"images/{protocol.name}_{case:04d}_0000.nii.gz" for name, case in cases.items()}
    for name, subject in subjects.items():
        image = np.asarray(subject.image, np.float32)
        shape, affine = image.shape, _grid_affine(subject, image.shape)
        save_image(out / files[name], image, affine)
        labels = labels_on_grid(subject, shape).astype(np.int32)
        save_image(out / files[name].replace("images", "labels", 1), labels, affine)
    scored = list(protocol.labels)
    config = {
        "task_name": protocol.name,
        "evaluation_methods": [
            {"name": "LogJacDetStd", "metric": "sdlogj"},
            {"name": "DSC", "metric": "dice", "labels": scored},
            {"name": "HD95", "metric": "hd95", "labels": scored},
        ],
        "expected_shape": [*shape, 3],
        "eval_pairs": [{"fixed": files[fixed], "moving": files[moving]} for moving, fixed in pairs],
    }
    atomic_write_text(out / "evaluation_config.json", json.dumps(config, indent=1) + "\n")


def _grid_affine(subject: PreparedSubject, shape: tuple[int, ...]) -> NDArray:
    fine = tuple(int(n) * subject.spacing for n in shape)
    return network_grid(subject.spacing, fine).affine


def _claim(out: Path, identity: dict[str, Any]) -> None:
    """Refuse a folder that holds anything but the beginning of this export."""
    marker = out / EXPORT
    if marker.is_file():
        if _read_json(marker) != identity:
            raise InputError(
                f"{out}: expected no other export, found one of other weights, pairs or data; name "
                "another folder."
            )
    elif out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out}: expected an empty folder, found files in it; name another one.")
    atomic_write_text(marker, json.dumps(identity, indent=1) + "\n")


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:  # damaged: of no export that could go on
        return None


def _csv_text(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue()

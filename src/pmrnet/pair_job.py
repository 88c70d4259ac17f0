"""One registration of a batch, by a process that has done others before."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from pmrnet.aligned_brain import AlignedBrain, place_image
from pmrnet.brain_files import BrainFiles, align_files
from pmrnet.errors import InputError
from pmrnet.pairs_csv import Pair
from pmrnet.process_memory import give_back_memory
from pmrnet.registration import register_aligned
from pmrnet.registration_labels import read_labels
from pmrnet.registration_method import IDENTITY, AlignmentOnly, load_method
from pmrnet.result_folder import RECORD, is_unfinished
from pmrnet.weights.passes import Passes, told_passes

if TYPE_CHECKING:
    from pmrnet.network_field import FieldModel
    from pmrnet.refinement_settings import Refinement

#: hidden folder of the brains' alignments and masks, in the folder of the results
ALIGNMENTS = ".alignments"

# A worker of Dask may have several threads, which Keras does not allow.
_one_at_a_time = Lock()
_models: dict[tuple[str, Passes | None, bool], FieldModel | AlignmentOnly] = {}


@dataclass(frozen=True)
class PairJob:
    """One registration of a batch, with all that a process needs to do it.

    Parameters
    ----------
    pair, moving, fixed
        The files.
    folder
        Of its results.
    weights, refine
        As `pmrnet.register` takes them.
    identity
        What makes its results these and no others: checksums and options, as JSON types.
    overwrite
        Whether results of other inputs or options in the folder may be replaced.
    """

    pair: Pair
    moving: BrainFiles
    fixed: BrainFiles
    folder: Path
    weights: str
    refine: Refinement | None
    identity: Mapping[str, Any]
    overwrite: bool = False

    @property
    def finished(self) -> bool:
        """Whether its folder holds the results of the same inputs, weights and options."""
        if is_unfinished(self.folder):
            return False
        try:
            return json.loads((self.folder / RECORD).read_text())["inputs"] == self.identity
        except (OSError, ValueError, KeyError, TypeError):
            return False


def register_pair(job: PairJob, waits_for: object = None) -> float:
    """Register one pair and write its results; returns the seconds it took.

    What another process has done meanwhile is not done again.

    `waits_for` is not looked at: Dask works it out before.

    Raises
    ------
    InputError
        If a file cannot be used.
    """
    with _one_at_a_time:
        started = time.perf_counter()
        if job.finished:
            return 0.0
        kept = job.folder.parent / ALIGNMENTS
        align = partial(_placed if job.weights == IDENTITY else _aligned, kept=kept)
        with ThreadPoolExecutor(max_workers=2) as pool:
            moving, fixed = pool.map(align, (job.moving, job.fixed))
        seconds = {"affine": time.perf_counter() - started}
        # Before the work, not after it.
        labels = {
            "moving_labels": read_labels(job.pair.moving_labels, "moving", moving.brain),
            "fixed_labels": read_labels(job.pair.fixed_labels, "fixed", fixed.brain),
        }
        model = _model(job.weights, job.identity)
        temperature = job.identity["temperature"]
        register_aligned(moving, fixed, model, job.refine, seconds, temperature).save(
            job.folder,
            format=job.identity["format"],
            uncertainty=job.identity["uncertainty"],
            report=job.identity["report"],
            **labels,
            overwrite=job.overwrite,
            inputs=job.identity,
        )
        give_back_memory()
        return time.perf_counter() - started


def align_one(files: BrainFiles, kept: Path) -> None:
    """Align a brain and keep the alignment for the pairs that wait for it."""
    with _one_at_a_time:
        _aligned(files, kept)


# A few only: a brain takes up to 100 MB. What takes long, the alignment, is kept on disk.
@lru_cache(maxsize=3)
def _aligned(files: BrainFiles, kept: Path) -> AlignedBrain:
    return align_files(files, kept)


def _placed(files: BrainFiles, kept: Path) -> AlignedBrain:
    return place_image(files.brain(kept))


def options_of(model: FieldModel | AlignmentOnly) -> dict[str, Any]:
    """Entries of a record that tell a network and how it is used from others."""
    description = model.description
    weights = description["sha256"] or description["network"]["type"]
    symmetric = {"symmetric": True} if description.get("symmetric") else {}
    return {"weights_sha256": weights, **told_passes(description), **symmetric}


def remember(model: FieldModel | AlignmentOnly) -> None:
    """Take this network for the pairs that this process registers with its weights."""
    _models.clear()
    _models[_key_of(options_of(model))] = model


def _key_of(options: Mapping[str, Any]) -> tuple[str, Passes | None, bool]:
    return options["weights_sha256"], options.get("passes"), options.get("symmetric", False)


def _model(weights: str, options: Mapping[str, Any]) -> FieldModel | AlignmentOnly:
    """The network of this process, compiled once."""
    key = sha256, passes, symmetric = _key_of(options)
    if key not in _models:
        remember(load_method(weights, passes=passes, symmetric=symmetric))
    if key not in _models:
        raise InputError(
            f"{weights}: expected the weights {sha256[:12]}... that the batch began with, found "
            "others; put them back, or start again."
        )
    return _models[key]

"""Scoring one pair of subjects: labels' overlap and distance, the deformation's regularity."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pmrnet.errors import InputError
from pmrnet.label_warp import ScoredSubject, compact_labels, header_moved_labels, moved_labels
from pmrnet.metrics import dice_per_label, folding_fraction, jacobian_determinant, sdlogj
from pmrnet.protocol import Protocol
from pmrnet.surface_distance import hd95_per_label

Alignment = Literal["affine", "header"]
DisplacementFunction = Callable[[ScoredSubject, ScoredSubject], NDArray]


@dataclass(frozen=True)
class _Cached:
    """A subject whose labels stay in memory, in the smallest type that holds them."""

    name: str
    grid_to_native: NDArray
    native_affine: NDArray
    native_shape: tuple[int, int, int]
    volume: NDArray

    def labels(self) -> SimpleNamespace:
        return SimpleNamespace(data=self.volume)


class SubjectCache:
    """Labels and brain masks of the subjects seen so far: about 10 MB each at 1 mm.

    Parameters
    ----------
    subjects : mapping of str to ScoredSubject
        The subjects by name.
    network_images : callable, optional
        ``network_images(name)`` returns the image on the network grid, shape (X, Y, Z).
    """

    def __init__(
        self,
        subjects: Mapping[str, ScoredSubject],
        network_images: Callable[[str], NDArray] | None = None,
    ) -> None:
        self.subjects = subjects
        self._network_images = network_images
        self._cached: dict[str, _Cached] = {}
        self._brains: dict[str, NDArray] = {}

    def subject(self, name: str) -> _Cached:
        """Return the subject with its labels in memory."""
        if name not in self._cached:
            subject = self.subjects[name]
            volume = compact_labels(subject.labels().data)
            if volume.shape != tuple(subject.native_shape):
                raise InputError(
                    f"Expected labels of shape {tuple(subject.native_shape)} for {name}, found "
                    f"{volume.shape}: give the labels on the grid of the image."
                )
            self._cached[name] = _Cached(
                name,
                np.asarray(subject.grid_to_native),
                np.asarray(subject.native_affine),
                tuple(subject.native_shape),
                volume,
            )
        return self._cached[name]

    def brain(self, name: str) -> NDArray:
        """Return where the subject's network image is above 0, shape (X, Y, Z)."""
        if name not in self._brains:
            if self._network_images is None:
                raise ValueError("network_images is needed to count folding within the brain")
            self._brains[name] = np.asarray(self._network_images(name)) > 0
        return self._brains[name]


def score_pair(
    moving_name: str,
    fixed_name: str,
    cache: SubjectCache,
    displacement_fn: DisplacementFunction | None,
    protocol: Protocol,
    alignment: Alignment = "affine",
    hd95: bool = False,
) -> dict[str, Any]:
    """Register and score one pair.

    Parameters
    ----------
    moving_name, fixed_name : str
        Names of the subjects in `cache`.
    cache : SubjectCache
        The subjects.
    displacement_fn, protocol, alignment
        As in `pmrnet.evaluation.evaluate`.
    hd95 : bool
        Whether to measure the distance of the labels' surfaces too, which takes half a second
        for the 54 labels of LPBA40.

    Returns
    -------
    dict
        ``moving``, ``fixed``, ``seconds`` (None without a `displacement_fn`), ``folding``,
        ``folding_brain``, ``sdlogj``, and ``dice``, a list of [label, Dice] with NaN where
        neither volume has the label; with `hd95` also ``hd95``, a list of [label, millimetres]
        with NaN where either volume lacks it. JSON types only.

    Raises
    ------
    InputError
        If labels or displacement do not fit their grid, or the displacement is not finite.
    """
    moving, fixed = cache.subject(moving_name), cache.subject(fixed_name)
    record: dict[str, Any] = {"moving": moving_name, "fixed": fixed_name, "seconds": None}
    record |= {"folding": 0.0, "folding_brain": 0.0, "sdlogj": 0.0}
    displacement = None
    if displacement_fn is not None:
        brain = cache.brain(fixed_name)
        start = time.perf_counter()
        displacement = np.asarray(
            displacement_fn(cache.subjects[moving_name], cache.subjects[fixed_name])
        )
        record["seconds"] = time.perf_counter() - start
        if displacement.shape != (*brain.shape, 3) or not np.isfinite(displacement).all():
            raise InputError(
                f"Expected a finite displacement field of shape {(*brain.shape, 3)} for "
                f"{moving_name} -> {fixed_name}, found one of shape {displacement.shape}"
                f"{'' if np.isfinite(displacement).all() else ' with infinities or NaN'}: check "
                "the method's weights and grid."
            )
        determinant = jacobian_determinant(displacement)
        record["folding"] = folding_fraction(determinant)
        record["folding_brain"] = folding_fraction(determinant, brain)
        record["sdlogj"] = sdlogj(determinant)
    if alignment == "header":
        labels = header_moved_labels(fixed, moving)
    else:
        labels = moved_labels(fixed, moving, displacement)
    truth, scored = fixed.labels().data, list(protocol.labels)
    record["dice"] = [list(item) for item in dice_per_label(labels, truth, scored).items()]
    if hd95:
        distances = hd95_per_label(labels, truth, scored, fixed.native_affine)
        record["hd95"] = [list(item) for item in distances.items()]
    return record

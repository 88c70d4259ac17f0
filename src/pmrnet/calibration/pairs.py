"""Errors and predictions for pairs of prepared subjects."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import numpy as np
from rich.console import Console
from rich.progress import track

from pmrnet.calibration.kept_points import KeptPoints
from pmrnet.calibration.known_deformation import errors_against_truth
from pmrnet.calibration.label_boundaries import errors_at_boundaries
from pmrnet.calibration.located_errors import LocatedErrors
from pmrnet.calibration.points import Points
from pmrnet.calibration.prediction import Predictor
from pmrnet.data.phantom import true_displacement
from pmrnet.data.prepared import PreparedSubject
from pmrnet.dataset import Dataset
from pmrnet.errors import InputError
from pmrnet.label_warp import moved_labels
from pmrnet.scoring import SubjectCache

#: what errors are measured against
TRUTH, BOUNDARIES = "true deformation", "label boundaries"


def reference_of(dataset: Dataset) -> str:
    """What there is to measure errors against in a data set: `TRUTH` or `BOUNDARIES`.

    Raises
    ------
    InputError
        If there are neither built-in subjects nor labels.
    """
    if dataset.source == "demo":
        return TRUTH
    if not dataset.protocol.labels:
        raise InputError(
            f"{dataset.given}: expected labels, whose boundaries show errors, found none in its "
            "file; add `labels:` to it, or calibrate on another data set."
        )
    return BOUNDARIES


class PairErrors:
    """Errors of a network on pairs of subjects, and what it predicts for them.

    Parameters
    ----------
    dataset
        Says what errors are measured against.
    subjects
        Prepared, by name.
    predictor
        The network.
    points_per_pair
        At most; see `pmrnet.calibration.label_boundaries` and `known_deformation`.
    kept
        Where points are kept until all is done; None keeps none.
    """

    def __init__(
        self,
        dataset: Dataset,
        subjects: Mapping[str, PreparedSubject],
        predictor: Predictor,
        points_per_pair: int = 10_000,
        kept: KeptPoints | None = None,
    ) -> None:
        self.reference = reference_of(dataset)
        self.subjects, self.predictor = subjects, predictor
        self.points_per_pair = points_per_pair
        self._kept = kept
        self._labels = tuple(dataset.protocol.labels)
        self._cache = SubjectCache(subjects)
        # The places and errors are the same at every temperature.
        self._located: dict[tuple[str, str], LocatedErrors] = {}

    def points(
        self, pairs: Sequence[tuple[str, str]], temperature: float, title: str
    ) -> list[Points]:
        """Points of every pair (moving, fixed); `title` is shown with the progress."""
        console = Console(file=sys.stderr)
        return [self._points(pair, temperature) for pair in track(pairs, title, console=console)]

    def _points(self, pair: tuple[str, str], temperature: float) -> Points:
        if self._kept is None:
            return self._measure(*pair, temperature)
        points = self._kept.read(pair, temperature)
        if points is None:
            points = self._measure(*pair, temperature)
            self._kept.write(pair, temperature, points)
        return points

    def _measure(self, moving: str, fixed: str, temperature: float) -> Points:
        pair = self.subjects[moving], self.subjects[fixed]
        deviation = self.predictor.deviation(*pair, temperature)
        return self.located(moving, fixed).with_deviation(deviation)

    def located(self, moving: str, fixed: str) -> LocatedErrors:
        """Errors of a pair and where they are, whatever is predicted for them."""
        if (moving, fixed) not in self._located:
            self._located[moving, fixed] = self._locate(moving, fixed)
        return self._located[moving, fixed]

    def _locate(self, moving: str, fixed: str) -> LocatedErrors:
        subjects = self.subjects[moving], self.subjects[fixed]
        # By the names, so that a pair has the same points whatever else is looked at.
        names = f"{moving} {fixed}".encode()
        rng = np.random.default_rng([self.predictor.seed, *names])
        displacement = self.predictor.displacement(*subjects)
        if self.reference == TRUTH:
            return errors_against_truth(
                displacement,
                true_displacement(*subjects),
                subjects[1].image > 0,
                subjects[1].spacing,
                self.points_per_pair,
                rng,
            )
        own, other = self._cache.subject(fixed), self._cache.subject(moving)
        return errors_at_boundaries(
            own.volume,
            moved_labels(own, other, displacement),
            self._labels,
            np.linalg.inv(own.grid_to_native),
            subjects[1].spacing,
            self.points_per_pair,
            rng,
        )

"""What chooses the best weights: Dice of validation pairs where there are labels, else likeness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pmrnet.config import Experiment, Stage
from pmrnet.data.prepared import PreparedSubject
from pmrnet.protocol import Protocol
from pmrnet.training.keep_best import KeepBest
from pmrnet.training.similarity import ValidationSimilarity
from pmrnet.training.validation import ValidationDice, check_labels, validation_labels

#: a data set: its protocol, and its prepared training and validation subjects by name
DataSet = tuple[Protocol, Mapping[str, PreparedSubject]]


class MeanValidation(KeepBest):
    """Scores by the mean of the scores of several data sets, all of one kind.

    Parameters
    ----------
    callbacks
        One for each data set.
    folder, record
        See `KeepBest`.
    """

    def __init__(
        self, callbacks: Sequence[KeepBest], folder: Path, record: dict[str, object]
    ) -> None:
        super().__init__(folder, record)
        self.callbacks = list(callbacks)
        self.key = self.callbacks[0].key

    def score(self) -> float:
        """Mean score over the data sets."""
        for callback in self.callbacks:
            callback.set_model(self.model)
        return float(np.mean([callback.score() for callback in self.callbacks]))


def validation_callback(
    stage: Stage, name: str, experiment: Experiment, data_sets: Sequence[DataSet], folder: Path
) -> KeepBest:
    """Callback that keeps the best weights of a stage.

    Parameters
    ----------
    stage, name
        The stage and what it is called.
    experiment
        That it belongs to: all stages are scored on the coarsest one's grid.
    data_sets
        That are trained on. If the first one has labels, those of the others that have labels and
        validation subjects are scored too and count alike; without, it is scored alone.
    folder
        Of the run.
    """
    scoring = max(s.spacing for s in experiment.stages)
    record = {"stage": name, "spacing": stage.spacing}
    first, *others = data_sets
    scored = [first]
    if first[0].labels:
        scored += [(p, subjects) for p, subjects in others if p.labels and p.validation]
    callbacks = [_callback(stage, scoring, *data_set, folder, record) for data_set in scored]
    return callbacks[0] if len(callbacks) == 1 else MeanValidation(callbacks, folder, record)


def _callback(
    stage: Stage,
    scoring: int,
    protocol: Protocol,
    subjects: Mapping[str, PreparedSubject],
    folder: Path,
    record: dict[str, object],
) -> KeepBest:
    validated = {s: subjects[s] for s in protocol.validation}
    images = {s: subject.image_at(stage.spacing) for s, subject in validated.items()}
    pairs = protocol.pairs("validation")
    stride = scoring // stage.spacing
    if protocol.labels:
        labels = validation_labels(validated, scoring)
        check_labels(labels, list(protocol.labels))
        return ValidationDice(images, labels, pairs, list(protocol.labels), folder, record, stride)
    compared = {s: subject.image_at(scoring) for s, subject in validated.items()}
    return ValidationSimilarity(images, compared, pairs, folder, record, stride)

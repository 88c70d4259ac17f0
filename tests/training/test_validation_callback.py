"""Which data sets choose the best weights."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from fake_subjects import blocks, tiny_protocol
from pmrnet.config import Experiment, Stage
from pmrnet.training.similarity import ValidationSimilarity
from pmrnet.training.validation import ValidationDice
from pmrnet.training.validation_callback import MeanValidation, validation_callback

SHAPE = (8, 8, 12)


class Still:
    """A network that moves nothing."""

    def predict_on_batch(self, x):
        return {"displacement": np.zeros((*x["moving"].shape[:-1], 3), np.float32)}


@pytest.fixture
def subjects(rng):
    def make():
        labels = blocks(rng, SHAPE)
        return SimpleNamespace(
            spacing=1,
            grid_to_native=np.eye(4),
            image=labels.astype(np.float32),
            image_at=lambda spacing: labels[::spacing, ::spacing, ::spacing].astype(np.float32),
            labels=lambda: SimpleNamespace(data=labels),
        )

    return {name: make() for name in "abcdef"}


@pytest.fixture
def callback_of(tmp_path):
    stage = Stage(spacing=1, steps=4, learning_rate=1e-3, validate_every=2)
    coarse = dataclasses.replace(stage, spacing=2)
    experiment = Experiment("tiny", {}, {}, (coarse, stage), 1)
    return lambda *data_sets: validation_callback(stage, "stage2", experiment, data_sets, tmp_path)


def scored(callback):
    callback.set_model(Still())
    return callback.score()


def test_data_sets_count_alike_whatever_their_number_of_pairs(subjects, callback_of):
    first = (tiny_protocol(validation=("c", "d")), subjects)
    other = (tiny_protocol(validation=("d", "e", "f")), subjects)
    both = callback_of(first, other)
    assert isinstance(both, MeanValidation)
    assert both.key == "val_dice"
    assert both.record == {"stage": "stage2", "spacing": 1}
    alone = [scored(callback_of(data_set)) for data_set in (first, other)]
    assert alone[0] != alone[1]
    assert scored(both) == pytest.approx(np.mean(alone))


def test_a_data_set_without_validation_subjects_or_labels_has_no_say(subjects, callback_of):
    first = (tiny_protocol(), subjects)
    nobody = (tiny_protocol(validation=()), subjects)
    bare = (tiny_protocol(labels={}, groups={}), subjects)
    found = callback_of(first, nobody, bare)
    assert isinstance(found, ValidationDice)
    assert scored(found) == scored(callback_of(first))
    assert isinstance(callback_of(bare, first), ValidationSimilarity)

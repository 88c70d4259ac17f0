"""Keeping the best weights: what replaces them, what is remembered, what is refused."""

import json

import keras
import numpy as np
import pytest

from pmrnet.errors import InputError
from pmrnet.training.keep_best import KeepBest, as_batch


class Value(keras.Model):
    """A network of one weight."""

    def __init__(self):
        super().__init__()
        self.value = self.add_weight(shape=(), initializer="zeros", name="value")

    def call(self, inputs):
        return inputs + self.value


class Score(KeepBest):
    """The weight is its own score."""

    key = "val_value"

    def score(self):
        return float(self.model.value.numpy())


@pytest.fixture
def callback(tmp_path):
    callback = Score(tmp_path, {"stage": "stage1", "spacing": 2})
    model = Value()
    model(np.zeros((1, 1)))
    callback.set_model(model)
    return callback


def test_only_a_better_score_replaces_the_best_weights(callback, tmp_path):
    for epoch, value in enumerate((-3.0, -1.0, -2.0, -1.0, np.nan)):
        callback.model.value.assign(value)
        logs = {}
        callback.on_epoch_end(epoch, logs)
        np.testing.assert_equal(logs["val_value"], value)
        assert logs["val_seconds"] >= 0
    best = json.loads((tmp_path / "best.json").read_text())
    assert best == {"val_value": -1.0, "stage": "stage1", "spacing": 2, "epoch": 2}
    callback.model.load_weights(tmp_path / "best.weights.h5")
    assert callback.score() == -1.0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["best.json", "best.weights.h5"]


def test_the_best_of_an_earlier_run_is_remembered(callback, tmp_path):
    assert callback.best == -np.inf
    (tmp_path / "best.json").write_text('{"val_value": 0.5}')
    callback.on_train_begin()
    callback.on_epoch_end(0)
    assert callback.best == 0.5
    assert not (tmp_path / "best.weights.h5").exists()


def test_the_best_by_another_score_is_refused_at_the_start(callback, tmp_path):
    (tmp_path / "best.json").write_text('{"val_dice": 0.5, "stage": "stage1"}')
    with pytest.raises(InputError, match=r"best\.json: expected the best val_value.*val_dice"):
        callback.on_train_begin()


def test_as_batch(rng):
    image = rng.random((7, 8, 9))
    batch = as_batch(image)
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(batch[0, ..., 0], image.astype(np.float32))
    assert batch.shape == (1, 7, 8, 9, 1)

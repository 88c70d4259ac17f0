"""Dice on validation pairs: labels on the training grid, their warp, and keeping the best."""

import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from scipy import ndimage

from pmrnet.errors import InputError
from pmrnet.training.validation import (
    ValidationDice,
    check_labels,
    validation_labels,
    warp_labels,
)

SHAPE = (8, 9, 10)


def subject(labels, grid_to_native=None, spacing=1, shape=SHAPE):
    return SimpleNamespace(
        labels=lambda: SimpleNamespace(data=labels),
        grid_to_native=np.eye(4) if grid_to_native is None else grid_to_native,
        spacing=spacing,
        image=np.zeros(shape, np.float32),
        image_at=lambda s: np.zeros([-(-n * spacing // s) for n in shape], np.float32),
    )


@pytest.fixture
def labels(rng):
    coarse = rng.integers(0, 5, (5, 5, 5))
    return coarse.repeat(2, 0).repeat(2, 1).repeat(2, 2).astype(np.uint8)


def test_labels_of_a_subject_that_is_stored_coarsely(labels):
    """`grid_to_native` counts voxels of the stored grid, here of 2 mm."""
    doubled = np.diag([2.0, 2, 2, 1])  # 1 mm native voxels
    by_name = validation_labels({"a": subject(labels, doubled, spacing=2, shape=(5, 5, 5))}, 4)
    np.testing.assert_array_equal(by_name["a"], labels[::4, ::4, ::4])


def test_labels_that_do_not_count_are_refused_before_training(labels):
    check_labels({"a": labels, "b": labels}, [4, 9])
    with pytest.raises(InputError, match=r"b: expected .*\(7, 8, 9\), found 1, 2, 3, 4; correct"):
        check_labels({"a": labels + 5, "b": labels}, [9, 8, 7])


def test_warped_labels_are_those_of_the_nearest_voxel(rng, labels):
    u = rng.uniform(-4, 4, (*labels.shape, 3)).astype(np.float32)
    locations = np.indices(labels.shape) + np.moveaxis(u, -1, 0)
    expected = ndimage.map_coordinates(labels, locations, order=0, mode="nearest")
    np.testing.assert_array_equal(warp_labels(labels, u), expected)


def test_half_a_voxel_is_rounded_up_everywhere():
    """As the tables have it; to the even one, every other voxel would come twice."""
    labels = np.arange(7 * 2 * 3).reshape(7, 2, 3)
    u = np.zeros((*labels.shape, 3), np.float32)
    u[..., 0] = 0.5
    np.testing.assert_array_equal(
        warp_labels(labels, u)[:, 0, 0], labels[[1, 2, 3, 4, 5, 6, 6], 0, 0]
    )


class Shifts(keras.Model):
    """Stands for a network: moves everything by `offset` voxels along the first axis."""

    def __init__(self):
        super().__init__()
        self.offset = self.add_weight(shape=(), initializer="zeros", name="offset")

    def call(self, inputs):
        moving = inputs["moving"]
        u = keras.ops.zeros((*moving.shape[:-1], 3))
        return {"displacement": u + self.offset * keras.ops.array([1.0, 0, 0])}


@pytest.fixture
def callback(labels, tmp_path):
    """Two subjects, one the other shifted by two voxels."""
    keras.utils.set_random_seed(0)
    moved = np.roll(labels, 2, axis=0)
    by_name = {"a": labels, "b": moved}
    callback = ValidationDice(
        {name: np.zeros(labels.shape, np.float32) for name in by_name},
        by_name,
        [("a", "b")],
        [1, 2, 3, 4],
        tmp_path,
        {"stage": "stage1", "spacing": 2},
    )
    network = Shifts()
    network.compile()
    callback.set_model(network)
    return callback


def test_score_is_the_mean_dice(callback, labels):
    unmoved = callback.score()
    moved = np.roll(labels, 2, axis=0)
    dice = [
        2 * np.sum((labels == k) & (moved == k)) / (np.sum(labels == k) + np.sum(moved == k))
        for k in (1, 2, 3, 4)
    ]
    assert unmoved == pytest.approx(np.mean(dice))
    callback.model.offset.assign(-2.0)
    assert callback.score() > 0.8 > unmoved  # not 1: what np.roll wrapped around is lost


def test_only_a_better_score_replaces_the_best_weights(callback, tmp_path):
    scores = []
    for epoch, offset in enumerate((0.0, -2.0, 3.0)):
        callback.model.offset.assign(offset)
        logs = {}
        callback.on_epoch_end(epoch, logs)
        assert logs["val_seconds"] >= 0
        scores.append(logs["val_dice"])
    best = json.loads((tmp_path / "best.json").read_text())
    assert best == {"val_dice": scores[1], "stage": "stage1", "spacing": 2, "epoch": 2}
    assert max(scores) == scores[1] == callback.best
    callback.model.load_weights(tmp_path / "best.weights.h5")
    assert float(callback.model.offset.numpy()) == -2.0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["best.json", "best.weights.h5"]


def test_the_best_of_an_earlier_run_is_remembered(callback, tmp_path):
    assert callback.best == -np.inf
    (tmp_path / "best.json").write_text('{"val_dice": 0.99}')
    callback.on_epoch_end(0, {})
    assert not (tmp_path / "best.weights.h5").exists()


def test_labels_may_be_coarser_than_the_images(callback, labels):
    """With `stride` the displacement is read at every other voxel and halved."""
    fine = {name: np.zeros([2 * n for n in labels.shape], np.float32) for name in ("a", "b")}
    callback.images, callback.stride = fine, 2
    callback.model.offset.assign(-4.0)
    assert callback.score() > 0.8

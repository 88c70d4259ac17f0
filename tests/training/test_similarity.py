"""Likeness of validation pairs: the warp, the difference within brains, and the callback."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pmrnet.training.similarity import ValidationSimilarity, brain_difference

SHAPE = (7, 8, 9)


def test_difference_counts_where_either_is_brain():
    moved, fixed = np.zeros((2, *SHAPE))
    moved[1:3, 4, 5] = 0.5, 0.25
    fixed[2:4, 4, 5] = 0.5, 1.0
    assert brain_difference(moved, fixed) == pytest.approx((0.25 + 0.0625 + 1) / 3)
    assert brain_difference(np.zeros(SHAPE), np.zeros(SHAPE)) == 0


@given(seed=st.integers(0, 2**32 - 1), margin=st.integers(0, 4))
@settings(max_examples=25, deadline=None)
def test_difference_is_symmetric_and_blind_to_margins(seed, margin):
    rng = np.random.default_rng(seed)
    a, b = rng.random((2, *SHAPE)) * (rng.random((2, *SHAPE)) > 0.4)
    value = brain_difference(a, b)
    assert value == brain_difference(b, a)
    assert value == pytest.approx(brain_difference(np.pad(a, margin), np.pad(b, margin)))
    assert (value == 0) == np.array_equal(a, b)


def shifting(offset):
    """Stands for a network: moves everything by `offset` voxels along the first axis."""

    def predict(inputs):
        assert inputs["moving"].shape == inputs["fixed"].shape
        return {"displacement": np.full((*inputs["moving"].shape[:-1], 3), (offset, 0.0, 0.0))}

    return SimpleNamespace(predict_on_batch=predict)


@pytest.fixture
def pair(rng):
    """A brain with air around it, and the same brain two voxels further along the first axis."""
    image = np.zeros((12, 8, 9), np.float32)
    image[3:7, 2:6, 2:7] = rng.uniform(0.2, 1, (4, 4, 5))
    return {"a": image, "b": np.roll(image, 2, axis=0)}


def callback_of(pair, folder, **changes):
    arguments = {"images": pair, "compared": pair, "pairs": [("a", "b"), ("b", "a")]}
    return ValidationSimilarity(**(arguments | changes), folder=folder, record={"spacing": 1})


def test_score_is_minus_the_mean_square_over_pairs(pair, tmp_path):
    callback = callback_of(pair, tmp_path)
    callback.set_model(shifting(0.0))
    brain = (pair["a"] > 0) | (pair["b"] > 0)
    expected = -np.mean((pair["a"] - pair["b"])[brain].astype(float) ** 2)
    assert callback.score() == pytest.approx(expected, rel=1e-6)
    one_way = callback_of(pair, tmp_path, pairs=[("a", "b")])
    one_way.set_model(shifting(-2.0))
    assert one_way.score() == pytest.approx(0, abs=1e-12)
    one_way.set_model(shifting(2.0))
    assert one_way.score() < expected


def test_compared_images_may_be_coarser_than_the_network_s(pair, tmp_path):
    """With `stride` the displacement is read at every other voxel and halved."""
    fine = {
        name: np.zeros([2 * n for n in image.shape], np.float32) for name, image in pair.items()
    }
    callback = callback_of(pair, tmp_path, images=fine, pairs=[("a", "b")], stride=2)
    callback.set_model(shifting(-4.0))
    assert callback.score() == pytest.approx(0, abs=1e-12)


def test_the_epoch_s_log_and_record(pair, tmp_path):
    callback = callback_of(pair, tmp_path)
    model = shifting(0.0)
    model.save_weights = lambda path: path.write_bytes(b"weights")
    callback.set_model(model)
    logs = {}
    callback.on_epoch_end(4, logs)
    best = json.loads((tmp_path / "best.json").read_text())
    assert best == {"val_similarity": logs["val_similarity"], "spacing": 1, "epoch": 5}
    assert logs["val_similarity"] < 0
    assert callback.best == logs["val_similarity"]

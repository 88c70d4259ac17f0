"""Overlap of labels as a loss: against Dice by hand, by finite difference, and within training."""

import keras
import numpy as np
import pytest
from keras import ops

from pmrnet.metrics import dice_per_label
from pmrnet.nn.build import build_network, build_objective
from pmrnet.nn.label_overlap import label_overlap

SHAPE = (7, 8, 9)


def channels(labels, wanted):
    return np.stack([labels == label for label in wanted], axis=-1)[None].astype(np.float32)


def test_is_one_minus_dice_of_whole_labels(rng):
    fixed, moved = rng.integers(0, 4, (2, *SHAPE))
    wanted = [1, 2, 3]
    dice = np.mean(list(dice_per_label(moved, fixed, wanted).values()))
    loss = float(label_overlap(channels(fixed, wanted), channels(moved, wanted)))
    # It adds one voxel to numerator and denominator of each label, of about 250.
    assert loss == pytest.approx(1 - dice, abs=0.004)


def test_is_nothing_where_all_fits_and_for_labels_in_neither(rng):
    fixed = rng.integers(0, 3, SHAPE)
    assert float(label_overlap(*[channels(fixed, [1, 2, 9])] * 2)) == pytest.approx(0, abs=1e-6)
    assert float(label_overlap(channels(fixed, [1]), channels(fixed, [9]))) > 0.99


def test_each_label_and_each_pair_counts_alike(rng):
    """A label of 4 voxels weighs as much as one of 200."""
    fixed = np.zeros((2, *SHAPE, 2), np.float32)
    fixed[:, :2, :2, 0, 0] = 1
    fixed[:, 2:, :5, :8, 1] = 1
    moved = fixed.copy()
    moved[0, ..., 0] = 0
    assert float(label_overlap(fixed, moved)) == pytest.approx((1 - 1 / 5) / 4, abs=1e-5)
    moved = fixed.copy()
    moved[0, ..., 1] = 0
    assert float(label_overlap(fixed, moved)) == pytest.approx((1 - 1 / 201) / 4, abs=1e-5)


def network(weight):
    config = {"type": "pmrnet", "filters": [4, 4], "hidden_filters": [4, 4]}
    config["hidden_kernels"] = [3, 3]
    found = build_network(config, build_objective({}), weight)
    found.build()
    return found


def batch(rng):
    shape = (1, 16, 32, 16)
    images = {side: rng.random((*shape, 1), np.float32) for side in ("moving", "fixed")}
    labels = rng.integers(0, 4, (2, *shape))
    for side, found in zip(("moving", "fixed"), labels, strict=True):
        images[f"{side}_labels"] = (found[..., None] == np.array([1, 3])).astype(np.uint8)
    return images


def test_enters_the_loss_with_its_weight(rng):
    x = batch(rng)
    assert "label_overlap" not in network(0.0)._trackers
    net = network(3.0)
    outputs = net({k: x[k] for k in ("moving", "fixed")}, training=True)
    whole = float(net.compute_loss(x, y_pred=outputs))
    net.label_weight = 0.0
    without = float(net.compute_loss(x, y_pred=outputs))
    moved = net.transformer([x["moving_labels"].astype(np.float32), outputs["displacement"]])
    wanted = 3 * float(label_overlap(x["fixed_labels"].astype(np.float32), moved))
    assert whole - without == pytest.approx(wanted, rel=1e-4)


def test_training_raises_the_overlap(rng):
    """Images without contrast leave the labels alone to say what to do."""
    keras.utils.set_random_seed(3)
    net = network(100.0)
    shape = (16, 16, 16)
    blobs = np.zeros((2, *shape), np.uint8)
    blobs[0, 4:10, 4:10, 4:10] = 1
    blobs[1, 6:12, 4:10, 4:10] = 1
    # Something to see, alike in both labels' places but too faint for the images' own term.
    moving, fixed = (0.01 * blob[None, ..., None].astype(np.float32) for blob in blobs)
    x = {
        "moving": moving,
        "fixed": fixed,
        "moving_labels": blobs[0][None, ..., None],
        "fixed_labels": blobs[1][None, ..., None],
    }
    net.compile(optimizer=keras.optimizers.Adam(5e-3))
    first = net.train_on_batch(x, return_dict=True)["label_overlap"]
    for _ in range(60):
        last = net.train_on_batch(x, return_dict=True)["label_overlap"]
    assert last < 0.6 * first


def test_slopes_are_those_of_finite_differences(rng):
    fixed, moved = rng.random((2, 1, *SHAPE, 2)).astype(np.float64)
    sums = fixed.sum((0, 1, 2, 3)) + moved.sum((0, 1, 2, 3)) + 1
    common = 2 * (fixed * moved).sum((0, 1, 2, 3)) + 1
    closed = -(2 * fixed - common / sums) / sums / 2
    step = rng.standard_normal(moved.shape)
    up, down = (
        float(label_overlap(*(ops.cast(x, "float64") for x in (fixed, moved + h * step))))
        for h in (1e-5, -1e-5)
    )
    assert (up - down) / 2e-5 == pytest.approx((closed * step).sum(), rel=1e-4)

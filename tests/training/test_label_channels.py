"""Labels of training pairs as channels."""

import numpy as np
import pytest

from pmrnet.training.label_channels import label_channels
from pmrnet.training.pairs import PairSequence

SHAPE = (5, 6, 7)


def test_channels_are_the_same_labels_of_both(rng):
    moving, fixed = rng.integers(0, 9, (2, *SHAPE)) * 20
    channels = label_channels(moving, fixed, 5, np.random.default_rng(1))
    drawn = set()
    for number in range(5):
        of_moving = np.unique(moving[channels[0][..., number] == 1])
        of_fixed = np.unique(fixed[channels[1][..., number] == 1])
        np.testing.assert_array_equal(of_moving, of_fixed)
        (label,) = of_moving
        np.testing.assert_array_equal(channels[0][..., number] == 1, moving == label)
        drawn.add(int(label))
    assert len(drawn) == 5
    assert 0 not in drawn
    assert channels[0].dtype == np.uint8


def test_all_labels_come_before_one_comes_twice(rng):
    moving = rng.integers(0, 4, SHAPE)
    channels, _ = label_channels(moving, moving, 7, np.random.default_rng(1))
    sizes = sorted(channels.sum((0, 1, 2)).tolist())
    counts = np.bincount(moving.ravel())[1:]
    assert {int(n) for n in counts} == set(sizes)
    assert all(2 <= sizes.count(int(n)) <= 3 for n in counts)


def test_a_label_of_one_side_alone_counts_and_none_gives_empty_channels():
    moving, fixed = np.zeros((2, *SHAPE), np.uint8)
    moving[1, 1, 1] = 4
    channels = label_channels(moving, fixed, 2, np.random.default_rng(0))
    assert channels[0].sum() == 2
    assert channels[1].sum() == 0
    for empty in label_channels(fixed, fixed, 2, np.random.default_rng(0)):
        assert empty.shape == (*SHAPE, 2)
        assert not empty.any()


@pytest.mark.parametrize("batch_size", [1, 2])
def test_batches_hold_the_labels_of_their_pairs(batch_size):
    """Image i has the value i and label 10 + i everywhere."""
    images = [np.full(SHAPE, i, np.float32) for i in range(3)]
    maps = [np.full(SHAPE, 10 + i, np.uint8) for i in range(3)]
    sequence = PairSequence(images, 4, 0, batch_size, labels=maps, labels_per_pair=2)
    for index in range(4):
        (batch,) = sequence[index]
        assert batch["moving_labels"].shape == (batch_size, *SHAPE, 2)
        # Of the pair's two labels, one is all of the moving map, the other all of the fixed one.
        for number in range(batch_size):
            sides = [batch[f"{side}_labels"][number].all((0, 1, 2)) for side in ("moving", "fixed")]
            np.testing.assert_array_equal(sides[0], ~sides[1])
        again = sequence[index][0]
        np.testing.assert_array_equal(batch["moving_labels"], again["moving_labels"])
    first, second = (sequence[index][0]["moving_labels"] for index in (0, 1))
    assert first.shape == second.shape

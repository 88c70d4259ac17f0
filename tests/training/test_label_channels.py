"""Labels of training pairs as channels."""

from types import SimpleNamespace

import numpy as np
import pytest

from fake_subjects import blocks, tiny_protocol
from pmrnet.training.label_channels import label_channels, training_labels
from pmrnet.training.pairs import PairSequence

SHAPE = (5, 6, 7)


def test_channels_are_the_same_labels_of_both(rng):
    moving, fixed = rng.integers(0, 9, (2, *SHAPE)) * 20
    channels = label_channels(moving, fixed, 20 * np.arange(1, 9), 5, np.random.default_rng(1))
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
    channels, _ = label_channels(moving, moving, np.arange(1, 4), 7, np.random.default_rng(1))
    sizes = sorted(channels.sum((0, 1, 2)).tolist())
    counts = np.bincount(moving.ravel())[1:]
    assert {int(n) for n in counts} == set(sizes)
    assert all(2 <= sizes.count(int(n)) <= 3 for n in counts)


def test_a_label_of_one_side_alone_counts_and_none_gives_empty_channels():
    moving, fixed = np.zeros((2, *SHAPE), np.uint8)
    moving[1, 1, 1] = 4
    channels = label_channels(moving, fixed, np.array([4]), 2, np.random.default_rng(0))
    assert channels[0].sum() == 2
    assert channels[1].sum() == 0
    for empty in label_channels(fixed, fixed, np.array([]), 2, np.random.default_rng(0)):
        assert empty.shape == (*SHAPE, 2)
        assert not empty.any()


def test_labels_are_drawn_from_those_that_a_pair_has():
    """Two subjects, of whom one has a label that no other has."""
    maps = [np.ones(SHAPE, np.uint8) for _ in range(3)]
    maps[0][:2] = 5
    images = [np.full(SHAPE, i, np.float32) for i in range(3)]
    sequence = PairSequence(images, 6, 0, labels=maps, labels_per_pair=2)
    for index in range(6):
        (batch,) = sequence[index]
        subjects = {int(batch[side][0, 0, 0, 0, 0]) for side in ("moving", "fixed")}
        sizes = batch["moving_labels"].sum((0, 1, 2, 3)) + batch["fixed_labels"].sum((0, 1, 2, 3))
        of_five = 2 * SHAPE[1] * SHAPE[2]
        wanted = {of_five, 2 * maps[0].size - of_five} if 0 in subjects else {2 * maps[0].size}
        assert set(sizes.tolist()) == wanted


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


def test_draws_differ_from_pair_to_pair():
    """Two subjects with a label in each voxel: every position of the sequence draws anew."""
    maps = [np.arange(np.prod(SHAPE)).reshape(SHAPE) + 1] * 2
    sequence = PairSequence([np.zeros(SHAPE)] * 2, 4, 0, labels=maps, labels_per_pair=3)
    drawn = set()
    for index in range(4):
        (batch,) = sequence[index]
        drawn.add(tuple(np.argwhere(batch["moving_labels"])[:, :-1].ravel().tolist()))
    assert len(drawn) == 4


def test_labels_of_all_training_subjects_in_their_order(rng):
    """On the network grid, those that are not scored left out; of two data sets."""
    shape = (8, 10, 12)
    found = {name: blocks(rng, shape).astype(np.uint16) * 75 for name in "abcd"}
    subjects = {
        name: SimpleNamespace(
            spacing=1,
            image=np.zeros(shape, np.float32),
            grid_to_native=np.eye(4),
            labels=lambda data=data: SimpleNamespace(data=data),
        )
        for name, data in found.items()
    }
    ours = tiny_protocol(train=("b", "a"), labels={75: "one", 150: "two"}, groups={})
    other = tiny_protocol("other", train=("d",), labels={300: "many"}, groups={})
    maps = training_labels([(ours, subjects), (other, subjects)], 2)
    for name, scored, labels in zip("bad", ((75, 150), (75, 150), (300,)), maps, strict=True):
        coarse = found[name][::2, ::2, ::2]
        np.testing.assert_array_equal(labels, np.where(np.isin(coarse, scored), coarse, 0))
    assert [labels.dtype for labels in maps] == [np.uint8, np.uint8, np.uint16]

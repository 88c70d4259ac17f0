"""Pairs of training subjects: all ordered pairs, in an order that a resumed run repeats."""

from itertools import permutations

import numpy as np
import pytest

from pmrnet.data.augmentation import Augmentation
from pmrnet.training.pairs import PairSequence


def images(count=4):
    """Constant images whose value is the subject's number."""
    return [np.full((2, 3, 4), i, np.float64) for i in range(count)]


def seen(sequence, epochs):
    """(moving, fixed) subjects of every pair of some epochs."""
    result = []
    for _ in range(epochs):
        for index in range(len(sequence)):
            (batch,) = sequence[index]
            firsts = [batch[key][:, 0, 0, 0, 0].astype(int) for key in ("moving", "fixed")]
            result += list(zip(*(f.tolist() for f in firsts), strict=True))
        sequence.on_epoch_end()
    return result


@pytest.mark.parametrize("batch_size", [1, 3])
def test_batches(batch_size):
    sequence = PairSequence(images(), steps=5, seed=0, batch_size=batch_size)
    assert len(sequence) == 5
    (batch,) = sequence[0]
    assert set(batch) == {"moving", "fixed"}
    for values in batch.values():
        assert values.shape == (batch_size, 2, 3, 4, 1)
        assert values.dtype == np.float32


@pytest.mark.parametrize(("steps", "batch_size", "epochs"), [(12, 1, 1), (4, 1, 3), (3, 2, 2)])
def test_all_ordered_pairs_come_before_one_repeats(steps, batch_size, epochs):
    sequence = PairSequence(images(4), steps, seed=1, batch_size=batch_size)
    first, second = seen(sequence, epochs), seen(sequence, epochs)
    assert sorted(first) == sorted(second) == sorted(permutations(range(4), 2))
    assert first != second


def test_order_depends_on_the_seed():
    same = [seen(PairSequence(images(), 12, seed=1), 1) for _ in range(2)]
    assert same[0] == same[1]
    assert seen(PairSequence(images(), 12, seed=2), 1) != same[0]


def test_goes_on_where_an_interrupted_run_stopped():
    whole = seen(PairSequence(images(), steps=5, seed=1), 4)
    resumed = PairSequence(images(), steps=5, seed=1)
    resumed.start_at(2)
    assert seen(resumed, 2) == whole[10:]


def test_epochs_begin_at_their_own_pairs():
    """Even if the sequence was read ahead or its end of epoch was told twice."""
    whole = seen(PairSequence(images(), steps=5, seed=1), 2)
    sequence = PairSequence(images(), steps=5, seed=1)
    sequence.on_epoch_end()
    sequence.on_epoch_end()
    sequence.start_at(1)
    assert seen(sequence, 1) == whole[5:]


def test_pairs_are_of_one_group():
    sequence = PairSequence(images(5), steps=8, seed=1, groups=[0, 0, 1, 1, 1])
    assert sorted(seen(sequence, 1)) == [(0, 1), (1, 0), *permutations((2, 3, 4), 2)]


def test_changes_follow_from_seed_and_position():
    def batch(seed=1, index=3):
        sequence = PairSequence(images(4), 5, seed, augmentation=Augmentation(contrast=0.5))
        return sequence[index][0]["moving"]

    some = [
        PairSequence([np.full((2, 3, 4), 0.5)] * 3, 9, 1, augmentation=a)
        for a in (None, Augmentation(contrast=0.5))
    ]
    plain, changed = ([s[i][0]["moving"][0, 0, 0, 0, 0] for i in range(6)] for s in some)
    assert set(plain) == {0.5}
    assert len(set(changed)) == 6
    np.testing.assert_array_equal(batch(), batch())

"""An epoch's pairs and samples follow from its number."""

from types import SimpleNamespace

import numpy as np
from keras import ops

from pmrnet.nn.layers import GaussianSample
from pmrnet.training.position import EpochPosition, stage_seed


def drawn(callback, sampler, epoch):
    """Where the epoch begins, and its first two samples."""
    callback.on_epoch_begin(epoch)
    zero = ops.zeros((1, 3, 4, 2))
    return [ops.convert_to_numpy(sampler([zero, zero])) for _ in range(2)]


def test_an_epoch_draws_the_same_whatever_was_drawn_before():
    started = []
    sampler = GaussianSample(seed=5)
    callback = EpochPosition(SimpleNamespace(start_at=started.append), seed=1)
    callback.set_model(SimpleNamespace(sampler=sampler))
    whole = [drawn(callback, sampler, epoch) for epoch in range(3)]
    again = drawn(callback, sampler, 1)
    np.testing.assert_array_equal(again, whole[1])
    assert started == [0, 1, 2, 1]
    # Samples differ within an epoch, between epochs and between seeds.
    assert np.abs(whole[1][0] - whole[1][1]).max() > 0.1
    assert np.abs(whole[1][0] - whole[2][0]).max() > 0.1
    callback.seed = 2
    assert np.abs(drawn(callback, sampler, 1)[0] - whole[1][0]).max() > 0.1


def test_every_stage_has_a_seed_of_its_own():
    seeds = [stage_seed(seed, number) for seed in (1, 2) for number in (1, 2, 3)]
    assert [stage_seed(1, 1), stage_seed(2, 1)] == [1, 2]
    assert len(set(seeds)) == 6
    assert all(isinstance(seed, int) for seed in seeds)
    assert stage_seed(1, 2) == seeds[1]

"""First and last index along each axis: against `numpy.argwhere`."""

import numpy as np

from pmrnet.data.extent import extent


def test_ends_are_those_of_all_that_is_not_0(rng):
    volume = np.zeros((7, 8, 9), np.float32)
    volume[2:6, 1:4, 5:8] = rng.normal(size=(4, 3, 3)) * (rng.random((4, 3, 3)) < 0.2)
    at = np.argwhere(volume)
    first, last = extent(volume)
    np.testing.assert_array_equal(first, at.min(axis=0))
    np.testing.assert_array_equal(last, at.max(axis=0))


def test_zeros_have_none():
    assert extent(np.zeros((2, 3, 4))) is None

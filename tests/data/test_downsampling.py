import numpy as np
import pytest

from pmrnet.data.downsampling import downsample
from pmrnet.errors import InputError


def test_downsample():
    ramp = np.add.outer(np.add.outer(np.arange(21.0), 2 * np.arange(20.0)), np.zeros(22))
    coarse = downsample(ramp, 2)
    assert coarse.shape == (11, 10, 11)
    assert coarse.dtype == np.float32
    inner = (slice(2, -2),) * 3
    np.testing.assert_allclose(coarse[inner], ramp[::2, ::2, ::2][inner], atol=1e-4)
    np.testing.assert_allclose(downsample(np.ones((7, 8, 9)), 2), 1, atol=1e-6)
    checks = (np.indices((16, 16, 16)).sum(0) % 2).astype(float)
    assert np.ptp(downsample(checks, 2)[inner]) < 1e-6  # the finest pattern is gone, not aliased
    assert abs(downsample(checks, 2)[inner].mean() - 0.5) < 0.01
    np.testing.assert_array_equal(downsample(ramp, 1), ramp.astype(np.float32))
    with pytest.raises(InputError, match=r"whole factor.*1\.5"):
        downsample(ramp, 1.5)

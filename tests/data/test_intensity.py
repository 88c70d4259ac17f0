import numpy as np
import pytest
from scipy import stats

from pmrnet.data.intensity import normalise
from pmrnet.errors import InputError


def test_normalise_as_scipy():
    image = np.random.default_rng(0).gamma(2, 30, size=(7, 8, 9))
    image[:, :3] = 0
    image[6, 7, 8] = 5000  # a vessel, cut at 3 standard deviations
    brain = image != 0
    expected = (np.clip(stats.zscore(image[brain]), -3, 3) + 3) / 6
    result = normalise(image)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result[brain], expected, atol=1e-6)
    assert not result[~brain].any()
    assert result[6, 7, 8] == 1
    for bad, found in ((np.zeros((7, 8, 9)), "only zeros"), (np.ones((7, 8, 9)), "single")):
        with pytest.raises(InputError, match=found):
            normalise(bad)


def test_negative_intensities_are_of_the_brain(rng):
    image = rng.normal(size=(7, 8, 9))
    image[:, :3] = 0
    inner = np.abs(image) < 2.5
    np.testing.assert_array_equal((normalise(image) > 0)[inner], (image != 0)[inner])

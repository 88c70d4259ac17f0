import numpy as np
from scipy import stats

from pmrnet.data.appearance import add_rician_noise, bias_field, change_contrast

LEVELS = np.linspace(0, 1, 101)


def test_contrast_keeps_the_order_of_intensities_and_the_background():
    curves = [change_contrast(LEVELS, np.random.default_rng(seed), 0.3) for seed in range(20)]
    for curve in curves:
        assert curve[0] == 0
        assert (np.diff(curve) > 0).all()
    # It differs between tissues: the ratio of two contrasts is not the same in all subjects.
    ratios = [(c[87] - c[67]) / (c[67] - c[40]) for c in curves]
    assert 0.2 < np.std(np.log(ratios)) < 0.8  # sqrt(2) * 0.3 in expectation


def test_no_change_of_contrast():
    unchanged = change_contrast(LEVELS, np.random.default_rng(0), 0.0)
    np.testing.assert_allclose(unchanged, LEVELS, atol=1e-6)
    assert unchanged.dtype == np.float32


def test_bias_field():
    field = bias_field(np.random.default_rng(0), (24, 24, 24), 6.0, 0.1)
    assert field.dtype == np.float32
    assert abs(np.log(field).std() - 0.1) < 1e-4
    assert np.abs(np.diff(field, axis=0)).max() < 0.1
    assert (bias_field(np.random.default_rng(0), (24, 24, 24), 6.0, 0.0) == 1).all()


def test_noise_is_rician():
    signal, sigma = 0.3, 0.2
    noisy = add_rician_noise(np.full(20000, signal, np.float32), np.random.default_rng(0), sigma)
    assert noisy.dtype == np.float32
    assert stats.kstest(noisy, stats.rice(signal / sigma, scale=sigma).cdf).pvalue > 0.01
    # The test can tell: it is not normal noise.
    assert stats.kstest(noisy, stats.norm(signal, sigma).cdf).pvalue < 1e-6

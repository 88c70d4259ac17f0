import numpy as np

from pmrnet.whole_numbers import is_whole


def test_what_is_whole():
    values = np.array([0, -3, 41.0000006, 2**31, 41.001, 0.5, 1e-7, np.nan, np.inf, -np.inf])
    assert is_whole(values).tolist() == [True] * 4 + [False] * 6
    assert is_whole(np.float32([7, 7.5])).tolist() == [True, False]
    assert is_whole(np.arange(3)).all()

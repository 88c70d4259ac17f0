import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pmrnet.data.label_ids import label_ids

ANY = st.integers(0, 50) | st.sampled_from([999_999, 1_000_000, 2**31 - 1])


@given(arrays(np.int32, array_shapes(min_dims=3, max_dims=3, max_side=4), elements=ANY))
def test_the_labels_without_the_background(labels):
    assert label_ids(labels) == sorted(set(labels.ravel().tolist()) - {0})


def test_nothing():
    assert label_ids(np.zeros((7, 8, 9), np.int32)) == []
    assert label_ids(np.zeros((0, 8, 9), np.int32)) == []

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pmrnet.data.label_merge import merge_labels

IDS = st.integers(0, 2**31 - 1)


@given(
    st.lists(IDS, min_size=1, max_size=24),
    st.dictionaries(IDS, IDS, max_size=6),
    st.integers(0, 2**31 - 1),
)
def test_as_a_dictionary_says(values, merge, extra):
    # Some of the numbers must be there to be replaced.
    merge = merge | {values[0]: extra, values[-1]: values[0]}
    labels = np.array(values, np.int32).reshape(1, -1, 1)
    before = labels.copy()
    result = merge_labels(labels, merge)
    assert result.dtype == np.int32
    assert result.tolist() == [[[merge.get(v, v)] for v in values]]
    np.testing.assert_array_equal(labels, before)


def test_all_at_once_and_none():
    labels = np.array([[0, 1, 2, 1032]], np.int32)
    assert merge_labels(labels, {1: 2, 2: 3, 1032: 0}).tolist() == [[0, 2, 3, 0]]
    np.testing.assert_array_equal(merge_labels(labels, {}), labels)

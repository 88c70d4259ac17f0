import pytest

from pmrnet.value_checks import (
    all_of,
    is_0_or_more,
    is_count,
    is_count_or_0,
    is_number,
    is_positive,
    is_power_of_two,
)


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (is_number, [0, -1.5, 3], [True, "1", None]),
        (is_positive, [1, 0.5], [0, -1, True, "1"]),
        (is_0_or_more, [0, 0.5, 3], [-0.1, True, "1", None]),
        (is_count_or_0, [0, 1, 7], [-1, 1.0, True, False, "1"]),
        (is_count, [1, 7], [0, -1, 1.0, True, "1"]),
        (is_power_of_two, [1, 2, 16], [0, 3, 12, -2, 2.0, True, "2"]),
        (all_of(is_count), [(1,), (1, 2)], [(), (1, 0), [1], 1, "1"]),
    ],
)
def test_what_fits_and_what_does_not(check, right, wrong):
    assert [check(value) for value in right] == [True] * len(right)
    assert [check(value) for value in wrong] == [False] * len(wrong)

"""Who trains, validates and tests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmrnet.data.draft.split import in_order, split_subjects
from pmrnet.errors import InputError


def names(count):
    return [f"s{i}" for i in range(1, count + 1)]


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(4, (2, 2, 0)), (5, (3, 2, 0)), (6, (2, 2, 2)), (10, (6, 2, 2)), (30, (21, 3, 6))],
)
def test_sizes(count, sizes):
    split = split_subjects(names(count))
    assert tuple(len(split[key]) for key in ("train", "validation", "test")) == sizes


@given(count=st.integers(4, 60), data=st.data())
def test_everyone_once_and_the_labelled_are_held_out(count, data):
    everyone = names(count)
    labelled = data.draw(st.sets(st.sampled_from(everyone), min_size=2))
    split = split_subjects(everyone, labelled)
    assert [n for part in split.values() for n in part] == everyone or labelled != set(everyone)
    assert sorted(n for part in split.values() for n in part) == sorted(everyone)
    assert {*split["validation"], *split["test"]} <= labelled
    assert len(split["train"]) >= 2
    assert len(split["validation"]) >= 2
    assert len(split["test"]) != 1
    if count >= 6 and len(labelled) >= 4:
        assert len(split["test"]) >= 2


def test_too_few():
    with pytest.raises(InputError, match=r"4 or more subjects.*6 to test.*found 3 \(s1, s2, s3\)"):
        split_subjects(names(3))


def test_order_of_names():
    assert in_order(["S10", "S2", "a9b10", "a9b9", "S1"]) == ["S1", "S2", "S10", "a9b9", "a9b10"]
    assert in_order(["s", "s01", "s1"]) == in_order(["s1", "s01", "s"])

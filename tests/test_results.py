"""How far two results of one evaluation agree."""

import dataclasses
import math

import pandas as pd
import pytest

from pmrnet.results import largest_difference
from test_summary import store


@pytest.fixture
def result(tmp_path):
    return store(tmp_path / "net")


def changed(result, frame):
    return dataclasses.replace(result, pairs=frame)


def test_largest_difference_of_a_dice(result):
    frame = result.pairs.copy()
    assert largest_difference(result, changed(result, frame.sample(frac=1, random_state=1))) == 0
    frame.loc[3, "dice"] += 0.02
    frame.loc[4, "dice"] -= 0.03
    assert largest_difference(result, changed(result, frame)) == pytest.approx(0.03)


def test_what_only_one_of_them_has_is_no_agreement(result):
    frame = result.pairs
    fewer, more = frame.iloc[1:], pd.concat([frame, frame.tail(1).assign(label=99)])
    for other in (fewer, more, frame.assign(dice=frame["dice"].where(frame.index != 2))):
        assert largest_difference(result, changed(result, other)) == math.inf
        assert largest_difference(changed(result, other), result) == math.inf


def test_a_label_that_neither_has_is_none(result):
    without = result.pairs.assign(dice=result.pairs["dice"].where(result.pairs.index != 2))
    both = changed(result, without)
    assert largest_difference(both, both) == 0

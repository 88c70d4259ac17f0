"""How far two results of one evaluation agree."""

import dataclasses
import math

import pandas as pd
import pytest

from pmrnet.results import largest_difference, mean_dice
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


def test_the_largest_difference_has_no_sign(result):
    frame = result.pairs.copy()
    frame.loc[3, "dice"] += 0.03
    other = changed(result, frame)
    assert largest_difference(result, other) == pytest.approx(0.03)
    assert largest_difference(other, result) == pytest.approx(0.03)


def test_the_mean_dice_is_over_labels_then_pairs(result):
    """As the tables have it: labels that a pair lacks do not make the others of it count less."""
    frame = result.pairs.copy()
    frame.loc[0, "dice"] = 0.9
    mean = ((0.9 + 0.9 + 0.1) / 3 + 4 * 0.5 + 0.6) / 6
    assert mean_dice(changed(result, frame)) == pytest.approx(mean)
    assert frame["dice"].mean() != pytest.approx(mean, abs=1e-3)

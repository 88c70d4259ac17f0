"""Dice of a displacement, over all labels and by region."""

from types import SimpleNamespace

import numpy as np
import pytest

from pmrnet.bench import mean_dice
from pmrnet.bench.mean_dice import dice_of
from pmrnet.summary import ALL


def test_means_are_those_of_the_regions_labels(monkeypatch):
    moved = np.array([1, 1, 2, 2, 3, 0])
    fixed = np.array([1, 2, 2, 2, 0, 0])
    monkeypatch.setattr(mean_dice, "moved_labels", lambda fixed, moving, u: moved + u)
    subject = SimpleNamespace(labels=lambda: SimpleNamespace(data=fixed))
    one, two, three = 2 / 3, 4 / 5, 0.0
    found = dice_of([1, 2, 3, 4], {"a": (1, 3), "b": (2,), "c": (4, 2)})(None, subject, 0)
    # Label 4 is in neither image and counts for nothing.
    assert found == pytest.approx(
        {ALL: (one + two + three) / 3, "a": (one + three) / 2, "b": two, "c": two}
    )
    assert mean_dice.mean_dice([1, 2, 3, 4])(None, subject, 0) == found[ALL]

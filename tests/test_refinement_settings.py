"""Settings of the refinement: what they may be, and budgets."""

import pytest

from pmrnet.errors import InputError
from pmrnet.refinement_settings import Refinement


@pytest.mark.parametrize(
    "wrong",
    [
        {"levels": (), "velocity_spacing": ()},
        {"levels": (3, 2, 1)},
        {"levels": (1, 1, 1), "velocity_spacing": (2, 2, 4)},
        {"levels": (16, 2, 1)},
        {"levels": (4, 2)},
        {"steps": (3,)},
        {"levels": 2},
        {"velocity_spacing": [8, 4, 2]},
        {"levels": (4.0, 2, 1)},
    ],
)
def test_wrong_levels_are_refused(wrong):
    with pytest.raises(ValueError, match=r"levels|coarse to fine"):
        Refinement(**wrong)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("steps", (3, -1, 2)),
        ("steps", (1.5, 2, 1)),
        ("steps", True),
        ("window", 4),
        ("window", "x"),
        ("image_sigma", 0),
        ("prior_lambda", -1.0),
        ("learning_rate", -1),
        ("seconds", "soon"),
        ("patience", 0),
        ("smoothing", -1),
        ("integration_steps", 2.0),
        ("tolerance", "small"),
    ],
)
def test_wrong_settings_are_named(setting, value):
    with pytest.raises(ValueError, match=f"{setting} must be "):
        Refinement(**{setting: value})


def test_budgets():
    assert Refinement.from_budget("") == Refinement()
    assert Refinement.from_budget("100").steps == (100, 100, 100)
    assert Refinement.from_budget("100").seconds is None
    timed = Refinement.from_budget("2.5s")
    assert timed.seconds == 2.5
    assert min(timed.steps) > 1000


@pytest.mark.parametrize("text", ["fast", "-1", "0s", "-2s", "nans", "infs", "2.5", "s"])
def test_wrong_budgets_are_named(text):
    with pytest.raises(InputError, match=f"--refine: .*found '{text}'"):
        Refinement.from_budget(text)

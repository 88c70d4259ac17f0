"""Settings of the refinement of one pair, see `pmrnet.refine`."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass

from pmrnet.errors import InputError
from pmrnet.value_checks import (
    all_of,
    is_0_or_more,
    is_count,
    is_count_or_0,
    is_positive,
    is_power_of_two,
)

#: steps that a budget of seconds is spent before
_UNLIMITED = 10_000

# What a setting may be, since some are read from files, and in words.
_EXPECTED = {
    **dict.fromkeys(
        ("levels", "velocity_spacing"),
        (all_of(is_power_of_two), "one or more powers of two, coarse to fine"),
    ),
    **dict.fromkeys(("learning_rate", "image_sigma"), (is_positive, "a number above 0")),
    "window": (
        lambda value: is_count_or_0(value) and (value == 0 or value % 2 == 1),
        "0 or an odd number of voxels",
    ),
    **dict.fromkeys(
        ("smoothing", "integration_steps"), (is_count_or_0, "a whole number of 0 or more")
    ),
    **dict.fromkeys(("prior_lambda", "tolerance"), (is_0_or_more, "a number of 0 or more")),
    "steps": (
        lambda value: is_count_or_0(value) or all_of(is_count_or_0)(value),
        "a whole number of 0 or more, or one for each level",
    ),
    "seconds": (lambda value: value is None or is_positive(value), "a number above 0 or None"),
    "patience": (is_count, "a whole number above 0"),
}


@dataclass(frozen=True)
class Refinement:
    """How `pmrnet.refine.refine` works; lengths are in voxels of the images that it is given.

    Parameters
    ----------
    levels
        Spacings of the images, one per level: powers of two.
    velocity_spacing
        Spacings of the velocity, one per level, coarse to fine: powers of two, none below that of
        the level's images.
    learning_rate
        Adam's, in voxels of the velocity's grid.
    window
        Edge of the local correlation's window in voxels of a level's images, odd; 0 takes the mean
        squared difference in its place.
    image_sigma, prior_lambda
        Noise of the image term and scale of the prior, as in `pmrnet.nn.objective.Objective`.
    smoothing
        Passes of the filter S, (1/4, 1/2, 1/4) along every axis.
    integration_steps
        Squarings of scaling and squaring.
    steps
        Largest number of steps on each level, coarse to fine, or one number for all of them; 0
        everywhere returns the given velocity.
    seconds
        Largest time of the steps in all; what a level leaves is the next ones'. A level's first
        loss, with which it is compiled in a new process, does not count. None is no limit.
    tolerance, patience
        A level ends when `patience` steps have not lowered the loss by this share of it.
    """

    levels: tuple[int, ...] = (4, 2, 1)
    velocity_spacing: tuple[int, ...] = (8, 4, 2)
    learning_rate: float = 0.3
    window: int = 3
    image_sigma: float = 0.2
    prior_lambda: float = 20.0
    smoothing: int = 1
    integration_steps: int = 5
    steps: int | tuple[int, ...] = (10, 16, 2)
    seconds: float | None = None
    tolerance: float = 1e-3
    patience: int = 5

    def __post_init__(self) -> None:
        for name, (fits, expected) in _EXPECTED.items():
            if not fits(value := getattr(self, name)):
                raise ValueError(f"{name} must be {expected}; got {value!r}.")
        levels, velocity = self.levels, self.velocity_spacing
        if not (
            len(levels) == len(velocity)
            and list(velocity) == sorted(velocity, reverse=True)
            and all(image <= n for image, n in zip(levels, velocity, strict=True))
        ):
            raise ValueError(
                "levels and velocity_spacing must be powers of two, one of each per level, the "
                "velocity's from coarse to fine and none below its images'; got "
                f"{levels} and {velocity}."
            )
        if isinstance(self.steps, int):
            object.__setattr__(self, "steps", (self.steps,) * len(levels))
        if len(self.steps) != len(levels):
            raise ValueError(
                f"steps must be one number or one for each of the {len(levels)} levels; got "
                f"{self.steps}."
            )

    @classmethod
    def from_budget(cls, text: str) -> Refinement:
        """The standard settings with a budget: `20s`, `100` (steps on each level) or nothing.

        Raises
        ------
        InputError
            If it is neither.
        """
        if not text:
            return cls()
        with suppress(ValueError):
            if text.endswith("s") and 0 < float(text[:-1]) < math.inf:
                return cls(seconds=float(text[:-1]), steps=_UNLIMITED)
            if not text.endswith("s") and int(text) >= 0:
                return cls(steps=int(text))
        raise InputError(
            f"--refine: expected seconds (20s) or a number of steps (100), found {text!r}; "
            "give one of these, or --refine alone."
        )

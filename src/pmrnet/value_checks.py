"""What a value read from YAML is: a number, a count, a list of such."""

from __future__ import annotations

from collections.abc import Callable


def is_number(value: object) -> bool:
    """Whether it is a number; YAML's true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_positive(value: object) -> bool:
    """Whether it is a number above 0."""
    return is_number(value) and value > 0


def is_0_or_more(value: object) -> bool:
    """Whether it is a number of 0 or more."""
    return is_number(value) and value >= 0


def is_count(value: object) -> bool:
    """Whether it is a whole number above 0."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def is_count_or_0(value: object) -> bool:
    """Whether it is a whole number of 0 or more."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_power_of_two(value: object) -> bool:
    """Whether it is 1, 2, 4, ..."""
    return is_count(value) and value & (value - 1) == 0


def all_of(fits: Callable[[object], bool]) -> Callable[[object], bool]:
    """Make a check of tuples: one entry or more, and every one fits."""
    return lambda values: isinstance(values, tuple) and bool(values) and all(map(fits, values))

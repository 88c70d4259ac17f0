"""Pairs of a split for a benchmark, which takes some of them only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pmrnet.errors import InputError

if TYPE_CHECKING:
    from pmrnet.dataset import Dataset


def pairs_of(data: Dataset, split: str, number: int) -> list[tuple[str, str]]:
    """All pairs of a split, (moving, fixed), of which there are so many at least.

    Raises
    ------
    InputError
        If there are fewer, or none is wanted.
    """
    listed = data.protocol.pairs(split)
    if not 0 < number <= len(listed):
        raise InputError(
            f"--pairs: expected 1 to {len(listed)} {split} pairs of {data.given}, found {number}; "
            "give another number."
        )
    return listed

"""Drafting who trains, validates and tests."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from pmrnet.errors import InputError

#: fewest subjects to train and validate with, two of each; and to test as well
FEWEST, FEWEST_WITH_TEST = 4, 6


def split_subjects(
    names: Collection[str], labelled: Collection[str] | None = None
) -> dict[str, list[str]]:
    """Split subjects by the order of their names: about 70, 10 and 20 percent.

    Parameters
    ----------
    names
        The subjects.
    labelled
        Those with labels, since only they can validate and test; None if that does not matter.

    Returns
    -------
    dict
        Names by split. `test` is empty with fewer than six subjects, or too few with labels.

    Raises
    ------
    InputError
        If there are fewer than four subjects.
    """
    order = in_order(names)
    if len(order) < FEWEST:
        raise InputError(
            f"Expected {FEWEST} or more subjects, two to train and two to validate "
            f"({FEWEST_WITH_TEST} to test as well), found {len(order)} "
            f"({', '.join(order) or 'none'}): add subjects."
        )
    able = order if labelled is None else in_order(labelled)
    test = max(2, round(0.2 * len(order))) if len(order) >= FEWEST_WITH_TEST else 0
    validation = max(2, round(0.1 * len(order)))
    if len(able) < validation + test:
        validation = max(2, len(able) // 3)
        test = len(able) - validation if len(able) >= FEWEST else 0
    held_out = able[len(able) - validation - test :]
    return {
        "train": [name for name in order if name not in held_out],
        "validation": held_out[:validation],
        "test": held_out[validation:],
    }


def in_order(names: Iterable[str]) -> list[str]:
    """Names in the order people expect, S2 before S10."""
    return sorted(names, key=_natural)


def _natural(name: str) -> tuple[list[tuple[str, int]], str]:
    parts = re.findall(r"(\D*)(\d*)", name)
    return [(text, int(number or -1)) for text, number in parts], name
